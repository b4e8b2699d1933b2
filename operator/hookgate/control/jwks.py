"""The key sets of token issuers: fetched over HTTPS, kept fresh, and kept through an issuer's outage.

Issuers and URLs are the tenants' words, so what is fetched is bounded in size and time, no redirect is followed, no
answer is repeated anywhere, and an address is judged when it is dialled: it has to be public, unless the platform named
that issuer. This module may not know what a token is; `hookgate.scheme.jwt` reads the sets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from hookgate.control.cluster import Request
from hookgate.control.values import Published
from hookgate.model.addresses import effective, is_metadata
from hookgate.model.endpoint import KeySet
from hookgate.model.grammar import HttpUrl, split_url
from hookgate.scheme.jwt import public_key_set
from hookgate.scheme.keys import Unusable

#: How often a key set is fetched again, in seconds, give or take a tenth.
REFRESH = 600.0
#: How soon after a failure, doubling up to `REFRESH`.
RETRY = 15.0
#: A key set that no endpoint asked for in this time is forgotten; after half of it its endpoints are woken.
FORGET = 3_600.0

_DISCOVERY = "/.well-known/openid-configuration"
_SECONDS = 10.0
_MAX_BYTES = 262_144
#: How many are fetched at a time, in all and for one namespace: an issuer that does not answer takes its place for a
#: while, and whoever names many of those shall wait for themselves.
_AT_ONCE, _FOR_ONE = 16, 2


class _NotFetched(Exception):  # noqa: N818 -- what happened
    """No key set, and why, in words that repeat nothing that was received."""


@dataclass(slots=True)
class _Entry:
    due: float
    asked: float
    failures: int = 0
    reminded: bool = False
    found: Published = field(default_factory=Published)
    users: set[Request] = field(default_factory=set)


class KeySets:
    """What `Reconciler` asks for key sets. ``private`` tells which issuers may have addresses that are not public.

    ``wake`` hears of every endpoint whose key set is new. ``clock`` gives seconds, ``jitter`` numbers from 0 to 1.
    """

    def __init__(
        self,
        wake: Callable[[Request], None],
        *,
        private: Callable[[], tuple[HttpUrl, ...]],
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare; nothing is fetched before `run`."""
        self._wake, self._private, self._clock, self._jitter = wake, private, clock, jitter
        self._tls = tls or ssl.create_default_context()
        self._entries: dict[KeySet, _Entry] = {}
        #: What is being fetched now, and the namespace that each is fetched for.
        self._fetching: dict[KeySet, str] = {}
        #: When each namespace had its last turn, as a running number.
        self._turns: dict[str, int] = {}
        self._asked = asyncio.Event()

    def published(self, key_set: KeySet, request: Request) -> Published:
        """Return what is known of a key set now, and keep it fresh for ``request`` from now on."""
        entry = self._entries.get(key_set)
        if entry is None:
            entry = self._entries[key_set] = _Entry(due=self._clock(), asked=0.0)
            self._asked.set()
        entry.asked, entry.reminded = self._clock(), False
        entry.users.add(request)
        return entry.found

    async def run(self) -> None:
        """Fetch what is due, for ever."""
        async with (
            _session(self._tls, public=True) as public,
            _session(self._tls, public=False) as anywhere,
            asyncio.TaskGroup() as group,
        ):
            while True:
                self._asked.clear()
                now = self._clock()
                self._tidy(now)
                for key_set in self._take_turns(now):
                    group.create_task(self._refresh(key_set, public, anywhere))
                await self._rest(now)

    def _take_turns(self, now: float) -> list[KeySet]:
        """Choose what to fetch in the free places: the namespace that has fewest, then whose turn is longest ago."""
        waiting: dict[str, list[KeySet]] = {}
        for key_set, entry in self._entries.items():
            if entry.due <= now and key_set not in self._fetching:
                for namespace in {request.namespace for request in entry.users}:
                    waiting.setdefault(namespace, []).append(key_set)
        taken: list[KeySet] = []
        held = Counter(self._fetching.values())
        while waiting and len(self._fetching) < _AT_ONCE:
            namespace = min(waiting, key=lambda each: (held[each], self._turns.get(each, 0)))
            if held[namespace] >= _FOR_ONE:
                break
            key_set = waiting[namespace].pop(0)
            if not waiting[namespace]:
                del waiting[namespace]
            if key_set not in self._fetching:  # another namespace that waits for the same one may have had it
                self._fetching[key_set] = namespace
                self._turns[namespace] = max(self._turns.values(), default=0) + 1
                held[namespace] += 1
                taken.append(key_set)
        return taken

    def _tidy(self, now: float) -> None:
        """Forget what nobody needs any more; who still needs it says so when it is looked at."""
        self._entries = {key_set: e for key_set, e in self._entries.items() if now - e.asked < FORGET}
        known = {request.namespace for entry in self._entries.values() for request in entry.users}
        self._turns = {namespace: turn for namespace, turn in self._turns.items() if namespace in known}
        for entry in self._entries.values():
            if now - entry.asked > FORGET / 2 and not entry.reminded:
                entry.reminded = True
                self._wake_users(entry)

    def _wake_users(self, entry: _Entry) -> None:
        for request in entry.users:
            self._wake(request)

    async def _rest(self, now: float) -> None:
        """Wait until something is due, asked for or done. What is due already waits for a place."""
        pause = min((entry.due - now for entry in self._entries.values() if entry.due > now), default=FORGET)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._asked.wait()

    async def _refresh(self, key_set: KeySet, public: aiohttp.ClientSession, anywhere: aiohttp.ClientSession) -> None:
        def session_for(url: str) -> aiohttp.ClientSession:
            return anywhere if _may_be_private(url, self._private()) else public

        entry = self._entries[key_set]
        before = entry.found
        try:
            entry.found, entry.failures = Published(value=await _fetch(key_set, session_for)), 0
        except _NotFetched as error:
            entry.found, entry.failures = Published(value=before.value, problem=str(error)), entry.failures + 1
        pause = min(REFRESH, RETRY * 2 ** (entry.failures - 1)) if entry.failures else REFRESH
        entry.due = self._clock() + pause * (0.9 + 0.2 * self._jitter())
        del self._fetching[key_set]
        self._asked.set()
        if entry.found != before:
            self._wake_users(entry)


async def _fetch(key_set: KeySet, session_for: Callable[[str], aiohttp.ClientSession]) -> bytes:
    url = key_set.url
    if url is None:
        where = key_set.issuer.removesuffix("/") + _DISCOVERY
        url = _key_set_url(await _get(where, session_for(where), "discovery"), key_set.issuer)
    found = public_key_set(await _get(url, session_for(url), "the key set's URL"))
    if isinstance(found, Unusable):
        raise _NotFetched("the key set's URL answered with something that is no JSON Web Key Set")
    return found


def _key_set_url(raw: bytes, issuer: str) -> str:
    """Read a discovery document (OpenID Connect Discovery 1.0, section 4.3), which has to speak of this very issuer."""
    try:
        document: Any = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise _NotFetched("discovery did not answer with a document of this very issuer")
    url = document.get("jwks_uri")
    parts = split_url(url) if isinstance(url, str) else None
    if parts is None or parts.scheme != "https":
        raise _NotFetched("discovery names no key set over https")
    return str(url)


async def _get(url: str, session: aiohttp.ClientSession, what: str) -> bytes:
    try:
        async with asyncio.timeout(_SECONDS), session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise _NotFetched(f"{what} answered {response.status}")
            chunks: list[bytes] = []
            async for chunk in response.content.iter_any():
                chunks.append(chunk)
                if sum(map(len, chunks)) > _MAX_BYTES:
                    response.close()
                    raise _NotFetched(f"{what} answered with more than {_MAX_BYTES} bytes")
            return b"".join(chunks)
    except TimeoutError:
        raise _NotFetched(f"{what} did not answer within {_SECONDS:.0f} s") from None
    except aiohttp.ClientConnectorCertificateError:
        raise _NotFetched(f"{what} has no certificate that is trusted here") from None
    except (aiohttp.ClientError, OSError, ValueError):
        raise _NotFetched(f"{what} cannot be reached, or has no public address") from None


def _session(tls: ssl.SSLContext, *, public: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=tls,
            force_close=True,
            socket_factory=_open_public if public else lambda found: socket.socket(*found[:3]),
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
    )


def _open_public(found: tuple[Any, ...]) -> socket.socket:
    """Make the socket for one resolved address, the moment before it is connected."""
    family, kind, protocol, _, address = found
    if not is_public(address[0]):
        raise PermissionError("the address is not public")
    return socket.socket(family, kind, protocol)


def is_public(address: str) -> bool:
    """Tell whether an address, as `socket` prints it, is one of the public internet, in whatever spelling."""
    found = effective(address)
    return found is not None and found.is_global and not found.is_multicast and not is_metadata(found)


def _may_be_private(url: str, named: Iterable[HttpUrl]) -> bool:
    wanted = split_url(url)
    return wanted is not None and any(
        (each.scheme, each.host, each.port) == (wanted.scheme, wanted.host, wanted.port) for each in named
    )

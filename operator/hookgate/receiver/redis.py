"""The shared store in Redis or Valkey (7.0 or newer): one connection, questions pipelined, answers in callbacks.

A call's claim is one ``SET … NX GET``: it tells in one round trip whether the call is new, seen or under way. A claim
ends by itself, so that a receiver that dies in the middle of a call does not hold it for ever. While the store is away
claims are answered so at once, and what was taken meanwhile is told to it when it is back. Of its own errors nothing is
logged but their first word: the rest may repeat what was asked. It may not know endpoints beyond their uids.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import ssl
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

import hiredis

from hookgate.model.store import StoreAddress
from hookgate.receiver.replay import Claim
from hookgate.scheme.replay import Mark

_log = logging.getLogger(__name__)

#: How long the store may take to be reached and to let us in, in seconds.
_CONNECT_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.25
_PAUSES: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
#: How many taken calls are kept for a store that is away; beyond that the oldest are given up, and counted.
_MOST_UNTOLD: Final = 50_000
_SEEN: Final = b"s"
_CLAIMED: Final = b"c"
_FREE: Final = b"if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
_OLDEST: Final = 7
#: Errors that another connection may not meet: the store has become a replica, is not ready, or rights have changed.
_LEFT: Final = frozenset({"READONLY", "LOADING", "MASTERDOWN", "NOAUTH", "NOPERM", "CLUSTERDOWN"})
#: A connection that ends sooner than this counts as a failure, in seconds.
_STEADY: Final = 10.0

Answered = Callable[[Any], None]


class Lost(Exception):  # noqa: N818 -- stands where an answer would
    """The connection ended before an answer came."""


class _Link(asyncio.Protocol):
    """One connection: questions out, answers back in the same order."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[Answered, float]] = deque()
        self._transport: asyncio.Transport
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Answer everybody who waits."""
        self.ended.set()
        waiting, self._waiting = self._waiting, deque()
        for answered, _ in waiting:
            _tell(answered, Lost())

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not False:
                answered, _ = self._waiting.popleft()
                _tell(answered, answer)
        except (hiredis.ProtocolError, IndexError):
            self.close()

    def ask(self, answered: Answered, *words: bytes | int) -> None:
        """Send a command; ``answered`` gets the answer, an exception where there is none or it is an error."""
        if self.ended.is_set() or self._transport.is_closing():
            _tell(answered, Lost())
            return
        self._waiting.append((answered, time.monotonic()))
        self._transport.write(hiredis.pack_command(cast("Any", words)))

    async def answer(self, *words: bytes | int) -> Any:
        """Send a command and wait. Raises `Lost`, `TimeoutError` and hiredis.ReplyError."""
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.ask(lambda found: None if waiting.done() else waiting.set_result(found), *words)
        async with asyncio.timeout(_CONNECT_SECONDS):
            found = await waiting
        if isinstance(found, Exception):
            raise found
        return found

    def overdue(self, seconds: float) -> bool:
        """Tell whether the oldest question waits for longer than that."""
        return bool(self._waiting) and time.monotonic() - self._waiting[0][1] > seconds

    def close(self) -> None:
        """End at once."""
        self._transport.abort()


class RedisStore:
    """A `hookgate.receiver.guard.Store`. ``up`` tells whether it can be asked now; ``errors`` counts by kind."""

    def __init__(self, address: StoreAddress, secret: Path | None = None, *, seconds: float = 1.0) -> None:
        """Use the store at ``address``; ``secret`` is a folder that may have username, password and ca.crt.

        A store that takes longer than ``seconds`` for an answer is taken for away.
        """
        self._address, self._secret, self._seconds = address, secret, seconds
        self._link: _Link | None = None
        self._numbers, self._own = itertools.count(), os.urandom(8)
        self._untold: OrderedDict[bytes, float] = OrderedDict()
        self._told = ""
        #: Set once the store was reached or found away, so that a receiver does not begin without it for no reason.
        self.tried = asyncio.Event()
        self.errors = dict.fromkeys(("away", "refused", "forgotten"), 0)

    @property
    def up(self) -> bool:
        return self._link is not None

    async def run(self) -> None:
        """Keep a connection until cancelled."""
        failures = 0
        while True:
            link, began = None, time.monotonic()
            try:
                link = await self._connect()
                self._link = link
                self._say("")
                self.tried.set()
                self._retell(link)
                await self._watch(link)
                self._say("ended the connection")
            except Exception as error:  # whatever it is that answers there, it is looked for again
                self._say(_word(error))
            finally:
                self._link = None
                if link is not None:
                    link.close()
                self.tried.set()
            failures = 0 if time.monotonic() - began > _STEADY else failures
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    def claim(self, uid: str, marks: Sequence[Mark], lease: float, done: Callable[[Claim, bytes], None]) -> None:
        """See `hookgate.receiver.guard.Store`."""
        link = self._link
        if link is None:
            self.errors["away"] += 1
            done(Claim.AWAY, b"")
            return
        token = _CLAIMED + self._own + b"%d" % next(self._numbers)
        answers: list[Any] = []

        def answered(answer: Any) -> None:
            answers.append(answer)
            if len(answers) == len(marks):
                done(self._judge(uid, marks, token, answers), token)

        milliseconds = int(lease * 1000)
        for mark in marks:
            link.ask(answered, b"SET", _name(uid, mark), token, b"NX", b"GET", b"PX", milliseconds)

    def commit(self, uid: str, marks: Sequence[Mark], now: float) -> None:
        """See `hookgate.receiver.guard.Store`."""
        for mark in marks:
            self._remember(_name(uid, mark), mark.expires, now)

    def free(self, uid: str, marks: Sequence[Mark], token: bytes) -> None:
        """See `hookgate.receiver.guard.Store`."""
        if self._link is not None:
            for mark in marks:
                self._link.ask(self._count, b"EVAL", _FREE, b"1", _name(uid, mark), token)

    def _judge(self, uid: str, marks: Sequence[Mark], token: bytes, answers: Sequence[Any]) -> Claim:
        if all(answer is None for answer in answers):
            return Claim.FRESH
        self.free(uid, [mark for mark, answer in zip(marks, answers, strict=True) if answer is None], token)
        if any(isinstance(answer, Exception) for answer in answers):
            for answer in answers:
                self._count(answer)
            return Claim.AWAY
        return Claim.SEEN if _SEEN in answers else Claim.IN_FLIGHT

    def _remember(self, name: bytes, expires: float, now: float) -> None:
        left = int((expires - now) * 1000)
        if left <= 0:
            return
        if self._link is None:
            self._keep(name, expires)
            return

        def answered(answer: Any) -> None:
            if isinstance(answer, Exception):
                self._count(answer)
                self._keep(name, expires)

        self._link.ask(answered, b"SET", name, _SEEN, b"PX", left)

    def _keep(self, name: bytes, expires: float) -> None:
        """Keep a taken call for when the store is back."""
        if len(self._untold) >= _MOST_UNTOLD:
            self._untold.popitem(last=False)
            self.errors["forgotten"] += 1
        self._untold[name] = expires

    def _retell(self, link: _Link) -> None:
        assert link is self._link, "what is told goes through the connection in use"
        untold, self._untold = self._untold, OrderedDict()
        now = time.time()
        for name, expires in untold.items():
            self._remember(name, expires, now)

    def _count(self, answer: Any) -> None:
        """Count what went wrong. A store that cannot be written to any more is left, and looked for anew."""
        if isinstance(answer, Lost):
            self.errors["away"] += 1
        elif isinstance(answer, Exception):
            self.errors["refused"] += 1
            word = _word(answer)
            self._say(word)
            if word in _LEFT and self._link is not None:
                self._link.close()

    async def _connect(self) -> _Link:
        address = self._address
        found = await asyncio.to_thread(_read, self._secret)
        context = _context(found.get("ca.crt")) if address.tls else None
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, link = await loop.create_connection(_Link, address.host, address.port, ssl=context)
        try:
            await self._greet(link, found)
        except BaseException:
            link.close()
            raise
        return link

    async def _greet(self, link: _Link, login: dict[str, bytes]) -> None:
        if "password" in login:
            user = (login["username"],) if login.get("username") else ()
            await link.answer(b"AUTH", *user, login["password"])
        hello = await link.answer(b"HELLO", b"2")
        told = dict(zip(hello[::2], hello[1::2], strict=False))
        if int(told.get(b"version", b"0").split(b".")[0]) < _OLDEST:
            raise ValueError("too old")
        if self._address.database:
            await link.answer(b"SELECT", self._address.database)
        try:
            limits = await link.answer(b"CONFIG", b"GET", b"maxmemory*")
        except hiredis.ReplyError:
            return  # not everybody may ask
        settings = dict(zip(limits[::2], limits[1::2], strict=False))
        policy = settings.get(b"maxmemory-policy", b"noeviction")
        if settings.get(b"maxmemory", b"0") != b"0" and policy != b"noeviction":
            _log.warning(
                "replay store %s: forgets calls when its memory is full, so that they could be repeated; set "
                "maxmemory-policy to noeviction",
                self._address,
            )

    async def _watch(self, link: _Link) -> None:
        while not link.ended.is_set():
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await link.ended.wait()
            except TimeoutError:
                if link.overdue(self._seconds):
                    link.close()

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._told:
            _log.error("replay store %s cannot be used (%s); trying again", self._address, trouble)
        elif self._told and not trouble:
            _log.warning("replay store %s is reached again", self._address)
        self._told = trouble


def _name(uid: str, mark: Mark) -> bytes:
    return b"hookgate:%s:%d:%s" % (uid.encode(), mark.kind, mark.key)


def _tell(answered: Answered, answer: Any) -> None:
    try:
        answered(answer)
    except Exception as error:
        _log.error("replay store: an answer could not be taken (%s)", type(error).__name__)


def _word(error: Exception) -> str:
    """Return the kind of an error: of one that the store tells, its first word, which is a constant of its own."""
    if isinstance(error, hiredis.ReplyError):
        word = str(error).partition(" ")[0]
        return word if word.isalpha() and word.isupper() and len(word) <= 20 else "ReplyError"
    if isinstance(error, ValueError) and str(error) == "too old":
        return "older than 7.0"
    return type(error).__name__


def _read(folder: Path | None) -> dict[str, bytes]:
    """Read credentials anew for each connection, since they may have been renewed; one newline is left out."""
    found: dict[str, bytes] = {}
    for name in ("username", "password", "ca.crt") if folder is not None else ():
        file = cast("Path", folder) / name
        if file.is_file():
            value = file.read_bytes()
            found[name] = value if name == "ca.crt" else value.removesuffix(b"\n")
    return found


def _context(authority: bytes | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

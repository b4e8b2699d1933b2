"""Bytes to and from one API server: TLS, credentials, timeouts, one bounded pool of connections.

`Transport` is all that `Api` asks for; `HttpTransport` is the one implementation, on aiohttp. It may not know about
kinds, JSON or Kubernetes' rules, nor where its `Connection` came from: `library` and `light` make those.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from hookgate import __version__

_CONNECT_TIMEOUT_S = 10.0
# More than the operator has workers: a renewal of its lease must not wait behind their writes.
_POOL_SIZE = 32


class Unreachable(Exception):  # noqa: N818 - the name of the outcome, as ApiError tells it
    """No answer: connection, TLS, timeout or an unreadable credentials file."""


class Silent(Unreachable):
    """A stream that had begun well said nothing for its time: a lost peer, or simply nothing to say."""


class Refused(Exception):  # noqa: N818 - the name of the outcome
    """The call's own guard said no, and no change was sent."""


class Credentials(Protocol):
    """Where the Authorization header comes from."""

    async def authorization(self) -> str | None:
        """Return the header's value now, or None for none (client certificates). Raises OSError or ValueError."""

    async def renew(self, refused: str | None) -> bool:
        """After a 401 for ``refused``: look for a newer one and say whether there is. Never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How to reach one API server. ``server`` is a base URL, possibly with a path; ``ssl`` None for plain HTTP."""

    server: str
    credentials: Credentials
    ssl: ssl.SSLContext | None = None
    server_name: str | None = None
    proxy: str | None = None
    proxy_from_environment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. ``timeout_s`` bounds the whole of it; for a stream it bounds each silence instead.

    ``guard`` is asked at the last moment, with a connection at hand and right before the body goes out.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    timeout_s: float = 30.0
    guard: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer; header names are in lower case. The body of a stream that began well is empty."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An answer whose body arrives in pieces. ``chunks`` raises Unreachable when cut, Silent when silent."""

    reply: Reply
    chunks: AsyncIterator[bytes]


class Transport(Protocol):
    """What `Api` needs of a connection to an API server."""

    async def request(self, call: Call) -> Reply:
        """Send ``call`` and read the whole answer, whatever its status. Raises Unreachable and Refused."""

    def stream(self, call: Call) -> AbstractAsyncContextManager[Stream]:
        """Send ``call`` and hand out the body as it arrives. Raises Unreachable."""

    async def close(self) -> None:
        """Close every connection."""


class HttpTransport:
    """A `Transport` on aiohttp. Must be made, used and closed on one event loop.

    Watches have a session of their own: they hold their connections for minutes and would starve a bounded pool.
    No request is repeated, except once after a 401 when the credentials have changed meanwhile.
    """

    def __init__(self, connection: Connection, *, pool_size: int = _POOL_SIZE) -> None:
        """``pool_size`` bounds the connections for everything but watches, of which each reflector holds one."""
        self._connection = connection
        self._server = connection.server.rstrip("/")
        self._proxy = connection.proxy
        if self._proxy is None and connection.proxy_from_environment:
            self._proxy = proxy_of(URL(connection.server))
        self._requests = self._session(pool_size)
        self._streams = self._session(0)

    async def request(self, call: Call) -> Reply:
        """See `Transport.request`."""
        limits = aiohttp.ClientTimeout(total=call.timeout_s)
        with _as_unreachable():
            async with await self._open(self._requests, call, limits) as response:
                return Reply(status=response.status, headers=_lowered(response), body=await response.read())

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[Stream]:
        """See `Transport.stream`."""
        connect = min(_CONNECT_TIMEOUT_S, call.timeout_s)
        limits = aiohttp.ClientTimeout(total=None, connect=connect, sock_read=call.timeout_s)
        with _as_unreachable():
            response = await self._open(self._streams, call, limits)
        async with response:
            with _as_unreachable():
                body = b"" if response.status == 200 else await response.read()
            reply = Reply(status=response.status, headers=_lowered(response), body=body)
            async with aclosing(_chunks(response)) as chunks:
                yield Stream(reply=reply, chunks=chunks)

    async def close(self) -> None:
        """See `Transport.close`."""
        await self._requests.close()
        await self._streams.close()

    async def _open(
        self, session: aiohttp.ClientSession, call: Call, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """Send ``call``, and once more after a 401 when there are newer credentials."""
        credentials = self._connection.credentials
        authorization = await credentials.authorization()
        response = await self._send(session, call, limits, authorization)
        if response.status != 401 or not await credentials.renew(authorization):
            return response
        response.close()
        return await self._send(session, call, limits, await credentials.authorization())

    async def _send(
        self, session: aiohttp.ClientSession, call: Call, limits: aiohttp.ClientTimeout, authorization: str | None
    ) -> aiohttp.ClientResponse:
        """Send once and return when the answer's head is there."""
        headers = {"Content-Type": call.content_type} if call.body is not None else {}
        if authorization is not None:
            headers["Authorization"] = authorization
        query = f"?{urlencode(call.query)}" if call.query else ""
        return await session.request(
            call.method,
            URL(f"{self._server}{call.path}{query}", encoded=True),
            data=_Guarded(call.body, call.guard) if call.body is not None and call.guard is not None else call.body,
            headers=headers,
            timeout=limits,
            proxy=self._proxy,
            server_hostname=self._connection.server_name,
            allow_redirects=False,  # an API server does not redirect these, and the token must not follow
        )

    def _session(self, limit: int) -> aiohttp.ClientSession:
        """A session of at most ``limit`` connections; 0 for no limit."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, ssl=self._connection.ssl or True),
            headers={"Accept": "application/json", "User-Agent": f"hookgate/{__version__}"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )


class _Guarded(aiohttp.BytesPayload):
    """A body that asks its guard in the same breath in which it is written.

    Anything earlier, such as waiting for a connection, leaves room for the process to be stopped in between. A
    request without its body is incomplete, and no server acts on it.
    """

    def __init__(self, body: bytes, guard: Callable[[], bool]) -> None:
        super().__init__(body)
        self._guard = guard

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if not self._guard():
            raise Refused
        await super().write_with_length(writer, content_length)


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """The pieces of a body as they arrive."""
    with _as_unreachable(Silent):
        async for chunk in response.content.iter_any():
            yield chunk


@contextmanager
def _as_unreachable(on_timeout: type[Unreachable] = Unreachable) -> Iterator[None]:
    """Turn every way of not getting an answer into `Unreachable`."""
    try:
        yield
    except TimeoutError as error:
        raise on_timeout(type(error).__name__) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if isinstance(error.__cause__, Refused):
            raise Refused from None
        raise Unreachable(type(error).__name__) from error


def _lowered(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    """The headers with names in lower case; of repeated ones the last."""
    return {name.lower(): value for name, value in response.headers.items()}


def proxy_of(server: URL) -> str | None:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for ``server``.

    aiohttp's own way (trust_env) asks two threads before each request, which costs as much as the request, and takes
    a .netrc entry for the host, which it then refuses to combine with a token.
    """
    if proxy_bypass(f"{server.host}:{server.port}"):
        return None
    return getproxies().get(server.scheme)


def tls_context(*, ca_file: str | None, ca_data: str | None = None, verify: bool = True) -> ssl.SSLContext:
    """A client context that trusts the given authority, or the system's when there is none.

    Python's strict X.509 mode (on by default from 3.13) refuses cluster authorities that kubectl accepts, such as
    those without an Authority Key Identifier: it is off, names and signatures are checked all the same.
    """
    context = ssl.create_default_context(cafile=ca_file, cadata=ca_data)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

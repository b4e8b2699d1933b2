"""One bounded attempt at the target.

It may not know why the call is delivered nor what the sender will be told: it returns the target's answer or the reason
why there is none. No redirects, no retries, no cookies, no proxies from the environment, nothing decompressed.
"""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from hookgate.receiver.dial import may_dial
from hookgate.receiver.forward import Target, request_target
from hookgate.receiver.respond import Delivered, Delivery, Undelivered

#: Pooled connections are given up before common servers close them (2 s and more), since a call that meets a
#: connection which is just being closed fails, and is not repeated.
_POOL_IDLE_SECONDS = 1.5
_DNS_CACHE_SECONDS = 10
#: Above this size aiohttp wants a body as a file, which it writes in slices.
_BODY_IN_ONE_PIECE = 1 << 20
_AUTOMATIC_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Deliverer(Protocol):
    """What the edge needs of a client; one for all targets."""

    async def deliver(
        self, target: Target, headers: Sequence[tuple[bytes, bytes]], query: bytes, body: bytes
    ) -> Delivery:
        """POST ``body`` to the target once. ``headers`` are end-to-end and lower-case; ``query`` is ASCII."""
        ...

    async def close(self) -> None:
        """Give up all connections."""
        ...


class PooledDeliverer:
    """A `Deliverer` on aiohttp's client. Make it inside a running loop.

    A header value that is not UTF-8 is left out: aiohttp carries text only, and any other spelling would be altered.
    """

    def __init__(self, *, max_response_bytes: int, max_connections: int, loopback: bool = False) -> None:
        """Bound each answer by ``max_response_bytes`` and the pool by ``max_connections``; further calls wait.

        ``loopback`` allows targets on this host.
        """
        self._max_response_bytes = max_response_bytes
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=max_connections,
                keepalive_timeout=_POOL_IDLE_SECONDS,
                ttl_dns_cache=_DNS_CACHE_SECONDS,
                socket_factory=partial(_open, loopback=loopback),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_AUTOMATIC_HEADERS,
            # The attempt as a whole is bounded in deliver(), including the wait for a connection.
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        )

    async def deliver(
        self, target: Target, headers: Sequence[tuple[bytes, bytes]], query: bytes, body: bytes
    ) -> Delivery:
        """See `Deliverer`."""
        url = URL(f"{target.scheme}://{target.authority}{request_target(target, query)}", encoded=True)
        data = body if len(body) <= _BODY_IN_ONE_PIECE else io.BytesIO(body)
        try:
            async with (
                asyncio.timeout(target.timeout),
                self._session.post(url, headers=_as_text(headers), data=data, allow_redirects=False) as response,
            ):
                answer = await self._read(response)
                if answer is None:
                    return Undelivered.ANSWER_TOO_LARGE
                return Delivered(status=response.status, headers=_as_bytes(response.raw_headers), body=answer)
        except TimeoutError:
            return Undelivered.TIMEOUT
        except (aiohttp.ClientError, OSError, ValueError):
            # ValueError: what aiohttp makes of a host name or an answer that breaks the protocol beyond its own errors.
            return Undelivered.REFUSED

    async def close(self) -> None:
        """See `Deliverer`."""
        await self._session.close()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | None:
        """Read the whole answer, or None as soon as it is over the limit; leaving it unread closes the connection."""
        limit = self._max_response_bytes
        if response.content_length is not None and response.content_length > limit:
            response.close()
            return None
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > limit:
                response.close()
                return None
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _open(found: tuple[Any, ...], *, loopback: bool) -> socket.socket:
    """Make the socket for one resolved address, the moment before it is connected."""
    family, kind, protocol, _, address = found
    if not may_dial(address[0], loopback=loopback):
        raise PermissionError("the target's address is not one that targets may have")
    return socket.socket(family, kind, protocol)


def _as_text(headers: Sequence[tuple[bytes, bytes]]) -> CIMultiDict[str]:
    text: CIMultiDict[str] = CIMultiDict()
    for name, value in headers:
        try:
            text.add(name.decode("ascii"), value.decode())
        except UnicodeDecodeError:
            continue
    return text


def _as_bytes(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers]

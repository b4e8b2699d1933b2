"""New connections to targets: names become addresses, addresses are judged, certificates are verified.

It may not know what is said on a connection. There is one path for http and https.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

from aiohappyeyeballs import start_connection

from hookgate.receiver.dial import Judge
from hookgate.receiver.upstream import Connection

_Found = tuple[int, int, int, str, Any]

_REMEMBER_SECONDS = 10.0
_REMEMBER_NAMES = 4_096
#: How long one address is tried alone before the next is tried beside it (RFC 8305, 5).
_NEXT_ADDRESS_SECONDS = 0.25


class Denied(Exception):  # noqa: N818 -- what happened
    """None of the addresses that a name has is one that targets may have, or the one that answered is this host's."""


class Dialer:
    """Opens connections. Make it inside a running loop."""

    def __init__(self, judge: Judge) -> None:
        """Connect to addresses that ``judge`` allows."""
        self._loop, self._judge = asyncio.get_running_loop(), judge
        self._known: dict[tuple[str, int], tuple[float, Sequence[_Found]]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[Sequence[_Found]]] = {}

    async def dial(
        self, scheme: str, host: str, port: int, ca: str | None, make: Callable[[socket.socket], Connection]
    ) -> Connection:
        """Return a connection that is ready to be spoken on.

        ``ca`` are the certificates (PEM) that an https target is verified by; None: those of the system. Raises OSError
        (refused, unresolvable), `Denied`, ssl.SSLError (unverifiable) and ValueError for a host that cannot be one.
        """
        # What is judged here is connected to as it is: there is no second resolution that could say something else.
        found = [each for each in await self._addresses(host, port) if self._judge.allows(each[4][0])]
        if not found:
            raise Denied
        opened = await start_connection(found, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, loop=self._loop)
        try:
            if not self._judge.allows_between(opened.getsockname()[0], opened.getpeername()[0]):
                raise Denied
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secure = _context(ca) if scheme == "https" else None
            connection = make(opened)
            protocol = cast("asyncio.Protocol", connection)
            await self._loop.create_connection(
                lambda: protocol, sock=opened, ssl=secure, server_hostname=host if secure is not None else None
            )
        except BaseException:
            opened.close()
            raise
        return connection

    async def _addresses(self, host: str, port: int) -> Sequence[_Found]:
        """Resolve a name, once for all who ask at the same time, and remember it for a short while."""
        key = (host, port)
        found = self._known.get(key)
        if found is not None and found[0] > self._loop.time():
            return found[1]
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._resolve(key))
            asking.add_done_callback(lambda _: self._asking.pop(key))
        return await asyncio.shield(asking)

    async def _resolve(self, key: tuple[str, int]) -> Sequence[_Found]:
        found = await self._loop.getaddrinfo(*key, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        if len(self._known) >= _REMEMBER_NAMES:
            self._known.clear()
        self._known[key] = (self._loop.time() + _REMEMBER_SECONDS, found)
        return found


@lru_cache(maxsize=256)
def _context(ca: str | None) -> ssl.SSLContext:
    """Return what verifies certificate and host name. Raises ssl.SSLError for a CA that cannot be read."""
    context = ssl.create_default_context(cadata=ca)
    context.set_alpn_protocols(["http/1.1"])
    return context

"""New connections to targets: names' addresses are judged, the judged ones connected to, certificates verified.

It may not know what is said on a connection. There is one path for http and https.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import cast

from aiohappyeyeballs import start_connection

from hookgate.receiver.dial import Judge
from hookgate.receiver.names import Names
from hookgate.receiver.upstream import Connection

#: How long one address is tried alone before the next is tried beside it (RFC 8305, 5).
_NEXT_ADDRESS_SECONDS = 0.25


class Denied(Exception):  # noqa: N818 -- what happened
    """None of the addresses that a name has is one that targets may have, or the one that answered is this host's."""


class Dialer:
    """Opens connections. Make it inside a running loop."""

    def __init__(self, judge: Judge) -> None:
        """Connect to addresses that ``judge`` allows."""
        self._loop, self._judge, self._names = asyncio.get_running_loop(), judge, Names()

    async def dial(
        self, scheme: str, host: str, port: int, ca: str | None, make: Callable[[socket.socket], Connection]
    ) -> Connection:
        """Return a connection that is ready to be spoken on.

        ``ca`` are the certificates (PEM) that an https target is verified by; None: those of the system. Raises OSError
        (refused, unresolvable), `Denied`, ssl.SSLError (unverifiable) and ValueError for a host that cannot be one.
        """
        # What is judged here is connected to as it is: there is no second resolution that could say something else.
        found = [each for each in await self._names.addresses(host, port) if self._judge.allows(each[4][0])]
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


@lru_cache(maxsize=256)
def _context(ca: str | None) -> ssl.SSLContext:
    """Return what verifies certificate and host name. Raises ssl.SSLError for a CA that cannot be read."""
    context = ssl.create_default_context(cadata=ca)
    context.set_alpn_protocols(["http/1.1"])
    return context

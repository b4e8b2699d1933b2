"""Connections behind a balancer that speaks the PROXY protocol: the header is read, then the HTTP protocol takes over.

In front of either edge's protocol, which never sees the header. Only proxies that are believed write one, and have to;
everybody else speaks HTTP from the first byte, so that nobody can claim an address. It may not know HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast

from hookgate.receiver.proxy_header import NoProxyHeader, read_proxy_header


class Faced(Protocol):
    """An HTTP protocol that can be told whom it speaks with, where that is not the other end of the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def face(self, peer: str) -> None:
        """Take ``peer`` for the other end. Called before `connection_made`."""
        ...


#: What makes a connection's first protocol out of what makes its HTTP protocol.
Front = Callable[[Callable[..., Faced]], Callable[..., asyncio.BaseProtocol]]


def as_it_is(make: Callable[..., Faced]) -> Callable[..., asyncio.BaseProtocol]:
    """Return the front of listeners that senders or plain HTTP proxies connect to: none."""
    return cast("Callable[..., asyncio.BaseProtocol]", make)


def behind_balancer(*, trusts: Callable[[str], bool], seconds: float, rejected: Callable[[], None]) -> Front:
    """Return the front that reads the PROXY protocol; see `Fronted`."""

    def front(make: Callable[..., Faced]) -> Callable[..., asyncio.BaseProtocol]:
        def first(*args: Any, **kwargs: Any) -> asyncio.BaseProtocol:
            return Fronted(partial(make, *args, **kwargs), trusts=trusts, seconds=seconds, rejected=rejected)

        return first

    return front


def peer_of(transport: asyncio.BaseTransport) -> str:
    """Return the address at the other end of a connection, "" where it has none."""
    found = transport.get_extra_info("peername")
    return str(found[0]) if isinstance(found, tuple) and found else ""


class Fronted(asyncio.Protocol):
    """The protocol of a connection until it is known whose it is."""

    def __init__(
        self, make: Callable[[], Faced], *, trusts: Callable[[str], bool], seconds: float, rejected: Callable[[], None]
    ) -> None:
        """``make`` the HTTP protocol; ``rejected`` is told of a header that did not come whole within ``seconds``."""
        self._make, self._trusts, self._seconds, self._rejected = make, trusts, seconds, rejected
        self._transport: asyncio.Transport
        self._data = b""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        if self._trusts(peer_of(transport)):
            self._deadline = asyncio.get_running_loop().call_later(self._seconds, self._give_up)
        else:
            self._hand_over(None, b"")

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._data += data
        try:
            header = read_proxy_header(self._data)
        except NoProxyHeader:
            self._give_up()
            return
        if header is not None:
            self._disarm()
            self._hand_over(header.source, self._data[header.size :])

    def connection_lost(self, _exc: Exception | None) -> None:
        """Called by the loop."""
        self._disarm()

    def _hand_over(self, source: str | None, rest: bytes) -> None:
        protocol = self._make()
        if source is not None:
            protocol.face(source)
        self._transport.set_protocol(cast("asyncio.Protocol", protocol))
        protocol.connection_made(self._transport)
        if rest and not self._transport.is_closing():
            protocol.data_received(rest)

    def _give_up(self) -> None:
        self._disarm()
        self._rejected()
        self._transport.abort()

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

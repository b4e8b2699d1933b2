"""The `Deliverer` of receivers: one attempt at the target, on connections that are kept for the next.

No redirects, no cookies, no proxies from the environment, nothing decompressed, and no second attempt at a POST that
may have arrived. A kept connection that its target has closed is found out before a byte is written, and replaced.
This module may not know why a call is delivered nor what the sender will be told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from functools import partial

from hookgate.receiver.dialer import Dialer
from hookgate.receiver.forward import Target, request_target
from hookgate.receiver.respond import Delivery, Undelivered
from hookgate.receiver.upstream import Connection

#: Idle connections are given up before common servers close them (2 s and more), since a call that meets a connection
#: which is just being closed fails, and is not repeated.
_IDLE_SECONDS = 1.5
_SWEEP_SECONDS = 0.5
#: A connection that was idle for less is taken as it is: asking the system whether it still lives costs a system call,
#: and what came in longer ago than this the event loop has seen by itself.
_SURELY_ALIVE_SECONDS = 0.01

#: Scheme, host, port and CA: what makes two targets share connections.
_Place = tuple[str, str, int, str | None]


class ConnectionPool:
    """A `hookgate.receiver.delivery.Deliverer`. Make it inside a running loop."""

    def __init__(self, *, max_response_bytes: int, max_connections: int, loopback: bool = False) -> None:
        """Bound each answer by ``max_response_bytes`` and the pool by ``max_connections``; further calls wait.

        ``loopback`` allows targets on this host.
        """
        self._limit, self._max = max_response_bytes, max_connections
        self._loop = asyncio.get_running_loop()
        self._dialer = Dialer(loopback=loopback)
        self._places = asyncio.Semaphore(max_connections)
        self._idle: dict[_Place, deque[Connection]] = {}
        self._open: dict[Connection, _Place] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """Open connections, idle ones included."""
        return len(self._open)

    async def deliver(
        self, target: Target, headers: Sequence[tuple[bytes, bytes]], query: bytes, body: bytes
    ) -> Delivery:
        """See `Deliverer`."""
        head = _head(target, headers, query, len(body))
        deadline = self._loop.time() + target.timeout
        place = (target.scheme, target.host, target.port, target.ca)
        if self._places.locked():
            try:
                async with asyncio.timeout_at(deadline):
                    await self._places.acquire()
            except TimeoutError:
                return Undelivered.TIMEOUT
        else:
            await self._places.acquire()
        try:
            connection = self._take(place) or await self._dial(place, deadline)
            if isinstance(connection, Undelivered):
                return connection
            return await self._exchange(connection, head, body, deadline)
        finally:
            self._places.release()

    async def close(self) -> None:
        """See `Deliverer`."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in list(self._open):
            connection.abort()

    async def _exchange(self, connection: Connection, head: bytes, body: bytes, deadline: float) -> Delivery:
        answer = connection.exchange(head, body)
        expiry = self._loop.call_at(deadline, connection.abort, Undelivered.TIMEOUT)
        try:
            return await answer
        except asyncio.CancelledError:
            connection.abort()
            raise
        finally:
            expiry.cancel()

    async def _dial(self, place: _Place, deadline: float) -> Connection | Undelivered:
        if len(self._open) >= self._max:
            self._give_one_up()
        make = partial(Connection, limit=self._limit, released=self._released)
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self._dialer.dial(*place, make)
        except TimeoutError:
            return Undelivered.TIMEOUT
        except (OSError, ValueError, RuntimeError):
            # ValueError: a host that cannot be one. RuntimeError: uvloop's word for some failures to connect.
            return Undelivered.REFUSED
        if connection.ended:
            return Undelivered.REFUSED
        self._open[connection] = place
        return connection

    def _take(self, place: _Place) -> Connection | None:
        """Return the connection that was used last and still lives."""
        idle = self._idle.get(place)
        now = self._loop.time()
        while idle:
            connection = idle.pop()
            if now - connection.idle_since < _SURELY_ALIVE_SECONDS or connection.alive:
                return connection
            connection.abort()
        return None

    def _released(self, connection: Connection, reusable: bool) -> None:
        place = self._open.get(connection)
        if place is None:
            return
        if reusable:
            connection.idle_since = self._loop.time()
            idle = self._idle.get(place)
            if idle is None:
                idle = self._idle[place] = deque()
            idle.append(connection)
            if self._sweeping is None:
                self._sweeping = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
            return
        del self._open[connection]
        with contextlib.suppress(KeyError, ValueError):
            self._idle[place].remove(connection)

    def _sweep(self) -> None:
        """Close what has been idle for too long, and look again as long as anything is idle."""
        self._sweeping = None
        before = self._loop.time() - _IDLE_SECONDS
        for place, idle in list(self._idle.items()):
            while idle and idle[0].idle_since <= before:
                idle.popleft().abort()
            if not idle:
                del self._idle[place]
        if self._idle:
            self._sweeping = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _give_one_up(self) -> None:
        """Close the connection that has been idle longest, whatever its target: the places are for those in use."""
        waiting = [idle for idle in self._idle.values() if idle]
        if waiting:
            min(waiting, key=lambda idle: idle[0].idle_since).popleft().abort()


def _head(target: Target, headers: Sequence[tuple[bytes, bytes]], query: bytes, length: int) -> bytes:
    """Return the request's head. Raises ValueError for a line that would not stay one."""
    first = f"POST {request_target(target, query)} HTTP/1.1\r\nhost: {target.authority}\r\ncontent-length: {length}\r\n"
    lines = [b"%s: %s\r\n" % pair for pair in headers]
    head = b"".join((first.encode("ascii"), *lines, b"\r\n"))
    ends = len(lines) + 4
    if head.count(b"\r") != ends or head.count(b"\n") != ends or b"\0" in head:
        raise ValueError("a header of the request is not one line")
    return head

"""The `Deliverer` of receivers: one attempt at the target, on connections that are kept for the next.

No redirects, no cookies, no proxies from the environment, nothing decompressed, and no second attempt at a POST that
may have arrived. A kept connection that its target has closed is found out before a byte is written, and replaced.
This module may not know why a call is delivered nor what the sender will be told.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Sequence
from functools import partial

from hookgate.receiver.answers import Answers
from hookgate.receiver.delivery import Done
from hookgate.receiver.dial import Judge
from hookgate.receiver.dialer import Denied, Dialer
from hookgate.receiver.forward import Place, Target, request_start
from hookgate.receiver.lines import lines, require_one_line
from hookgate.receiver.respond import Undelivered
from hookgate.receiver.upstream import Connection

#: Idle connections are given up before common servers close them (2 s and more), since a call that meets a connection
#: which is just being closed fails, and is not repeated.
_IDLE_SECONDS = 1.5
#: How often deadlines and idle connections are looked at, and so how late a timeout may be.
_LOOK_SECONDS = 0.05
#: A connection that was idle for less is taken as it is: asking the system whether it still lives costs a system call,
#: and what came in longer ago than this the event loop has seen by itself.
_SURELY_ALIVE_SECONDS = 0.01


class ConnectionPool:
    """A `hookgate.receiver.delivery.Deliverer`. Make it inside a running loop."""

    def __init__(self, *, max_response_bytes: int, max_connections: int, judge: Judge, answers: Answers) -> None:
        """Bound each answer by ``max_response_bytes`` and the pool by ``max_connections``; further calls wait.

        ``answers`` counts the answers that are being read; one that it has no room for is given up.

        ``judge`` says which addresses targets may have.
        """
        self._limit, self._max = max_response_bytes, max_connections
        self._answers = answers
        self._loop = asyncio.get_running_loop()
        self._judge, self._dialer = judge, Dialer(judge)
        self._idle: dict[Place, deque[Connection]] = {}
        self._open: dict[Connection, Place] = {}
        self._dialling = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._looking: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """Open connections, idle ones included."""
        return len(self._open)

    def begin(
        self, target: Target, headers: Sequence[tuple[bytes, bytes]], query: bytes, body: bytes, done: Done
    ) -> None:
        """See `Deliverer`. Raises ValueError for a header that is not one line."""
        head = _head(target, headers, query, len(body))
        deadline = self._loop.time() + target.timeout
        place = target.place
        connection = self._take(place)
        if connection is not None:
            connection.exchange(head, body, deadline, done)
            return
        task = self._loop.create_task(self._begin_anew(place, head, body, deadline, done))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def close(self) -> None:
        """See `Deliverer`."""
        if self._looking is not None:
            self._looking.cancel()
        for task in list(self._starting):
            task.cancel()
        for connection in list(self._open):
            connection.abort()

    async def _begin_anew(self, place: Place, head: bytes, body: bytes, deadline: float, done: Done) -> None:
        """Do what takes time: wait for a turn, dial."""
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self._connect(place)
        except TimeoutError:
            done(Undelivered.TIMEOUT)
        except Denied:
            done(Undelivered.DENIED)
        except ssl.SSLError:
            done(Undelivered.UNTRUSTED)
        except (OSError, ValueError, RuntimeError):
            # ValueError: a host that cannot be one. RuntimeError: uvloop's word for some failures to connect.
            done(Undelivered.REFUSED)
        except asyncio.CancelledError:
            done(Undelivered.REFUSED)
            raise
        else:
            connection.exchange(head, body, deadline, done)

    async def _connect(self, place: Place) -> Connection:
        """Return a connection as soon as the bound allows. Raises what `Dialer.dial` raises."""
        while len(self._open) + self._dialling >= self._max:
            if self._give_one_up():
                break
            await self._turn()
            connection = self._take(place)
            if connection is not None:
                return connection
        self._dialling += 1
        revision = self._judge.revision
        try:
            make = partial(Connection, limit=self._limit, answers=self._answers, place=place, released=self._released)
            connection = await self._dialer.dial(*place, make)
        except BaseException:
            self._next()
            raise
        finally:
            self._dialling -= 1
        connection.revision = revision
        if not connection.ended:
            self._open[connection] = place
        if self._looking is None:
            self._looking = self._loop.call_later(_LOOK_SECONDS, self._look)
        return connection

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()  # it came too late for this one
            raise

    def _take(self, place: Place) -> Connection | None:
        """Return the connection that was used last, still lives, and leads where nothing was learnt of meanwhile."""
        idle = self._idle.get(place)
        if not idle:
            return None
        now, revision = self._loop.time(), self._judge.revision
        while idle:
            connection = idle.pop()
            if connection.revision == revision and (
                now - connection.idle_since < _SURELY_ALIVE_SECONDS or connection.alive
            ):
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
        else:
            del self._open[connection]
            with contextlib.suppress(KeyError, ValueError):
                self._idle[place].remove(connection)
        if self._waiting:
            self._next()

    def _next(self) -> None:
        """Let one of those who wait look again."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _look(self) -> None:
        """End what has run out of time, and look again as long as anything is open."""
        self._looking = None
        now = self._loop.time()
        for connection in [each for each in self._open if each.deadline <= now]:
            connection.abort(Undelivered.TIMEOUT)
        for place, idle in list(self._idle.items()):
            while idle and idle[0].idle_since <= now - _IDLE_SECONDS:
                idle.popleft().abort()
            if not idle:
                del self._idle[place]
        if self._open:
            self._looking = self._loop.call_later(_LOOK_SECONDS, self._look)

    def _give_one_up(self) -> bool:
        """Close the connection that has been idle longest, whatever its target: the places are for those in use."""
        rested = [idle for idle in self._idle.values() if idle]
        if rested:
            min(rested, key=lambda idle: idle[0].idle_since).popleft().abort()
        return bool(rested)


def _head(target: Target, headers: Sequence[tuple[bytes, bytes]], query: bytes, length: int) -> bytes:
    """Return the request's head. Raises ValueError for a line that would not stay one."""
    start = target.start
    if query:
        require_one_line(query)
        start = request_start(target, query)
    return b"".join((start, b"%d\r\n" % length, lines(headers), b"\r\n"))

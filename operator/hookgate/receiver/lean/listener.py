"""The listener of the lean edge: accepts connections, ends what takes too long, and drains on the way down.

It may not know what is said on a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from functools import partial

from hookgate.receiver.answers import Answers
from hookgate.receiver.calls import Calls
from hookgate.receiver.edge import Bound, Bounds
from hookgate.receiver.fronted import Front
from hookgate.receiver.lean.protocol import Connection
from hookgate.receiver.lean.shared import Shared
from hookgate.receiver.lean.waiting import Room
from hookgate.receiver.neighbours import Neighbours
from hookgate.receiver.tls import Acceptor

_BACKLOG = 2048
#: How often deadlines are looked at, and how late one is noticed at most: a fraction of the shortest, within limits.
_LOOKS_PER_DEADLINE = 8
_LOOK_SECONDS = (0.01, 0.5)
_DRAIN_LOOK_SECONDS = 0.02


class Listener:
    """One listening socket and its connections. Make it inside a running loop."""

    def __init__(  # noqa: PLR0913 -- values of the settings, each with its name
        self,
        calls: Calls,
        *,
        bounds: Bounds,
        rejected: dict[Bound, int],
        neighbours: Neighbours,
        answers: Answers,
        front: Front,
        keep_alive: float,
        body_seconds: float,
        grace: float,
        acceptor: Acceptor | None = None,
    ) -> None:
        """Take ``calls`` through their steps; times in seconds, ``grace`` for calls that are under way at the end.

        ``answers`` counts those that senders have not read, as it does those that are being read from targets.

        ``front`` is put before the protocol of each connection; ``acceptor`` secures connections first, and reads what
        would be the front's.
        """
        self.accepting, self._stopping = asyncio.Event(), asyncio.Event()
        self._grace, self._front, self._acceptor = grace, front, acceptor
        self._shared = Shared(
            calls=calls,
            bounds=bounds,
            rejected=rejected,
            neighbours=neighbours,
            room=Room(bounds.waiting_bytes),
            answers=answers,
            keep_alive=keep_alive,
            body_seconds=body_seconds,
            loop=asyncio.get_running_loop(),
        )
        least, most = _LOOK_SECONDS
        shortest = min(bounds.head_seconds, keep_alive, body_seconds)
        self._look_seconds = min(most, max(least, shortest / _LOOKS_PER_DEADLINE))

    def retire(self) -> None:
        """Take calls as before, and tell every sender to come again on another connection."""
        self._shared.draining = True

    def stop(self) -> None:
        """Begin the way down."""
        self._stopping.set()

    async def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Serve until `stop`, then accept no more, let calls end and return."""
        loop, shared = self._shared.loop, self._shared
        make, acceptor = partial(Connection, shared), self._acceptor
        servers: list[asyncio.Server] = []
        if acceptor is None:
            first = self._front(make)
            servers = [await loop.create_server(first, sock=each, backlog=_BACKLOG) for each in sockets]
        else:
            acceptor.start(sockets, make)
        looking = asyncio.create_task(self._look())
        self.accepting.set()
        try:
            await self._stopping.wait()
            for server in servers:
                server.close()
            if acceptor is not None:
                await acceptor.close()
            await self._drain()
        finally:
            looking.cancel()
            if acceptor is not None:
                await acceptor.close()
            for connection in list(shared.connections):
                connection.abort()
            await asyncio.gather(looking, return_exceptions=True)

    async def _drain(self) -> None:
        shared = self._shared
        shared.draining = True
        for connection in list(shared.connections):
            connection.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                while shared.connections or shared.delivering:  # noqa: ASYNC110 -- once in a process's life
                    await asyncio.sleep(_DRAIN_LOOK_SECONDS)

    async def _look(self) -> None:
        """End what has run out of time."""
        shared = self._shared
        while True:
            await asyncio.sleep(self._look_seconds)
            now = shared.loop.time()
            for connection in [each for each in shared.connections if each.deadline <= now]:
                connection.expire()

"""What the connections of one lean listener have in common. It may not know what is said on any of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hookgate.receiver.answers import Answers
from hookgate.receiver.calls import Calls
from hookgate.receiver.edge import Bound, Bounds
from hookgate.receiver.lean.waiting import Room
from hookgate.receiver.lean.wire import Clock
from hookgate.receiver.neighbours import Neighbours

if TYPE_CHECKING:
    from hookgate.receiver.lean.protocol import Connection


@dataclass(slots=True, kw_only=True)
class Shared:
    """What all connections of one listener have in common; ``rejected`` counts those that a bound ended."""

    calls: Calls
    bounds: Bounds
    rejected: dict[Bound, int]
    neighbours: Neighbours
    room: Room
    answers: Answers
    keep_alive: float
    body_seconds: float
    loop: asyncio.AbstractEventLoop
    clock: Clock = field(default_factory=Clock)
    connections: set[Connection] = field(default_factory=set)
    delivering: int = 0
    draining: bool = False

    def enter(self, connection: Connection, peer: str) -> bool:
        """Count a new connection with ``peer``, or return False: there are as many as there may be."""
        full = len(self.connections) >= self.bounds.connections
        if full or not self.neighbours.enter(peer):
            self.rejected[Bound.CONNECTIONS if full else Bound.CONNECTIONS_PER_ADDRESS] += 1
            return False
        self.connections.add(connection)
        return True

    def leave(self, connection: Connection, peer: str) -> None:
        """Give the place of a connection back, if it had one."""
        if connection in self.connections:
            self.connections.discard(connection)
            self.neighbours.leave(peer)

"""What the connections of one lean listener have in common. It may not know what is said on any of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hookgate.receiver.calls import Calls
from hookgate.receiver.edge import Bound, Bounds
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
    keep_alive: float
    body_seconds: float
    loop: asyncio.AbstractEventLoop
    clock: Clock = field(default_factory=Clock)
    connections: set[Connection] = field(default_factory=set)
    delivering: int = 0
    draining: bool = False

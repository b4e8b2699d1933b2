"""How much the receiver is carrying: calls in flight, in all and per endpoint, and the bytes of their bodies."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Limit(StrEnum):
    """What a call can be too much for."""

    CALLS = "calls"
    CALLS_PER_ENDPOINT = "calls-per-endpoint"
    HELD_BYTES = "held-bytes"


class Load:
    """Counters with bounds. One event loop, so plain numbers suffice."""

    __slots__ = ("_bytes", "_calls", "_max_bytes", "_max_calls", "_max_per_endpoint", "_per_endpoint", "_rejected")

    def __init__(self, *, max_calls: int, max_per_endpoint: int, max_bytes: int) -> None:
        """Start empty."""
        self._max_calls, self._max_per_endpoint, self._max_bytes = max_calls, max_per_endpoint, max_bytes
        self._calls = self._bytes = 0
        self._per_endpoint: dict[str, int] = {}
        self._rejected = dict.fromkeys(Limit, 0)

    @property
    def rejected(self) -> Mapping[Limit, int]:
        """How often each limit was reached since the start."""
        return MappingProxyType(self._rejected)

    @property
    def calls(self) -> int:
        """Calls in flight."""
        return self._calls

    @property
    def held_bytes(self) -> int:
        """Bytes of bodies held for them."""
        return self._bytes

    def enter(self, uid: str) -> bool:
        """Take a place for one call, or return False."""
        mine = self._per_endpoint.get(uid, 0)
        if self._calls >= self._max_calls or mine >= self._max_per_endpoint:
            self._rejected[Limit.CALLS if self._calls >= self._max_calls else Limit.CALLS_PER_ENDPOINT] += 1
            return False
        self._calls += 1
        self._per_endpoint[uid] = mine + 1
        return True

    def leave(self, uid: str, held: int) -> None:
        """Give back the place and the ``held`` bytes of one call."""
        self._calls -= 1
        self._bytes -= held
        mine = self._per_endpoint[uid] - 1
        if mine:
            self._per_endpoint[uid] = mine
        else:
            del self._per_endpoint[uid]

    def hold(self, size: int) -> bool:
        """Add bytes of a body, or return False and add none."""
        if self._bytes + size > self._max_bytes:
            self._rejected[Limit.HELD_BYTES] += 1
            return False
        self._bytes += size
        return True

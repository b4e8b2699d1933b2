"""How much the receiver is carrying: calls in flight and the bytes of their bodies, in all and per endpoint.

An endpoint may have a bound of its own, and beyond it none takes more than is still free: one alone gets half of all
places at most, two together two thirds, and there is always room for the first call to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Limit(StrEnum):
    """What a call can be too much for. The last two are judged elsewhere, and only counted here."""

    CALLS = "calls"
    CALLS_PER_ENDPOINT = "calls-per-endpoint"
    HELD_BYTES = "held-bytes"
    HELD_BYTES_PER_ENDPOINT = "held-bytes-per-endpoint"
    BODY_BYTES = "body-bytes"
    RATE = "rate"


class _Share:
    """What one endpoint has of it."""

    __slots__ = ("calls", "held")

    def __init__(self) -> None:
        self.calls = self.held = 0


class Load:
    """Counters with bounds. One event loop, so plain numbers suffice."""

    __slots__ = ("_bytes", "_calls", "_max_bytes", "_max_calls", "_max_per_endpoint", "_rejected", "_shares")

    def __init__(self, *, max_calls: int, max_per_endpoint: int, max_bytes: int) -> None:
        """Start empty."""
        self._max_calls, self._max_per_endpoint, self._max_bytes = max_calls, max_per_endpoint, max_bytes
        self._calls = self._bytes = 0
        self._shares: dict[str, _Share] = {}
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

    def enter(self, uid: str, most: int | None = None) -> Limit | None:
        """Take a place for one call, or return what it would exceed. ``most`` is the endpoint's own bound."""
        free = self._max_calls - self._calls
        if free <= 0:
            return self.reject(Limit.CALLS)
        share = self._shares.get(uid)
        mine = 0 if share is None else share.calls
        bound = self._max_per_endpoint if most is None else min(most, self._max_per_endpoint)
        if mine >= bound or mine > free:
            return self.reject(Limit.CALLS_PER_ENDPOINT)
        if share is None:
            share = self._shares[uid] = _Share()
        share.calls += 1
        self._calls += 1
        return None

    def leave(self, uid: str, held: int) -> None:
        """Give back the place and the ``held`` bytes of one call."""
        self._calls -= 1
        self._bytes -= held
        share = self._shares[uid]
        share.calls -= 1
        share.held -= held
        if not share.calls:
            del self._shares[uid]

    def hold(self, uid: str, size: int) -> Limit | None:
        """Add bytes of the body of a call that has entered, or return what they would exceed and add none."""
        free = self._max_bytes - self._bytes
        if size > free:
            return self.reject(Limit.HELD_BYTES)
        share = self._shares[uid]
        if share.held > free:
            return self.reject(Limit.HELD_BYTES_PER_ENDPOINT)
        share.held += size
        self._bytes += size
        return None

    def reject(self, limit: Limit) -> Limit:
        """Count a call that was too much for a limit, and return that."""
        self._rejected[limit] += 1
        return limit

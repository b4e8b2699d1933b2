"""A token bucket for one endpoint, kept as a single time: when it would be full again if no call came any more.

It may not know calls; the time is passed in.
"""

from __future__ import annotations

from hookgate.model.rate import Rate

#: Sums of intervals that are no whole numbers must not cost a call.
_ROUNDING = 1e-6


class Bucket:
    """Full to begin with. Times are seconds of any monotonic clock."""

    __slots__ = ("_depth", "_full_at", "_interval", "rate")

    def __init__(self, rate: Rate) -> None:
        """Take as many calls as ``rate`` says."""
        self.rate = rate
        self._interval = rate.per_ms / 1000 / rate.requests
        self._depth = self._interval * (rate.burst - 1) + _ROUNDING
        self._full_at = float("-inf")

    def take(self, now: float) -> float:
        """Take a token and return 0, or take none and return after how many seconds there will be one."""
        full_at = max(self._full_at, now)
        wait = full_at - now - self._depth
        if wait > 0:
            return wait
        self._full_at = full_at + self._interval
        return 0.0

"""How often calls may come: so many in so much time, and how many of them at once.

Pure. It may not know who counts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``requests`` in ``per_ms`` milliseconds on average, up to ``burst`` of them at once. All are positive."""

    requests: int
    per_ms: int
    burst: int

    def exceeds(self, ceiling: Rate) -> bool:
        """Tell whether this allows more than ``ceiling`` does, at once or in the long run."""
        return self.burst > ceiling.burst or self.requests * ceiling.per_ms > ceiling.requests * self.per_ms

    def __str__(self) -> str:
        return f"{self.requests} in {self.per_ms / 1000:g} s, {self.burst} at once"

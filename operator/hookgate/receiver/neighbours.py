"""How many connections each address has: no address has more than its bound, and proxies that are believed have none.

It may not know what is said on a connection.
"""

from __future__ import annotations

from collections.abc import Callable


class Neighbours:
    """Counters by address. One event loop, so plain numbers suffice."""

    __slots__ = ("_counts", "_exempt", "_most")

    def __init__(self, most: int, *, exempt: Callable[[str], bool]) -> None:
        """Let an address have ``most`` connections, unless it is ``exempt``."""
        self._most, self._exempt = most, exempt
        self._counts: dict[str, int] = {}

    def enter(self, address: str) -> bool:
        """Count one connection of ``address``, or return False where it has as many as it may."""
        count = self._counts.get(address, 0)
        if count >= self._most and not self._exempt(address):
            return False
        self._counts[address] = count + 1
        return True

    def leave(self, address: str) -> None:
        """Give one connection back."""
        count = self._counts[address] - 1
        if count:
            self._counts[address] = count
        else:
            del self._counts[address]

"""How many bytes of targets' answers a receiver holds: bounded in all, and no target takes more than is still free.

An answer counts while it comes from its target, and while it waits for a sender that does not read it.

Tenants choose their targets, and one that sends large answers slowly to many calls at a time must not take the memory
of all. It may not know connections nor calls.
"""

from __future__ import annotations

from collections.abc import Hashable


class Answers:
    """Counters with a bound of ``most`` bytes. One event loop, so plain numbers suffice."""

    __slots__ = ("_most", "_of", "_total")

    def __init__(self, most: int) -> None:
        """Start empty."""
        self._most, self._total = most, 0
        self._of: dict[Hashable, int] = {}

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._total

    def take(self, target: Hashable, size: int) -> bool:
        """Count ``size`` bytes more of an answer of ``target``, or return False and count none."""
        free = self._most - self._total
        mine = self._of.get(target, 0)
        if size > free or mine > free:
            return False
        self._total += size
        self._of[target] = mine + size
        return True

    def give_back(self, target: Hashable, size: int) -> None:
        """Take ``size`` bytes off that were counted for ``target``."""
        self._total -= size
        mine = self._of[target] - size
        if mine:
            self._of[target] = mine
        else:
            del self._of[target]

"""A circuit for one endpoint's target: after several failures in a row it is not asked for a while, then tried again.

A failure is that the target took no connection or gave no answer in time; an answer, whatever it says, is none. Kept
for each endpoint and not for each address, since tenants may share a target but not each other's timeouts. It may not
know calls; the time is passed in.
"""

from __future__ import annotations

from typing import Final

#: How many failures in a row open it.
FAILURES: Final = 5
#: For how many seconds it stays open the first time, and at most: each trial that fails doubles it.
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0


class Circuit:
    """Closed to begin with. Times are seconds of any monotonic clock."""

    __slots__ = ("_failures", "_pause", "_trying", "_until")

    def __init__(self) -> None:
        self._failures, self._pause, self._until = 0, FIRST_PAUSE, 0.0
        self._trying = False

    @property
    def open(self) -> bool:
        """Whether calls are refused but for one at a time that tries."""
        return self._failures >= FAILURES

    def admits(self, now: float) -> bool:
        """Tell whether a call may go to the target. Whoever is told so reports what became of it."""
        if self._failures < FAILURES:
            return True
        if self._trying or now < self._until:
            return False
        self._trying = True
        return True

    def spared(self) -> None:
        """Take back what was just admitted: the target is not asked after all, and another call may try."""
        self._trying = False

    def answered(self) -> None:
        """Note an answer of the target: all is well."""
        if self._failures:
            self._failures, self._pause, self._trying = 0, FIRST_PAUSE, False

    def failed(self, now: float) -> None:
        """Note a failure. Those of calls that were under way when it opened, or that came later, change nothing."""
        if self._failures < FAILURES:
            self._failures += 1
            if self._failures == FAILURES:
                self._until = now + self._pause
        elif self._trying:
            self._trying = False
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._until = now + self._pause

"""The memory for calls that came already: claimed while they are under way, seen once the target took them.

Only authentic calls get in, and only as short hashes (`hookgate.scheme.replay`), so that it is bounded in bytes by its
number of marks. When an endpoint's part is full, what is only worth remembering goes first, the oldest of it; a mark
without which a repeated call would be accepted is never given up: then the new call has to wait. It may not know what
a mark was made of. Plain and synchronous: the time is passed in, and one event loop uses it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil
from typing import Final, Protocol

from hookgate.scheme.replay import KINDS, Mark

#: How many calls are remembered where nobody says otherwise, in all and of one kind for one endpoint.
MARKS: Final = 200_000
MARKS_EACH: Final = 100_000
#: How many ended marks each new one clears away, which keeps up with any rate.
_CLEARED: Final = 2
#: Among how many of the oldest one is looked for that can be given up.
_LOOKED_AT: Final = 8
#: How often everything is gone through while there is no room, in seconds.
_SWEEP_SECONDS: Final = 1.0


class Claim(Enum):
    """What is known of a call's marks when it comes."""

    #: None was known; they are claimed now, until `commit` or `free`.
    FRESH = "fresh"
    #: The target has taken this call before.
    SEEN = "seen"
    #: The same call is under way.
    IN_FLIGHT = "in flight"
    #: There is no room for another mark.
    FULL = "full"
    #: A store that several share does not answer.
    AWAY = "away"


class Known(Protocol):
    """The uids that the table has."""

    def __contains__(self, uid: object) -> bool: ...
    def __len__(self) -> int: ...


@dataclass(slots=True)
class Counts:
    """What became of claims since the start, for metrics."""

    repeated: int = 0
    in_flight: int = 0
    full: int = 0
    evicted: int = 0


class _Ends:
    """Until when marks are needed and when they expire, in whole unix seconds."""

    __slots__ = ("expires", "needed")

    def __init__(self, needed: int, expires: int) -> None:
        self.needed, self.expires = needed, expires


class _Shelf:
    """The marks of one kind of one endpoint. ``seen`` has what the target took, ``order`` the same, the oldest first.

    The order stands beside them because a dictionary that lost its first members looks for the first that is left from
    its beginning, each time. Marks that come one after the other mostly end in the same second and share that,
    ``newest``: each would have twice the size otherwise.
    """

    __slots__ = ("flying", "newest", "order", "seen")

    def __init__(self) -> None:
        self.flying: set[bytes] = set()
        self.seen: dict[bytes, _Ends] = {}
        self.order: deque[bytes] = deque()
        self.newest = _Ends(0, 0)

    def add(self, mark: Mark) -> None:
        """Put a mark behind all others."""
        needed, expires = ceil(mark.needed), ceil(mark.expires)
        if needed != self.newest.needed or expires != self.newest.expires:
            self.newest = _Ends(needed, expires)
        if mark.key not in self.seen:  # one that was committed twice keeps its place
            self.order.append(mark.key)
        self.seen[mark.key] = self.newest

    def forget(self, key: bytes) -> bool:
        """Drop a mark, wherever it stands; tell whether it was there."""
        if self.seen.pop(key, None) is None:
            return False
        self.order.remove(key)
        return True

    def drop(self, place: int) -> None:
        """Drop the mark at a place near the beginning."""
        del self.seen[self.order[place]]
        del self.order[place]


class Memory:
    """All marks of one receiver. ``most`` bounds them in all, ``most_each`` those of one kind of one endpoint."""

    def __init__(self, known: Known, *, most: int, most_each: int) -> None:
        """Start empty. Marks of endpoints that ``known`` has no more are dropped when room is wanted."""
        self._known, self._most, self._most_each = known, most, most_each
        #: By kind and uid.
        self._shelves: tuple[dict[str, _Shelf], ...] = tuple({} for _ in range(KINDS))
        self._size = 0
        self._swept = float("-inf")
        self.counts = Counts()

    def __len__(self) -> int:
        return self._size

    def claim(self, uid: str, marks: Sequence[Mark], now: float) -> Claim:
        """Claim all of a call's marks, or none of them."""
        for mark in marks:
            shelf = self._shelves[mark.kind].get(uid)
            if shelf is None:
                continue
            if mark.key in shelf.flying:
                self.counts.in_flight += 1
                return Claim.IN_FLIGHT
            ends = shelf.seen.get(mark.key)
            if ends is not None and now < ends.expires:
                self.counts.repeated += 1
                return Claim.SEEN
        for done, mark in enumerate(marks):
            if not self._take(uid, mark, now):
                self.free(uid, marks[:done])
                self.counts.full += 1
                return Claim.FULL
        return Claim.FRESH

    def commit(self, uid: str, marks: Sequence[Mark]) -> None:
        """The target has taken the call: remember it."""
        for mark in marks:
            shelf = self._shelf(uid, mark.kind)
            before = len(shelf.flying) + len(shelf.seen)
            shelf.flying.discard(mark.key)
            shelf.add(mark)
            self._size += len(shelf.flying) + len(shelf.seen) - before

    def free(self, uid: str, marks: Sequence[Mark]) -> None:
        """The call has failed: the same one may come again. Marks that are not claimed are passed over."""
        for mark in marks:
            shelf = self._shelves[mark.kind].get(uid)
            if shelf is not None and mark.key in shelf.flying:
                shelf.flying.remove(mark.key)
                self._size -= 1

    def _take(self, uid: str, mark: Mark, now: float) -> bool:
        shelf = self._shelf(uid, mark.kind)
        self._clear(shelf, now)
        if len(shelf.flying) + len(shelf.seen) >= self._most_each and not self._evict(shelf, now):
            return False
        if self._size >= self._most:
            self._sweep(now)
            shelf = self._shelf(uid, mark.kind)
            if self._size >= self._most and not self._evict(shelf, now):
                return False
        # An ended mark of the same call may still be there.
        self._size += 0 if shelf.forget(mark.key) else 1
        shelf.flying.add(mark.key)
        return True

    def _shelf(self, uid: str, kind: int) -> _Shelf:
        shelf = self._shelves[kind].get(uid)
        if shelf is None:
            shelf = self._shelves[kind][uid] = _Shelf()
        return shelf

    def _clear(self, shelf: _Shelf, now: float) -> None:
        """Drop a few marks that have ended; marks of one kind end about in the order in which they came."""
        for _ in range(_CLEARED):
            if not shelf.order or shelf.seen[shelf.order[0]].expires > now:
                return
            shelf.drop(0)
            self._size -= 1

    def _evict(self, shelf: _Shelf, now: float) -> bool:
        """Give up one of the oldest marks, unless forgetting any of them would let a repeated call in."""
        for place in range(min(_LOOKED_AT, len(shelf.order))):
            if shelf.seen[shelf.order[place]].needed <= now:
                shelf.drop(place)
                self._size -= 1
                self.counts.evicted += 1
                return True
        return False

    def _sweep(self, now: float) -> None:
        """Drop everything that has ended, and shelves that are empty or of nobody any more; not at every call."""
        if now < self._swept + _SWEEP_SECONDS:
            return
        self._swept = now
        for shelves in self._shelves:
            for uid, shelf in list(shelves.items()):
                if uid not in self._known:
                    kept = {}
                else:
                    kept = {key: ends for key, ends in shelf.seen.items() if now < ends.expires}
                self._size -= len(shelf.seen) - len(kept)
                shelf.seen, shelf.order = kept, deque(kept)
                if not shelf.seen and not shelf.flying:
                    del shelves[uid]

"""The memory for calls that came already: claimed while they are under way, seen once the target took them.

Only authentic calls get in, and only as short hashes (`hookgate.scheme.replay`), so that it is bounded in bytes by its
number of marks. When an endpoint's part is full, what is only worth remembering goes first, the oldest of it; when all
is full, that of the endpoints that have most. A mark without which a repeated call would be accepted is never given
up: then the new call has to wait. It may not know what a mark was made of. Plain and synchronous: the time is passed
in, and one event loop uses it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from heapq import nlargest
from math import ceil
from typing import Final, Protocol

from hookgate.scheme.replay import Mark

#: How many marks are remembered where nobody says otherwise, in all and for one endpoint.
MARKS: Final = 200_000
MARKS_EACH: Final = 100_000
#: How many ended marks each new one clears away, which keeps up with any rate.
_CLEARED: Final = 2
#: Among how many of the oldest one is looked for that can be given up.
_LOOKED_AT: Final = 8
#: How often everything is gone through while there is no room, in seconds: it takes some 15 ms.
_SWEEP_SECONDS: Final = 5.0
#: How many of the endpoints with most marks are asked for room.
_LARGEST: Final = 32


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


class _Part:
    """What one endpoint has of the memory: a shelf for each kind of mark that its calls have had, and their number."""

    __slots__ = ("shelves", "size", "uid")

    def __init__(self, uid: str) -> None:
        self.uid, self.size = uid, 0
        self.shelves: dict[int, _Shelf] = {}

    def shelf(self, kind: int) -> _Shelf:
        shelf = self.shelves.get(kind)
        if shelf is None:
            shelf = self.shelves[kind] = _Shelf()
        return shelf


class Memory:
    """All marks of one receiver. ``most`` bounds them in all, ``most_each`` those of one endpoint."""

    def __init__(self, known: Known, *, most: int, most_each: int) -> None:
        """Start empty. Marks of endpoints that ``known`` has no more are dropped when room is wanted."""
        self._known, self._most, self._most_each = known, most, most_each
        self._parts: dict[str, _Part] = {}
        #: Those with most marks when last everything was gone through.
        self._largest: list[_Part] = []
        self._size = 0
        self._swept = float("-inf")
        self.counts = Counts()

    def __len__(self) -> int:
        return self._size

    def claim(self, uid: str, marks: Sequence[Mark], now: float) -> Claim:
        """Claim all of a call's marks, or none of them."""
        part = self._parts.get(uid)
        if part is None:
            part = self._parts[uid] = _Part(uid)
        for mark in marks:
            shelf = part.shelf(mark.kind)
            if mark.key in shelf.flying:
                self.counts.in_flight += 1
                return Claim.IN_FLIGHT
            ends = shelf.seen.get(mark.key)
            if ends is not None and now < ends.expires:
                self.counts.repeated += 1
                return Claim.SEEN
        for done, mark in enumerate(marks):
            if not self._take(part, mark, now):
                self.free(uid, marks[:done])
                self.counts.full += 1
                return Claim.FULL
        return Claim.FRESH

    def commit(self, uid: str, marks: Sequence[Mark]) -> None:
        """The target has taken the call: remember it. Marks that are not claimed are passed over."""
        part = self._parts.get(uid)
        if part is None:
            return
        for mark in marks:
            shelf = part.shelf(mark.kind)
            if mark.key in shelf.flying:
                shelf.flying.remove(mark.key)
                shelf.add(mark)

    def free(self, uid: str, marks: Sequence[Mark]) -> None:
        """The call has failed: the same one may come again. Marks that are not claimed are passed over."""
        part = self._parts.get(uid)
        if part is None:
            return
        for mark in marks:
            shelf = part.shelf(mark.kind)
            if mark.key in shelf.flying:
                shelf.flying.remove(mark.key)
                self._count(part, -1)

    def _count(self, part: _Part, change: int) -> None:
        part.size += change
        self._size += change

    def _take(self, part: _Part, mark: Mark, now: float) -> bool:
        shelf = part.shelf(mark.kind)
        self._clear(part, shelf, now)
        if shelf.forget(mark.key):  # an ended mark of the same call
            self._count(part, -1)
        if part.size >= self._most_each and not self._evict(part, now):
            return False
        if self._size >= self._most and not self._make_room(part, now):
            return False
        self._count(part, 1)
        shelf.flying.add(mark.key)
        return True

    def _clear(self, part: _Part, shelf: _Shelf, now: float) -> None:
        """Drop a few marks that have ended; marks of one kind end about in the order in which they came."""
        for _ in range(_CLEARED):
            if not shelf.order or shelf.seen[shelf.order[0]].expires > now:
                return
            shelf.drop(0)
            self._count(part, -1)

    def _evict(self, part: _Part, now: float) -> bool:
        """Give up one of the oldest marks, unless forgetting any of them would let a repeated call in."""
        for shelf in part.shelves.values():
            for place in range(min(_LOOKED_AT, len(shelf.order))):
                if shelf.seen[shelf.order[place]].needed <= now:
                    shelf.drop(place)
                    self._count(part, -1)
                    self.counts.evicted += 1
                    return True
        return False

    def _make_room(self, mine: _Part, now: float) -> bool:
        """Make room where everything is full: whoever has most gives something up, so that nobody who comes late waits.

        Endpoints that have nothing to spare are passed over, and last comes the one that asks.
        """
        self._sweep(now, mine)
        if self._size < self._most:
            return True
        others = [part for part in self._largest if part.size > mine.size]
        others.sort(key=_by_size, reverse=True)
        return any(self._evict(part, now) for part in (*others, mine))

    def _sweep(self, now: float, mine: _Part) -> None:
        """Drop everything that has ended, and parts but ``mine`` that are empty or of nobody any more; now and then."""
        if now < self._swept + _SWEEP_SECONDS:
            return
        self._swept = now
        for part in list(self._parts.values()):
            known = part.uid in self._known
            for shelf in part.shelves.values():
                kept = {key: ends for key, ends in shelf.seen.items() if known and now < ends.expires}
                self._count(part, len(kept) - len(shelf.seen))
                shelf.seen, shelf.order = kept, deque(kept)
            if not part.size and part is not mine:
                del self._parts[part.uid]
        self._largest = nlargest(_LARGEST, self._parts.values(), key=_by_size)


def _by_size(part: _Part) -> int:
    return part.size

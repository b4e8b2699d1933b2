"""What became of the calls, per endpoint: plain counters, the last refusals, and when each key last verified.

Held in memory and bounded: one page for each endpoint of the table, gone with the endpoint. It keeps counts, times,
reasons and the descriptor's own names; it may not know bodies, header values, URLs or secrets, and nobody hands it any.
What a call costs here measures ``python -m tests.bench.journal_cost``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hookgate.receiver.steps import Step, step_of

#: How many refusals of each endpoint are remembered.
LAST_REFUSALS = 10
#: More keys than one endpoint ever has at a time; of older ones the time of use is forgotten.
_MOST_KEYS = 16
_MINUTE = 60

#: Upper bounds of the buckets, in seconds.
VERIFY_BUCKETS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1)
TARGET_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Refused(NamedTuple):
    """One refused call. ``at`` is in unix seconds, ``skew`` in seconds; ``where`` is the descriptor's own word."""

    at: float
    step: Step
    reason: str
    where: str | None
    skew: float | None


class Histogram:
    """Counts by upper bound, the last one without any, and the sum of all values in seconds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Start empty."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


class Page:
    """One endpoint. ``refused`` counts by reason; ``keys`` has the minute (unix seconds) of each key's last use."""

    __slots__ = (
        "accepted", "body_bytes", "greeted", "keys", "last_accepted", "name", "namespace", "refused", "repeated",
        "ring",
    )  # fmt: skip

    def __init__(self, namespace: str, name: str) -> None:
        """Start empty."""
        self.namespace, self.name = namespace, name
        self.accepted = 0
        self.greeted = 0
        self.repeated = 0
        self.refused: dict[str, int] = {}
        self.body_bytes = 0
        self.last_accepted: float | None = None
        self.keys: dict[str, int] = {}
        self.ring: list[Refused] = []  # a deque begins with room for 64

    def used(self, key_id: str, now: float) -> None:
        """Remember that a key verified."""
        minute = int(now) // _MINUTE * _MINUTE
        if self.keys.get(key_id) == minute:
            return
        self.keys[key_id] = minute
        if len(self.keys) > _MOST_KEYS:
            del self.keys[min(self.keys, key=lambda each: self.keys[each])]


class Served(Protocol):
    """An endpoint as the table has it; ``uid`` is empty for a path that several claim."""

    @property
    def uid(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...


class Known(Protocol):
    """The uids that the table has."""

    def __contains__(self, uid: object) -> bool: ...
    def __len__(self) -> int: ...


class Journal:
    """All pages. Written from one event loop; ``verify`` and ``target`` time these two steps of all calls together."""

    def __init__(self, known: Known) -> None:
        """Keep pages for the endpoints in ``known``."""
        self._known = known
        self._pages: dict[str, Page] = {}
        #: Calls that belong to no endpoint any more, or to a path that several claim.
        self.nobody = Page("", "")
        #: Calls to paths that no endpoint has.
        self.unknown_paths = 0
        self.verify = Histogram(VERIFY_BUCKETS)
        self.target = Histogram(TARGET_BUCKETS)

    def accepted(self, endpoint: Served, now: float, size: int, key_id: str | None) -> None:
        """Note a call whose sender got the target's own answer. ``now`` in unix seconds, ``size`` of its body."""
        page = self._pages.get(endpoint.uid) or self._open(endpoint)
        page.accepted += 1
        page.last_accepted = now
        page.body_bytes += size
        if key_id is not None:
            page.used(key_id, now)

    def greeted(self, endpoint: Served, now: float, size: int, key_id: str | None) -> None:
        """Note a handshake that was answered here: neither accepted nor refused."""
        page = self._pages.get(endpoint.uid) or self._open(endpoint)
        page.greeted += 1
        page.body_bytes += size
        if key_id is not None:
            page.used(key_id, now)

    def repeated(self, endpoint: Served, now: float, size: int, key_id: str | None) -> None:
        """Note a call that the target has taken before: answered here, neither accepted again nor refused."""
        page = self._pages.get(endpoint.uid) or self._open(endpoint)
        page.repeated += 1
        page.body_bytes += size
        if key_id is not None:
            page.used(key_id, now)

    def refused(  # noqa: PLR0913, PLR0917 -- what is safe to know of a refused call; keywords would cost time
        self,
        endpoint: Served,
        reason: str,
        now: float,
        size: int,
        key_id: str | None = None,
        where: str | None = None,
        skew: float | None = None,
    ) -> None:
        """Note any other call. ``key_id``: the call was authentic, and it was the target that did not take it."""
        page = self._pages.get(endpoint.uid) or self._open(endpoint)
        page.refused[reason] = page.refused.get(reason, 0) + 1
        page.body_bytes += size
        if len(page.ring) == LAST_REFUSALS:
            del page.ring[0]
        page.ring.append(Refused(now, step_of(reason), reason, where, skew))
        if key_id is not None:
            page.used(key_id, now)

    def page(self, uid: str) -> Page | None:
        """Return an endpoint's page; None if it was never called, or is none any more."""
        return self._pages.get(uid) if uid in self._known else None

    def pages(self) -> list[Page]:
        """Return the pages of all endpoints that there are, and drop the others."""
        self._prune()
        return list(self._pages.values())

    def _open(self, endpoint: Served) -> Page:
        if endpoint.uid not in self._known:
            return self.nobody
        if len(self._pages) >= len(self._known):
            self._prune()
        page = self._pages[endpoint.uid] = Page(endpoint.namespace, endpoint.name)
        return page

    def _prune(self) -> None:
        for uid in [uid for uid in self._pages if uid not in self._known]:
            del self._pages[uid]

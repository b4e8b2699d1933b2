"""Asks the receivers now and then what became of the calls, and wakes the endpoints whose status is to tell of them.

It may not know receivers or statuses: who answers is passed in, and what is worth telling `calls` knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from hookgate.control.calls import due
from hookgate.control.cluster import Request
from hookgate.control.objects import uid_of
from hookgate.control.values import CallReport, Object

#: How often receivers are asked, in seconds.
INTERVAL = 15.0

Ask = Callable[[Sequence[str]], Awaitable[Mapping[str, CallReport]]]
Endpoints = Callable[[], Iterable[tuple[Request, Object]]]


class CallWatch:
    """Holds what receivers last said. ``endpoints`` gives all that there are; ``clock`` unix seconds."""

    def __init__(
        self,
        ask: Ask,
        endpoints: Endpoints,
        wake: Callable[[Request], None],
        *,
        clock: Callable[[], float],
        interval: float = INTERVAL,
    ) -> None:
        """Nothing is known before the first answer."""
        self._interval = interval
        self._ask, self._endpoints, self._wake, self._clock = ask, endpoints, wake, clock
        self._reports: Mapping[str, CallReport] = {}

    def report(self, uid: str) -> CallReport | None:
        """Return what was last said of an endpoint; None if nobody called it, or nobody says so."""
        return self._reports.get(uid)

    async def run(self) -> None:
        """Ask again and again until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(self._interval)

    async def once(self) -> None:
        """Ask once and wake whom it concerns."""
        self._reports = await self._ask([uid_of(manifest) for _, manifest in self._endpoints()])
        now = self._clock()
        for request, manifest in self._endpoints():
            report = self._reports.get(uid_of(manifest))
            if report is not None and due(manifest, report, now):
                self._wake(request)

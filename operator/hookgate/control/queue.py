"""The work queue: one request at a time per key, bounded workers, backoff for failures, delays for later looks.

It may not know what a request means. Rules as in client-go's workqueue: a key that is added while it is being worked on
is worked on once more afterwards; a key that is added twice is worked on once.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import logging
from collections.abc import Awaitable, Callable

from hookgate.control.cluster import ClusterError, Request

logger = logging.getLogger(__name__)

FIRST_BACKOFF = 0.05
LONGEST_BACKOFF = 60.0

Work = Callable[[Request], Awaitable[float | None]]


class Queue:
    """Requests waiting for workers. ``jitter`` gives numbers in [0, 1); the loop's clock times the delays.

    Requests of which ``pressing`` says so when they are added are worked on before all that are not, each in their
    order. They must not be many for long, since the others wait.
    """

    def __init__(
        self,
        work: Work,
        *,
        workers: int,
        jitter: Callable[[], float],
        pressing: Callable[[Request], bool] = lambda _: False,
    ) -> None:
        self._work = work
        self._pressing = pressing
        self._workers = workers
        self._jitter = jitter
        self._ready: asyncio.PriorityQueue[tuple[int, int, Request]] = asyncio.PriorityQueue()
        self._added = itertools.count()
        self._waiting: dict[Request, int] = {}  # in _ready, with what place; also with lesser ones, which are void
        self._running: dict[Request, float] = {}  # since when
        self._again: set[Request] = set()  # added while running
        self._failures: dict[Request, int] = {}
        self._due: dict[Request, float] = {}  # the earliest delayed look
        self._held: dict[Request, float] = {}  # until when the server asked not to be asked again
        self._heap: list[tuple[float, Request]] = []
        self._wake = asyncio.Event()
        #: How often work was done, and how often it failed, by the kind of failure.
        self.done = 0
        self.failed: dict[str, int] = {"conflict": 0, "error": 0, "unexpected": 0}

    @property
    def depth(self) -> int:
        """How many requests wait for a worker; delayed looks do not count."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many requests are being worked on."""
        return len(self._running)

    @property
    def longest(self) -> float:
        """For how many seconds the request that takes longest has been worked on."""
        return asyncio.get_running_loop().time() - min(self._running.values()) if self._running else 0.0

    def add(self, request: Request) -> None:
        """Ask for ``request`` to be worked on as soon as a worker is free, and the server's own time is over."""
        if request in self._held:
            left = self._held[request] - asyncio.get_running_loop().time()
            if left > 0:
                self.add_after(request, left)
                return
            del self._held[request]
        if request in self._running:
            self._again.add(request)
        else:
            place = 0 if self._pressing(request) else 1
            if place < self._waiting.get(request, 2):
                self._waiting[request] = place
                self._ready.put_nowait((place, next(self._added), request))

    def add_after(self, request: Request, seconds: float) -> None:
        """Ask for ``request`` after ``seconds``; an earlier look that is already due stays."""
        due = asyncio.get_running_loop().time() + seconds
        if due >= self._due.get(request, float("inf")):
            return
        self._due[request] = due
        heapq.heappush(self._heap, (due, request))
        self._wake.set()

    def idle(self) -> bool:
        """Tell whether nothing is waiting or running; delayed looks do not count."""
        return not self._waiting and not self._running

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._release())
            for _ in range(self._workers):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            place, _, request = await self._ready.get()
            if self._waiting.get(request) != place:
                continue
            del self._waiting[request]
            self._running[request] = asyncio.get_running_loop().time()
            try:
                await self._once(request)
            finally:
                del self._running[request]
            if request in self._again:
                self._again.discard(request)
                self.add(request)

    async def _once(self, request: Request) -> None:
        try:
            again = await self._work(request)
        except ClusterError as error:
            self.failed["conflict" if error.conflict else "error"] += 1
            self._retry(request, error.retry_after)
            level = logging.DEBUG if error.conflict else logging.WARNING
            logger.log(level, "%s: %s; trying again", request, error)
        except Exception as error:
            self.failed["unexpected"] += 1
            # The type alone: an unforeseen error's text could hold anything.
            self._retry(request, None)
            logger.error("%s: unexpected %s at %s; trying again", request, type(error).__name__, _where(error))
        else:
            self.done += 1
            self._failures.pop(request, None)
            if again is not None:
                self.add_after(request, again * (1 + 0.1 * self._jitter()))

    def _retry(self, request: Request, retry_after: float | None) -> None:
        failures = self._failures[request] = self._failures.get(request, 0) + 1
        backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(failures - 1, 20))
        delay = max(backoff, retry_after or 0.0) * (1 + 0.5 * self._jitter())
        if retry_after is not None:
            self._held[request] = asyncio.get_running_loop().time() + delay
        self.add_after(request, delay)

    async def _release(self) -> None:
        """Move delayed requests into the queue when they are due."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            while self._heap and self._heap[0][0] <= loop.time():
                due, request = heapq.heappop(self._heap)
                if self._due.get(request) == due:
                    del self._due[request]
                    self.add(request)
            pause = self._heap[0][0] - loop.time() if self._heap else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()


def _where(error: BaseException) -> str:
    """Return file and line of the innermost frame of ``error``, which say nothing about contents."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "?"

"""The work queue: one at a time per key, nothing lost, nothing doubled, failures with backoff."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from hookgate.control.cluster import ClusterError, Request
from hookgate.control.queue import LONGEST_BACKOFF, Queue
from tests.control.faketime import now, run

A, B = Request("team-a", "a"), Request("team-a", "b")
Outcome = float | None | Exception


class Work:
    """Takes a second for each request, and ends as told: with a time to look again, or with an error."""

    def __init__(self, **outcomes: list[Outcome]) -> None:
        self.starts: list[tuple[float, str]] = []
        self.at_once = self.most_at_once = 0
        self._outcomes = outcomes

    async def __call__(self, request: Request) -> float | None:
        self.starts.append((now(), request.name))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(1)
        self.at_once -= 1
        outcomes = self._outcomes.get(request.name)
        outcome = outcomes.pop(0) if outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def play(work: Work, act: Callable[[Queue], Awaitable[None]], *, workers: int = 2, jitter: float = 0.0) -> Work:
    """Let a queue run while ``act`` acts on it, in time that passes at once."""

    async def scene() -> None:
        queue = Queue(work, workers=workers, jitter=lambda: jitter)
        running = asyncio.create_task(queue.run())
        await act(queue)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    run(scene())
    return work


async def _add(queue: Queue, *requests: Request, until: float = 1_000.0) -> None:
    for request in requests:
        queue.add(request)
    await asyncio.sleep(until)


def test_several_keys_are_worked_on_at_once_up_to_the_number_of_workers() -> None:
    requests = [Request("team-a", name) for name in "abc"]
    work = play(Work(), lambda queue: _add(queue, *requests))
    assert (work.most_at_once, len(work.starts)) == (2, 3)


def test_a_key_added_twice_is_worked_on_once() -> None:
    work = play(Work(), lambda queue: _add(queue, A, A, A))
    assert work.starts == [(0.0, "a")]


def test_a_key_added_while_it_is_worked_on_is_worked_on_once_more_afterwards() -> None:
    async def act(queue: Queue) -> None:
        await _add(queue, A, until=0.5)
        await _add(queue, A, A)

    work = play(Work(), act)
    assert work.starts == [(0.0, "a"), (1.0, "a")]
    assert work.most_at_once == 1


def test_what_presses_goes_before_all_that_waits() -> None:
    """Also when it waited already and began to press meanwhile; each is still worked on once."""
    pressing: set[Request] = set()
    c = Request("team-a", "c")

    async def scene(work: Work) -> None:
        queue = Queue(work, workers=1, jitter=lambda: 0.0, pressing=pressing.__contains__)
        running = asyncio.create_task(queue.run())
        for request in (A, B, c):
            queue.add(request)
        await asyncio.sleep(0.5)
        pressing.add(c)
        queue.add(c)
        await asyncio.sleep(10)
        running.cancel()

    work = Work()
    run(scene(work))
    assert work.starts == [(0.0, "a"), (1.0, "c"), (2.0, "b")]


def test_a_later_look_happens_when_it_is_due_with_a_little_jitter() -> None:
    work = play(Work(a=[100.0, None]), lambda queue: _add(queue, A), jitter=0.5)
    assert work.starts == [(0.0, "a"), (1.0 + 105.0, "a")]


def test_the_earlier_of_two_looks_counts() -> None:
    async def act(queue: Queue) -> None:
        queue.add_after(A, 500)
        queue.add_after(A, 10)
        queue.add_after(A, 50)
        await asyncio.sleep(1_000)

    assert play(Work(), act).starts == [(10.0, "a")]


def test_a_look_that_is_due_sooner_does_not_wait_for_one_that_is_due_later() -> None:
    async def act(queue: Queue) -> None:
        queue.add_after(A, 500)
        await asyncio.sleep(1)
        queue.add_after(B, 10)
        await asyncio.sleep(1_000)

    assert play(Work(), act).starts == [(11.0, "b"), (500.0, "a")]


def test_a_failure_is_tried_again_later_and_later_up_to_a_minute() -> None:
    work = play(Work(a=[ClusterError("away")] * 20), lambda queue: _add(queue, A))
    pauses = [
        round(after - before - 1, 3) for (before, _), (after, _) in zip(work.starts, work.starts[1:], strict=False)
    ]
    assert pauses[:5] == [0.05, 0.1, 0.2, 0.4, 0.8]
    assert max(pauses) == LONGEST_BACKOFF


def test_a_success_ends_the_backoff() -> None:
    outcomes: list[Outcome] = [ClusterError("away"), ClusterError("away"), 0.0, ClusterError("away"), None]
    work = play(Work(a=outcomes), lambda queue: _add(queue, A))
    pauses = [
        round(after - before - 1, 3) for (before, _), (after, _) in zip(work.starts, work.starts[1:], strict=False)
    ]
    assert pauses == [0.05, 0.1, 0.0, 0.05]


def test_the_time_that_a_server_names_is_waited_for() -> None:
    work = play(Work(a=[ClusterError("busy", retry_after=30.0), None]), lambda queue: _add(queue, A))
    assert work.starts == [(0.0, "a"), (31.0, "a")]


def test_the_time_that_a_server_names_is_waited_for_whatever_happens_meanwhile() -> None:
    async def woken(queue: Queue) -> None:
        await _add(queue, A, until=0.5)
        await _add(queue, A, until=4.5)  # while it is worked on
        await _add(queue, A)  # while it waits

    work = play(Work(a=[ClusterError("busy", retry_after=30.0), None]), woken)
    assert work.starts == [(0.0, "a"), (31.0, "a")]


def test_a_request_that_always_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """Nor does its error, whose text could hold anything, get into a log."""
    work = play(Work(a=[ValueError("hunter2-hunter2")] * 50), lambda queue: _add(queue, A, B, until=30.0), workers=1)
    assert ("b" in [name for _, name in work.starts], len(work.starts) > 3) == (True, True)
    assert "hunter2" not in caplog.text
    assert "team-a/a: unexpected ValueError at test_queue.py" in caplog.text


def test_a_conflict_is_everyday_business_and_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        play(Work(a=[ClusterError("seen too early", conflict=True), None]), lambda queue: _add(queue, A))
    assert caplog.text == ""


def test_it_is_idle_when_nothing_waits_or_runs() -> None:
    async def act(queue: Queue) -> None:
        queue.add_after(A, 10)
        told.append(queue.idle())
        await asyncio.sleep(10.5)
        told.append(queue.idle())
        await asyncio.sleep(10)
        told.append(queue.idle())

    told: list[bool] = []
    play(Work(), act)
    assert told == [True, False, True]


@pytest.mark.parametrize("ticks", range(6))
def test_a_queue_that_is_cancelled_at_the_moment_something_comes_ends(ticks: int) -> None:
    """Whichever of the two its wait hears of first: an operator that has lost its lease must not live on."""

    async def scene() -> None:
        queue = Queue(Work(), workers=1, jitter=lambda: 0.0)
        running = asyncio.create_task(queue.run())
        queue.add_after(A, 1000)
        await asyncio.sleep(1)
        queue.add_after(B, 500)
        for _ in range(ticks):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait((running,), timeout=100)
        assert running.cancelled()

    run(scene())


# Standing still -------------------------------------------------------------------------------------------------------


def test_a_request_that_does_not_end_is_told_by_its_age_however_much_else_is_done() -> None:
    """One worker that is stuck must not be hidden by all the others."""
    ages: list[float] = []

    async def work(request: Request) -> float | None:
        if request == A:
            await asyncio.Event().wait()
        return 10.0

    async def scene() -> None:
        queue = Queue(work, workers=2, jitter=lambda: 0.0)
        running = asyncio.create_task(queue.run())
        for _ in range(2):
            ages.append(queue.longest)
            queue.add(A)
            queue.add(B)
            await asyncio.sleep(500)
        ages.append(queue.longest)
        running.cancel()

    run(scene())
    assert ages == [0.0, 500.0, 1000.0]

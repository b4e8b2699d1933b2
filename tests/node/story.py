"""Plays the steps in order, times each, counts its calls, and stops at the first that fails.

A step under load begins when calls pass at both hosts and ends when calls pass again after what it did. It knows
nothing of what the steps do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tests.node import tenant
from tests.node.load import NO_ANSWER, Call, Load, Tally, tally
from tests.node.place import Place
from tests.node.steps import Outcome, Step
from tests.node.table import Row

_SHOWN = 20


def play(place: Place, steps: Sequence[Step], told: Callable[[Row], None]) -> None:
    """Each row is `told` when its step is done. Raises AssertionError with what was found, at the first that fails."""
    for step in steps:
        told(_under_load(place, step) if step.calls else _alone(place, step))


def _alone(place: Place, step: Step) -> Row:
    began = time.monotonic()
    outcome = step.play(place, Load([])) or Outcome()
    return Row(step=step.title, seconds=time.monotonic() - began, note=outcome.note)


def _under_load(place: Place, step: Step) -> Row:
    load = Load(place.hooks(), delay=step.delay)
    load.start()
    try:
        began = time.monotonic()
        outcome = step.play(place, load) or Outcome()
        seconds = time.monotonic() - began
        load.steady("calls to pass after the step")
    finally:
        calls = load.stop()
    found = tally(calls, tenant.book(place.cluster))
    judge(step, outcome, found, began)
    counts = (found.sent, len(found.failed), found.lost)
    note = outcome.tell(found.failed) if outcome.tell else outcome.note
    return Row(step=step.title, seconds=seconds, calls=counts, note=note)


def judge(step: Step, outcome: Outcome, found: Tally, began: float) -> None:
    excused = outcome.excused or (lambda _: False)
    wrong = [call for call in found.failed if not excused(call)]
    assert not wrong, "\n".join(
        [
            f"{step.title}: {len(wrong)} of {found.sent} calls failed",
            *(_describe(call, began) for call in wrong[:_SHOWN]),
        ]
    )
    assert found.lost == 0, f"{step.title}: {found.lost} calls were answered 2xx and did not arrive as they were sent"
    assert found.doubled == 0, f"{step.title}: {found.doubled} calls arrived more than once"


def _describe(call: Call, began: float) -> str:
    answer = "no answer" if call.status == NO_ANSWER else str(call.status)
    sent, took = call.began - began, call.ended - call.began
    return f"  {call.host}: {answer} ({call.said}) after {took:.2f} s, sent {sent:+.2f} s from the step's begin"

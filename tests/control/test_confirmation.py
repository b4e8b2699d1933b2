"""What receivers confirmed is believed of the very binding that they were asked for, and of none that looks alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hookgate.control.cluster import ClusterError
from tests.control.stage import OFFER, Stage, platform

#: What brings an endpoint's binding to something else, and what brings it back.
THERE_AND_BACK: dict[str, tuple[Callable[[Stage], object], Callable[[Stage], object]]] = {
    "spec": (lambda s: s.change(state="inactive"), lambda s: s.change(state="active")),
    "annotation": (
        lambda s: s.annotate("hookgate.dev/suspend", "true"),
        lambda s: s.annotate("hookgate.dev/suspend", None),
    ),
    "spec that is unreadable": (lambda s: s.store({}), lambda s: s.declare()),
    "host": (
        lambda s: s.configure(platform(OFFER.replace("team-*", "nobody"))),
        lambda s: s.configure(platform(OFFER)),
    ),
}


def cut_off(stage: Stage) -> None:
    """Let the answer to the next write of the binding get lost, and with it all that was to follow."""

    def fault(_: int, when: str) -> None:
        if when == "after" and stage.world.story[-1] == "apply binding":
            stage.world.fault = lambda _number, _when: None
            raise ClusterError("apply binding: Unreachable")

    stage.world.fault = fault
    with pytest.raises(ClusterError):
        stage.settle()


@pytest.mark.parametrize("how", THERE_AND_BACK)
def test_a_binding_that_says_again_what_was_confirmed_is_confirmed_anew(stage: Stage, how: str) -> None:
    """One receiver still serves what was between, and the operator could tell nothing meanwhile."""
    there, back = THERE_AND_BACK[how]
    stage.declare()
    stage.settle()
    there(stage)
    cut_off(stage)
    stage.receivers.lag()
    back(stage)
    cut_off(stage)
    stage.settle()
    assert stage.says("Programmed") == "False ReceiversPending"
    stage.receivers.catch_up()
    stage.settle()
    assert stage.ready() == "True Active"


def test_what_was_confirmed_before_a_change_that_was_not_is_not_believed(stage: Stage) -> None:
    """An endpoint that is to be inactive is not told to be so while a receiver serves it."""
    stage.declare()
    stage.settle()
    stage.change(state="inactive")
    stage.settle()
    stage.receivers.lag(0)
    stage.change(state="active")
    stage.settle()
    assert stage.ready() == "False ReceiversPending"
    stage.receivers.catch_up()
    stage.receivers.lag(1)
    stage.change(state="inactive")
    cut_off(stage)
    stage.settle()
    assert stage.ready() == "False ReceiversPending"
    assert stage.message() == "1 of 2 ready receivers serve it."


def test_a_change_keeps_what_calls_are_recognised_by(stage: Stage) -> None:
    """The nonce makes the marks of repeated calls; without it a call that was taken before would be taken again."""
    stage.declare()
    stage.settle()
    nonce = stage.binding().nonce
    stage.change(state="inactive")
    stage.settle()
    assert (stage.binding().nonce, stage.binding().edition) == (nonce, 1)

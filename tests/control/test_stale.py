"""Caches may show an endpoint as it was: nothing is made or removed for a wish that was taken back since."""

from __future__ import annotations

import copy

from tests.control.stage import TEAM, Stage

KEY = ("WebhookEndpoint", TEAM, "ci")


def test_what_was_absent_for_a_while_is_not_removed(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    told = stage.connection()
    stage.change(state="absent")
    absent = copy.deepcopy(stage.endpoint())
    stage.change(state="active")
    stage.world.outdated[KEY] = absent
    stage.settle()
    assert stage.connection() == told
    assert stage.answer() == "verdict"


def test_an_endpoint_that_is_no_more_is_not_opened_again(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    active = copy.deepcopy(stage.endpoint())
    stage.delete()
    stage.settle()
    stage.world.outdated[KEY] = active
    stage.settle()
    assert stage.world.of_kind("Secret", "Ingress") == []


def test_an_old_spec_makes_nothing_before_the_present_one_is_seen(stage: Stage) -> None:
    stage.declare()
    active = copy.deepcopy(stage.endpoint())
    stage.change(state="absent")
    stage.world.outdated[KEY] = active
    stage.settle()
    assert stage.world.of_kind("Secret", "Ingress") == []
    assert stage.ready() == "True Absent"

"""Somebody else who insists on a field is not fought for ever: after a few repairs there is a pause, and it is told."""

from __future__ import annotations

import pytest

from hookgate.control.repairs import MOST, WINDOW, Repairs
from tests.control.stage import GATEWAY, TEAM, Stage, platform


@pytest.fixture
def fought(stage: Stage) -> Stage:
    """An active endpoint of an operator that remembers."""
    stage.repairs = Repairs()
    stage.declare()
    stage.settle()
    return stage


def spoil(stage: Stage) -> None:
    """Write something else into the connection Secret."""
    stage.edit("Secret", "ci-webhook", data={"secret": "b3RoZXI="})


def fight(stage: Stage, rounds: int) -> int:
    """Spoil it again and again; return how many repairs that took."""
    repairs = 0
    for _ in range(rounds):
        spoil(stage)
        repairs += "apply Secret ci-webhook" in stage.settle()
    return repairs


def test_a_few_repairs_are_made_at_once(fought: Stage) -> None:
    # Making it in the first place was the first of them.
    assert fight(fought, MOST - 1) == MOST - 1
    assert fought.ready() == "True Active"


def test_then_it_is_told_and_nothing_is_written_for_a_while(fought: Stage) -> None:
    assert fight(fought, 100) == MOST - 1
    assert fought.ready() == "False FieldConflict"
    assert fought.says("Reconciling") == "True FieldConflict"
    assert "Secret team-a/ci-webhook" in fought.message()
    assert 0 < (fought.again or 0) <= WINDOW
    assert fought.settle() == []


def test_after_the_while_it_is_put_right_again(fought: Stage) -> None:
    told = fought.connection()
    fight(fought, 10)
    fought.wait(WINDOW)
    assert "apply Secret ci-webhook" in fought.settle()
    assert fought.connection() == told
    assert fought.ready() == "True Active"


def test_when_the_other_gives_in_it_is_ready_at_once(fought: Stage) -> None:
    secret = fought.world.get("Secret", TEAM, "ci-webhook")
    assert secret is not None
    data = dict(secret["data"])
    fight(fought, 10)
    fought.edit("Secret", "ci-webhook", data=data)
    fought.settle()
    assert fought.ready() == "True Active"


def test_a_rotation_waits_for_nothing(fought: Stage) -> None:
    fight(fought, 10)
    fought.secret_policy(rotate="1")
    fought.settle()
    assert fought.connection()["secret"] == fought.verifying()[0]
    assert fought.ready() == "True Active"


def test_a_revocation_waits_for_nothing_however_often_it_is_taken_back(fought: Stage) -> None:
    for _ in range(3 * MOST):
        for state, answer in (("inactive", 503), ("active", "verdict")):
            fought.change(state=state)
            fought.settle()
            assert fought.answer() == answer
    for _ in range(3 * MOST):
        for suspended, answer in (("true", 503), ("false", "verdict")):
            fought.annotate("hookgate.dev/suspend", suspended)
            fought.settle()
            assert fought.answer() == answer


def test_one_fight_keeps_nothing_else_from_being_put_right(fought: Stage) -> None:
    fight(fought, 10)
    (route,) = fought.routes()
    fought.edit("Ingress", route["metadata"]["name"], "hookgate-system", spec={"rules": []})
    assert "apply Ingress" in fought.settle()


def test_a_route_that_is_deleted_again_and_again_is_a_fight_too() -> None:
    stage = Stage(platform(GATEWAY))
    stage.repairs = Repairs()
    stage.declare()
    stage.settle()
    made = 1
    for _ in range(20):
        for route in stage.routes():
            stage.world.drop("HTTPRoute", "hookgate-system", route["metadata"]["name"])
        made += "apply HTTPRoute" in stage.settle()
    assert made == MOST
    assert stage.ready() == "False FieldConflict"


def test_a_status_that_somebody_overwrites_is_told_at_a_walking_pace(fought: Stage) -> None:
    writes = 0
    for _ in range(600):
        endpoint = fought.endpoint()
        fought.world.put({**endpoint, "status": {**endpoint["status"], "url": "https://evil.example.com/"}})
        writes += len(fought.settle())
        fought.wait(0.1)
    assert writes <= MOST + 6

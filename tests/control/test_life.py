"""The life of an endpoint: what each state keeps, removes, answers and says."""

from __future__ import annotations

import contextlib
import re

import pytest

from tests.control.stage import Stage
from tests.control.world import Crash


def test_an_endpoint_that_was_never_activated_has_a_secret_and_no_url(stage: Stage) -> None:
    stage.declare(state="inactive")
    stage.settle()
    assert stage.ready() == "True Inactive"
    assert stage.connection() == {"secret": stage.verifying()[0]}
    assert stage.binding().segment is None
    assert stage.status()["secretName"] == "ci-webhook"
    assert "url" not in stage.status()
    assert "header" not in stage.status()
    assert stage.routes() == []
    assert stage.answer() == 404


def test_an_active_endpoint_has_a_url_a_route_and_a_secret(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    segment = stage.binding().segment
    url = f"https://hooks.example.com/h/{segment}"
    assert stage.ready() == "True Active"
    assert stage.status()["url"] == url
    assert stage.status()["header"] == "X-Signature"
    assert stage.connection() == {"url": url.encode(), "header": b"X-Signature", "secret": stage.verifying()[0]}
    assert [r["kind"] for r in stage.routes()] == ["Ingress"]
    assert stage.answer() == "verdict"


def test_the_path_is_160_random_bits_and_the_secret_256_others(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    assert re.fullmatch("[a-z2-7]{32}", stage.binding().segment or "")
    assert re.fullmatch(b"[0-9a-f]{64}", stage.verifying()[0])


def test_the_first_activation_makes_the_url_and_keeps_the_secret(stage: Stage) -> None:
    stage.declare(state="inactive")
    stage.settle()
    secret = stage.verifying()
    stage.change(state="active")
    assert stage.settle() == [
        "apply binding",
        "apply Secret ci-webhook",
        "apply Ingress",
        "status True Active",
    ]
    assert stage.verifying() == secret
    assert stage.connection()["secret"] == secret[0]
    assert "url" in stage.connection()


def test_activation_goes_from_the_binding_over_the_receivers_to_the_route(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    assert stage.story == [
        "hold finalizer",
        "create binding",
        "create Secret ci-webhook",
        "(2 of 2 receivers serve it)",
        "apply Ingress",
        "status True Active",
    ]


def test_deactivation_keeps_url_secret_and_route_and_answers_503(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    before, told = stage.binding(), stage.connection()
    stage.change(state="inactive")
    assert stage.settle() == ["apply binding", "status True Inactive"]
    assert (stage.binding().segment, stage.verifying()) == (before.segment, [k.value.reveal() for k in before.keys])
    assert stage.connection() == told
    assert len(stage.routes()) == 1
    assert stage.answer() == 503


def test_an_inactive_endpoint_answers_what_it_declares(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.change(state="inactive", inactiveResponse=410)
    stage.settle()
    assert stage.answer() == 410


def test_activation_after_deactivation_brings_back_the_same_url_and_secret(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    told = stage.connection()
    stage.change(state="inactive")
    stage.settle()
    stage.change(state="active")
    stage.settle()
    assert stage.ready() == "True Active"
    assert stage.connection() == told
    assert stage.answer() == "verdict"


def test_a_change_of_the_target_changes_neither_url_nor_secret(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    told = stage.connection()
    stage.serve("other", 9000)
    stage.change(target={"service": {"name": "other", "port": 9000, "path": "/in"}})
    assert stage.settle() == ["apply binding", "status True Active"]
    assert stage.binding().target == "http://other.team-a.svc:9000/in"
    assert stage.connection() == told


def test_an_absent_endpoint_has_nothing_any_more(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.change(state="absent")
    assert stage.settle() == [
        "delete binding",
        "delete Ingress",
        "status False Removing",
        "delete Secret ci-webhook",
        "status True Absent",
    ]
    assert not stage.has_binding()
    assert stage.secret() is None
    assert stage.routes() == []
    assert set(stage.status()) == {"observedGeneration", "conditions"}
    assert stage.answer() == 404


def test_an_absent_endpoint_keeps_its_secret_until_every_receiver_dropped_it(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.receivers.lag()
    stage.change(state="absent")
    assert stage.settle() == ["delete binding", "delete Ingress", "status False Removing"]
    assert stage.says("Reconciling") == "True Removing"
    assert stage.again == 1.0
    stage.receivers.catch_up()
    assert stage.settle() == ["delete Secret ci-webhook", "status True Absent"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("write", range(1, 6))
@pytest.mark.parametrize("killed", [True, False])
def test_absence_can_be_taken_back_at_any_write(stage: Stage, write: int, when: str, killed: bool) -> None:
    """What was forgotten on purpose does not count as lost, whether or not the operator dies meanwhile."""
    stage.declare()
    stage.settle()
    first = stage.world.writes

    def taken_back(number: int, moment: str) -> None:
        if (number - first, moment) == (write, when):
            stage.change(state="active")
            if killed:
                raise Crash

    stage.world.fault = taken_back
    stage.change(state="absent")
    with contextlib.suppress(Crash):
        stage.settle()
    stage.settle()
    assert stage.ready() == "True Active"
    assert stage.connection()["secret"] == stage.verifying()[0]


def test_an_endpoint_that_is_absent_from_the_start_writes_its_status_only(stage: Stage) -> None:
    stage.declare(state="absent")
    assert stage.settle() == ["status True Absent"]


def test_activation_after_absence_makes_another_url_and_another_secret(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    before, keys = stage.binding(), stage.verifying()
    stage.change(state="absent")
    stage.settle()
    stage.change(state="active")
    stage.settle()
    assert stage.ready() == "True Active"
    assert stage.binding().segment != before.segment
    assert stage.verifying() != keys


def test_two_endpoints_share_neither_url_nor_secret(stage: Stage) -> None:
    stage.declare("ci")
    stage.declare("chat")
    stage.settle("ci")
    stage.settle("chat")
    assert stage.binding("ci").segment != stage.binding("chat").segment
    assert stage.verifying("ci") != stage.verifying("chat")


def test_an_endpoint_recreated_under_its_name_begins_anew(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    keys, segment = stage.verifying(), stage.binding().segment
    stage.delete()
    stage.settle()
    stage.declare()
    stage.settle()
    assert stage.verifying() != keys
    assert stage.binding().segment != segment


def test_the_suspend_annotation_deactivates_an_active_endpoint(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    told = stage.connection()
    stage.annotate("hookgate.dev/suspend", "true")
    stage.settle()
    assert (stage.ready(), stage.answer()) == ("True Inactive", 503)
    stage.annotate("hookgate.dev/suspend", None)
    stage.settle()
    assert (stage.ready(), stage.answer()) == ("True Active", "verdict")
    assert stage.connection() == told


def test_the_suspend_annotation_only_restricts(stage: Stage) -> None:
    stage.declare(state="absent")
    stage.annotate("hookgate.dev/suspend", "true")
    stage.settle()
    assert stage.ready() == "True Absent"
    stage.change(state="inactive")
    stage.annotate("hookgate.dev/suspend", "false")
    stage.settle()
    assert stage.ready() == "True Inactive"


def test_an_endpoint_created_suspended_gets_no_url_yet(stage: Stage) -> None:
    stage.declare()
    stage.annotate("hookgate.dev/suspend", "true")
    stage.settle()
    assert stage.binding().segment is None


def test_readiness_is_told_as_an_event_when_it_changes_and_only_then(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.change(inactiveResponse=404)
    stage.settle()
    stage.change(state="inactive")
    stage.settle()
    assert stage.world.events == [("Normal", "Active"), ("Normal", "Inactive")]


def test_an_endpoint_that_does_not_exist_needs_nothing(stage: Stage) -> None:
    assert stage.settle("nobody") == []
    assert stage.again is None

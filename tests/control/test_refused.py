"""Writes that the API server will not have, for want of a right, room or consent: they are told, and hold up little.

Nobody but the operator's log would know otherwise; and what revokes never waits for what merely leads there.
"""

from __future__ import annotations

import pytest

from hookgate.control.cluster import ClusterError
from tests.control.stage import GATEWAY, SHARED, Act, Stage, platform

#: What is written for a new endpoint, in the words of the fake.
MADE = ("hold finalizer", "create binding", "create Secret ci-webhook", "apply Ingress")


def refused(stage: Stage, *writes: str) -> None:
    """Let it be looked at twice while these writes are refused."""
    stage.world.refused = set(writes)
    for _ in range(2):
        with pytest.raises(ClusterError):
            stage.settle()


def permitted(stage: Stage) -> None:
    """Let it be looked at when everything is permitted."""
    stage.world.refused.clear()
    stage.settle()


@pytest.mark.parametrize("write", MADE)
def test_a_new_endpoint_tells_which_write_is_refused_and_is_made_when_it_no_longer_is(stage: Stage, write: str) -> None:
    stage.declare()
    refused(stage, write)
    assert stage.ready() == "False WriteRefused"
    assert stage.says("Stalled") == "True WriteRefused"
    assert f"{write}: 403 Forbidden" in stage.message()
    assert stage.world.events == [("Warning", "WriteRefused")]
    permitted(stage)
    assert stage.ready() == "True Active"
    assert stage.connection()["secret"] == stage.verifying()[0]


@pytest.mark.parametrize("write", MADE)
def test_what_is_told_already_is_not_written_again(stage: Stage, write: str) -> None:
    stage.declare()
    refused(stage, write)
    before = stage.status()
    start = len(stage.world.story)
    with pytest.raises(ClusterError):
        stage.settle()
    assert stage.status() == before
    assert not [each for each in stage.world.story[start:] if each.startswith("status")]


def test_what_is_in_force_is_still_told(stage: Stage) -> None:
    """Its URL goes on working with the secret that the receivers know; what was wished for is not there."""
    stage.declare()
    stage.settle()
    before, told = stage.status(), stage.connection()
    stage.secret_policy(rotate="1", overlap="1h")
    refused(stage, "apply Secret ci-webhook")
    now = stage.status()
    assert {k: now[k] for k in ("url", "secretName")} == {k: before[k] for k in ("url", "secretName")}
    assert stage.says("Programmed") == "True Programmed"
    assert stage.connection() == told
    permitted(stage)
    assert stage.ready() == "True Active"
    assert stage.connection()["secret"] == stage.verifying()[0] != told["secret"]


def test_a_url_that_has_become_the_only_secret_is_told_no_more() -> None:
    stage = Stage(platform(SHARED, more="auth: {allowedTypes: [hmac, token, none]}\n"))
    stage.declare()
    stage.settle()
    stage.change(auth={"type": "none"})
    refused(stage, "replace Secret ci-webhook")
    assert stage.binding().auth["type"] == "none"
    assert "url" not in stage.status()


def test_a_name_that_could_not_be_taken_is_not_told(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.change(secretName="elsewhere")
    refused(stage, "create Secret elsewhere")
    assert stage.status()["secretName"] == "ci-webhook"
    permitted(stage)
    assert stage.status()["secretName"] == "elsewhere"


def test_a_lost_binding_that_may_not_be_made_is_not_forgotten(stage: Stage) -> None:
    """The status is what it is made from, together with the connection Secret."""
    stage.declare()
    stage.settle()
    told = stage.connection()
    stage.world.drop("Secret", "hookgate-bindings", stage.endpoint()["metadata"]["uid"])
    refused(stage, "create binding")
    assert stage.ready() == "False WriteRefused"
    permitted(stage)
    assert stage.connection() == told
    assert stage.verifying() == [told["secret"]]


def test_a_closure_that_is_refused_is_told_before_its_reason(stage: Stage) -> None:
    """The endpoint is still open, which whoever withdrew the host has to know."""
    stage.declare()
    stage.settle()
    stage.configure(platform("{name: other.example.com, exposure: ingress, namespaces: ['team-*']}"))
    refused(stage, "apply binding")
    assert stage.ready() == "False WriteRefused"
    assert stage.says("Accepted") == "False HostNotAllowed"
    permitted(stage)
    assert stage.ready() == "False HostNotAllowed"


def test_an_unreadable_spec_whose_closure_is_refused_tells_so(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.store({})
    refused(stage, "apply binding")
    assert stage.ready() == "False WriteRefused"
    assert stage.says("Accepted") == "False InvalidSpec"
    permitted(stage)
    assert stage.ready() == "False InvalidSpec"


@pytest.mark.parametrize("write", ["delete binding", "delete Ingress", "delete Secret ci-webhook"])
def test_an_endpoint_that_is_to_be_absent_tells_what_keeps_it(stage: Stage, write: str) -> None:
    stage.declare()
    stage.settle()
    stage.change(state="absent")
    refused(stage, write)
    assert stage.ready() == "False WriteRefused"
    assert f"{write}: 403 Forbidden" in stage.message()
    permitted(stage)
    assert stage.ready() == "True Absent"
    assert stage.world.of_kind("Secret", "Ingress") == []


@pytest.mark.parametrize("write", ["delete binding", "delete Ingress", "delete Secret ci-webhook", "drop finalizer"])
def test_a_deleted_endpoint_tells_what_keeps_it(stage: Stage, write: str) -> None:
    stage.declare()
    stage.settle()
    stage.delete()
    refused(stage, write)
    assert stage.ready() == "False WriteRefused"
    assert stage.world.events[-1] == ("Warning", "WriteRefused")
    permitted(stage)
    assert not stage.exists()
    assert stage.world.of_kind("Secret", "Ingress") == []


@pytest.mark.parametrize("goes", [lambda s: s.change(state="absent"), lambda s: s.delete()], ids=["absent", "deleted"])
def test_a_route_that_cannot_be_deleted_keeps_no_call_being_accepted(stage: Stage, goes: Act) -> None:
    stage.declare()
    stage.settle()
    goes(stage)
    refused(stage, "delete Ingress")
    assert not stage.has_binding()
    assert stage.answer() == 404


def test_a_binding_that_cannot_be_deleted_keeps_no_route() -> None:
    stage = Stage(platform(GATEWAY))
    stage.declare()
    stage.settle()
    stage.change(state="absent")
    refused(stage, "delete binding")
    assert stage.routes() == []


def test_a_retained_binding_is_out_of_sight_although_its_route_cannot_be_deleted(stage: Stage) -> None:
    stage.declare(deletionPolicy="Retain")
    stage.settle()
    told = stage.connection()
    stage.delete()
    refused(stage, "delete Ingress")
    assert stage.world.bindings() == {}
    permitted(stage)
    stage.declare()
    stage.annotate("hookgate.dev/adopt", "true")
    stage.settle()
    assert stage.connection() == told


def test_a_status_that_may_not_be_written_either_is_no_harm(stage: Stage) -> None:
    stage.declare()
    refused(stage, "create binding", "status False WriteRefused")
    assert stage.status() == {}
    permitted(stage)
    assert stage.ready() == "True Active"

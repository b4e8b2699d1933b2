"""Every situation with the conditions that tell it, as one table; and the rules that hold for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.control.kstatus import is_current, violations
from tests.control.stage import OFFER, SHARED, TEAM, Stage, platform


@dataclass(frozen=True, slots=True)
class Row:
    """A situation and what is said in it: Ready, Accepted, ResolvedRefs, Programmed, Exposed, what else, the answer."""

    situation: str
    arrange: Callable[[Stage], object]
    ready: str
    accepted: str
    resolved: str
    programmed: str
    exposed: str
    beside: str
    answer: int | str


YES, REFS, SERVED = "True Accepted", "True ResolvedRefs", "True Programmed"
UNSEEN, OPEN = "Unknown NotAccepted", "Unknown NoAddress"


def active(stage: Stage) -> None:
    stage.declare()
    stage.settle()


def lagging(stage: Stage) -> None:
    stage.receivers.lag()
    stage.declare()


def alone(stage: Stage) -> None:
    stage.receivers.ready = 0
    stage.declare()


def deactivated(stage: Stage) -> None:
    active(stage)
    stage.change(state="inactive")


def removed(stage: Stage) -> None:
    active(stage)
    stage.change(state="absent")


def removing(stage: Stage) -> None:
    active(stage)
    stage.receivers.lag()
    stage.change(state="absent")


def withdrawn(stage: Stage) -> None:
    active(stage)
    stage.configure(platform(OFFER.replace("team-*", "nobody")))


def garbled(stage: Stage) -> None:
    active(stage)
    stage.edit("Secret", stage.endpoint()["metadata"]["uid"], "hookgate-bindings", data={})


def lost(stage: Stage) -> None:
    active(stage)
    stage.world.drop("Secret", "hookgate-bindings", stage.endpoint()["metadata"]["uid"])
    stage.world.drop("Secret", TEAM, "ci-webhook")


def misformed(stage: Stage) -> None:
    active(stage)
    stage.change(auth={"type": "hmac", "provider": "standard-webhooks"})


def unreadable(stage: Stage) -> None:
    active(stage)
    stage.store({"auth": {"type": "telepathy"}})


def unmanaged(stage: Stage) -> None:
    stage.configure(platform(SHARED))
    stage.declare()


def refused_gateway(stage: Stage) -> None:
    host = "{name: hooks.example.com, exposure: gateway, namespaces: [team-a], parentRefs: [{name: public}]}"
    stage.configure(platform(host))
    active(stage)
    refusal = {"type": "Accepted", "status": "False", "reason": "NotAllowedByListeners"}
    said: dict[str, Any] = {"parentRef": {"name": "public"}, "conditions": [refusal]}
    stage.edit("HTTPRoute", stage.routes()[0]["metadata"]["name"], "hookgate-system", status={"parents": [said]})


# fmt: off
TABLE = (
    Row("never activated", lambda s: s.declare(state="inactive"),
        "True Inactive", YES, REFS, SERVED, "False NotActivated", "", 404),
    Row("active", Stage.declare,
        "True Active", YES, REFS, SERVED, OPEN, "", "verdict"),
    Row("active on a host that the platform routes", unmanaged,
        "True Active", YES, REFS, SERVED, "Unknown NotManaged", "", "verdict"),
    Row("inactive afterwards", deactivated,
        "True Inactive", YES, REFS, SERVED, OPEN, "", 503),
    Row("absent", removed,
        "True Absent", YES, REFS, "False Absent", "False Absent", "", 404),
    Row("on the way to absent", removing,
        "False Removing", YES, REFS, "False Absent", "False Absent", "Reconciling", 404),
    Row("a receiver lags", lagging,
        "False ReceiversPending", YES, REFS, "False ReceiversPending", "False RoutePending", "Reconciling", "verdict"),
    Row("no receiver", alone,
        "False NoReceivers", YES, REFS, "False NoReceivers", "False RoutePending", "Reconciling", "verdict"),
    Row("refused by its gateway", refused_gateway,
        "False NotAllowedByListeners", YES, REFS, SERVED, "False NotAllowedByListeners", "Reconciling", "verdict"),
    Row("an unreadable spec", unreadable,
        "False InvalidSpec", "False InvalidSpec", UNSEEN, "False NotServed", "False NotServed", "Stalled", 404),
    Row("an unknown provider", lambda s: s.declare(auth={"type": "hmac", "provider": "nobody-knows"}),
        "False UnknownProvider", "False UnknownProvider", UNSEEN, "False NoBinding", "False NotActivated",
        "Stalled", 404),
    Row("its host was withdrawn", withdrawn,
        "False HostNotAllowed", "False HostNotAllowed", UNSEEN, "False NotServed", "False NotServed", "Stalled", 404),
    Row("its reference is missing", lambda s: s.declare(
            auth={"type": "hmac", "provider": "github", "secret": {"ref": {"name": "gone"}}}),
        "False SecretNotUsable", YES, "False SecretNotUsable", SERVED, OPEN, "Reconciling", 503),
    Row("its Service is missing", lambda s: s.declare(target={"service": {"name": "gone", "port": 1}}),
        "False TargetNotFound", YES, "False TargetNotFound", SERVED, OPEN, "Reconciling", "verdict"),
    Row("a secret of another form", misformed,
        "False SecretFormatMismatch", YES, "False SecretFormatMismatch", SERVED, OPEN, "Stalled", 503),
    Row("binding and connection Secret lost", lost,
        "False SecretLost", YES, "False SecretLost", "False NoBinding", "False NotActivated", "Stalled", 404),
)
# fmt: on


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.situation)
def test_each_situation_is_told_by_its_conditions(stage: Stage, row: Row) -> None:
    row.arrange(stage)
    stage.settle()
    told = [stage.says(kind) for kind in ("Ready", "Accepted", "ResolvedRefs", "Programmed", "Exposed")]
    assert told == [row.ready, row.accepted, row.resolved, row.programmed, row.exposed]
    assert [c["type"] for c in stage.status()["conditions"]][5:] == ([row.beside] if row.beside else [])
    assert stage.answer() == row.answer
    assert stage.is_current() == row.ready.startswith("True")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.situation)
def test_in_each_situation_a_second_look_writes_nothing(stage: Stage, row: Row) -> None:
    row.arrange(stage)
    stage.settle()
    again = stage.again
    assert stage.settle() == []
    assert stage.again == again


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.situation)
def test_from_each_situation_an_endpoint_can_be_deleted_without_remains(stage: Stage, row: Row) -> None:
    row.arrange(stage)
    stage.settle()
    stage.receivers.catch_up()
    stage.delete()
    stage.settle()
    assert not stage.exists()
    assert stage.world.of_kind("Secret", "Ingress", "HTTPRoute") == []


def test_an_unreadable_binding_hides_what_it_serves(stage: Stage) -> None:
    garbled(stage)
    stage.settle()
    assert stage.says("ResolvedRefs") == "False BindingUnreadable"
    assert stage.says("Programmed") == "False NoBinding"


def test_the_first_finding_is_the_reason_that_is_told(stage: Stage) -> None:
    stage.declare(
        auth={"type": "hmac", "provider": "github", "secret": {"ref": {"name": "gone"}}},
        target={"service": {"name": "gone", "port": 1}},
    )
    stage.settle()
    assert stage.ready() == "False SecretNotUsable"


def test_every_error_of_an_unreadable_spec_is_named_by_its_field(stage: Stage) -> None:
    stage.store({"auth": {"type": "hmac", "hmac": {"header": "Host"}}, "target": {}, "inactiveResponse": 200})
    stage.settle()
    for field in ("spec.auth", "spec.target", "spec.inactiveResponse"):
        assert field in stage.message()


def test_an_unreadable_spec_drops_the_route(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.store({})
    assert stage.settle() == ["apply binding", "delete Ingress", "status False InvalidSpec"]


def test_an_unreadable_spec_closes_the_endpoint_and_a_readable_one_brings_everything_back(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    told, spec, shown = stage.connection(), stage.endpoint()["spec"], stage.status()["url"]
    stage.store({})
    stage.settle()
    assert stage.answer() == 404
    assert stage.connection() == told
    assert stage.status()["url"] == shown
    stage.store(spec)
    stage.settle()
    assert (stage.ready(), stage.answer(), stage.connection()) == ("True Active", "verdict", told)


def test_a_transition_time_moves_with_the_status_of_a_condition_only(stage: Stage) -> None:
    def times() -> dict[str, str]:
        return {c["type"]: c["lastTransitionTime"] for c in stage.status()["conditions"]}

    stage.declare()
    stage.settle()
    first = times()
    stage.wait(60)
    stage.change(state="inactive")
    stage.settle()
    assert times() == first
    stage.change(auth={"type": "hmac", "provider": "nobody-knows"})
    stage.settle()
    assert times()["Ready"] == "2026-01-01T00:01:00Z"
    assert times()["Accepted"] == "2026-01-01T00:01:00Z"


def test_the_status_tells_which_generation_it_is_about(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.change(state="inactive")
    assert not stage.is_current()
    stage.settle()
    assert stage.is_current()
    assert stage.status()["observedGeneration"] == stage.endpoint()["metadata"]["generation"] == 2


def test_foreign_conditions_do_not_survive_since_the_list_has_one_owner(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    found = stage.endpoint()
    foreign = {"type": "Foreign", "status": "True"}
    stage.world.put({**found, "status": {**found["status"], "conditions": [*found["status"]["conditions"], foreign]}})
    stage.settle()
    assert stage.says("Foreign") == ""


# The oracle itself ----------------------------------------------------------------------------------------------------


def condition(kind: str, status: str, generation: int = 1) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": "Because",
        "message": "It is so.",
        "observedGeneration": generation,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("conditions", "wrong"),
    [
        ([condition("Ready", "True")], []),
        ([condition("Accepted", "True"), condition("Stalled", "True")], ["Ready is missing"]),
        ([condition("Ready", "True"), condition("Stalled", "True")], ["Ready beside Stalled"]),
        (
            [condition("Ready", "False"), condition("Reconciling", "True"), condition("Stalled", "True")],
            ["Reconciling beside Stalled"],
        ),
        (
            [condition("Ready", "True"), condition("Stalled", "False")],
            ["Stalled is told although it does not hold"],
        ),
        ([condition("Ready", "True", 0)], ["Ready is of another generation than the status"]),
        ([condition("Ready", "True"), condition("Ready", "True")], ["Ready stands twice"]),
        (
            [condition("Ready", "False")],
            ["not Ready, and neither Reconciling nor Stalled says what comes next"],
        ),
    ],
)
def test_the_oracle_finds_what_breaks_the_rules(conditions: list[dict[str, Any]], wrong: list[str]) -> None:
    assert violations(1, {"observedGeneration": 1, "conditions": conditions}) == wrong


def test_the_oracle_calls_no_status_current_that_is_of_an_older_generation() -> None:
    status = {"observedGeneration": 1, "conditions": [condition("Ready", "True")]}
    assert [is_current(1, status), is_current(2, status)] == [True, False]
    assert violations(0, status) == ["observedGeneration 1 is ahead of generation 0"]

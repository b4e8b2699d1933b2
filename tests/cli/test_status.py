"""`hookgate status`: what it says about each part, and whether that is well."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hookgate.cli.status import leader, population, receiver_line, workload

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def lease(holder: str | None, renewed: str = "2026-11-23T11:59:50.000000Z") -> dict[str, Any]:
    """The Lease of operators."""
    return {"spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15}}


@pytest.mark.parametrize(
    ("found", "text", "well"),
    [
        (lease("operator-a_1"), "operator-a_1", True),
        (lease(None), "none: no operator works", False),
        (None, "none: no operator works", False),
        (
            lease("operator-a_1", "2026-11-23T11:59:00Z"),
            "none: operator-a_1 was last heard of at 2026-11-23T11:59:00Z",
            False,
        ),
        ("you may not read leases", "unknown: you may not read leases", True),
    ],
)
def test_who_leads_is_told_by_the_lease(found: dict[str, Any] | str | None, text: str, well: bool) -> None:
    line = leader(found, NOW)
    assert (line.text, line.well) == (text, well)


def test_a_deployment_is_told_by_its_pods_and_by_what_its_conditions_complain_about() -> None:
    conditions = [
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "fine"},
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "no image"},
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"},
    ]
    line = workload(
        "receivers", {"spec": {"replicas": 3}, "status": {"readyReplicas": 2, "conditions": conditions}}, ""
    )
    assert (line.text, line.well) == ("2 of 3 ready", False)
    assert line.details == (
        "Progressing=False, ProgressDeadlineExceeded: no image",
        "ReplicaFailure=True, FailedCreate: quota",
    )


def test_a_deployment_that_is_not_there_is_somebody_elses() -> None:
    line = workload("receivers", None, "they run elsewhere")
    assert (line.text, line.well) == ("they run elsewhere", True)


def endpoint(ready: str, reason: str) -> dict[str, Any]:
    """An endpoint as read."""
    condition = {"type": "Ready", "status": ready, "reason": reason, "observedGeneration": 1}
    metadata = {"name": "x", "namespace": "team-a", "generation": 1}
    return {"metadata": metadata, "spec": {}, "status": {"observedGeneration": 1, "conditions": [condition]}}


def test_endpoints_are_counted_by_the_reason_of_their_readiness_the_ready_ones_first() -> None:
    found = [endpoint("False", "TargetNotFound")] * 3 + [
        endpoint("True", "Inactive"),
        *[endpoint("True", "Active")] * 2,
    ]
    line = population(found)
    assert (line.text, line.details) == ("6", ("2 Active", "1 Inactive", "3 TargetNotFound (not ready)"))


def conditions(**reasons: str) -> dict[str, Any]:
    """The ConfigMap with the receivers' conditions: ``Type="Status Reason"``."""
    told = [
        {"type": kind, "status": text.split()[0], "reason": text.split()[1], "message": "why"}
        for kind, text in reasons.items()
    ]
    return {"data": {"receivers": json.dumps(told)}}


def test_receivers_are_told_by_their_pods_and_by_the_operators_own_conditions() -> None:
    deployment = {"spec": {"replicas": 2}, "status": {"readyReplicas": 2}}
    good = receiver_line(deployment, conditions(Ready="True Enough", Applied="True Applied", UpToDate="True UpToDate"))
    assert (good.text, good.well, good.details) == ("2 of 2 ready", True, ())
    bad = receiver_line(deployment, conditions(Ready="False Forbidden", Applied="False Forbidden"))
    assert (bad.text, bad.well, bad.details) == ("2 of 2 ready", False, ("Applied=False, Forbidden: why",))


def test_receivers_that_somebody_else_runs_are_no_complaint() -> None:
    line = receiver_line(None, conditions(Ready="Unknown NotManaged"))
    assert (line.text, line.well) == ("not managed: why", True)


def test_without_the_operators_conditions_the_pods_alone_tell() -> None:
    for unknown in (None, "you may not read configmaps", {"data": {"receivers": "{"}}):
        assert receiver_line({"spec": {"replicas": 1}, "status": {}}, unknown).text == "0 of 1 ready"

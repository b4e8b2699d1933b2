"""PURE: how the installation itself is: conditions of the receivers, as a ConfigMap keeps them for `hookgate status`.

A ConfigMap, since the installation has no object of its own, and what cannot be made has no status. It may not know
how the objects come about, nor who reads what is told of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from hookgate.control.objects import FIELD_MANAGER, LABEL_MANAGED, meta
from hookgate.control.values import Object
from hookgate.model.conditions import Truth

NAME = "hookgate-status"
RECEIVERS = "receivers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One condition of a part of the installation, without its time."""

    type: str
    status: Truth
    reason: str
    message: str


APPLIED = Told(
    type="Applied",
    status=Truth.TRUE,
    reason="Applied",
    message="The receivers' objects are as hookgate.yaml wants them.",
)


def refused(reason: str, message: str) -> Told:
    """Say why the objects are not what is wanted."""
    return Told(type="Applied", status=Truth.FALSE, reason=reason, message=message)


def receivers_elsewhere() -> tuple[Told, ...]:
    """Say that somebody else runs the receivers."""
    message = "hookgate.yaml names receivers that somebody else runs."
    return (Told(type="Ready", status=Truth.UNKNOWN, reason="NotManaged", message=message),)


def receivers_told(applied: Told, deployment: Object | None) -> tuple[Told, ...]:
    """Return the conditions of receivers that the operator runs; ``deployment`` is as read, if there is one."""
    available, current = _available(deployment), _up_to_date(deployment)
    worst = next((each for each in (applied, available) if each.status is not Truth.TRUE), available)
    ready = Truth.TRUE if worst.status is Truth.TRUE else Truth.FALSE
    return (
        Told(type="Ready", status=ready, reason=worst.reason, message=worst.message),
        applied,
        available,
        current,
    )


def _available(deployment: Object | None) -> Told:
    conditions = _conditions(deployment)
    failure, found = conditions.get("ReplicaFailure"), conditions.get("Available")
    if failure is not None and failure.get("status") == "True":
        # Whatever else is said: the API server refuses pods, for a quota or a rule of the platform's own.
        return Told(type="Available", status=Truth.FALSE, **_why(failure))
    if found is None:
        message = "The Deployment controller has not looked at the receivers yet."
        return Told(type="Available", status=Truth.UNKNOWN, reason="Pending", message=message)
    return Told(type="Available", status=Truth(str(found.get("status"))), **_why(found))


def _up_to_date(deployment: Object | None) -> Told:
    """Tell whether every receiver is of the present version and configuration."""
    status, stuck = (deployment or {}).get("status") or {}, _conditions(deployment).get("Progressing")
    wanted = ((deployment or {}).get("spec") or {}).get("replicas")
    seen = deployment is not None and status.get("observedGeneration", 0) >= meta(deployment).get("generation", 0)
    if seen and wanted == status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return Told(type="UpToDate", status=Truth.TRUE, reason="UpToDate", message="All run the wanted version.")
    if seen and stuck is not None and stuck.get("status") == "False":
        return Told(type="UpToDate", status=Truth.FALSE, **_why(stuck))
    message = "Receivers are being replaced; older ones serve meanwhile."
    return Told(type="UpToDate", status=Truth.FALSE, reason="RollingOut", message=message)


def _conditions(deployment: Object | None) -> dict[str, Object]:
    return {str(c.get("type")): c for c in ((deployment or {}).get("status") or {}).get("conditions") or ()}


def _why(condition: Object) -> dict[str, str]:
    return {"reason": str(condition.get("reason") or "Unknown"), "message": str(condition.get("message") or "")}


# As a ConfigMap -------------------------------------------------------------------------------------------------------


def placed(told: Iterable[Told], before: Sequence[Object], now: str) -> list[dict[str, str]]:
    """Return conditions with times: that of a status which was the same before stays. ``now`` is RFC 3339."""
    known = {c.get("type"): c for c in before}
    return [
        {
            "type": each.type,
            "status": each.status.value,
            "reason": each.reason,
            "message": each.message,
            "lastTransitionTime": _since(known.get(each.type), each, now),
        }
        for each in told
    ]


def _since(before: Object | None, told: Told, now: str) -> str:
    same = before is not None and before.get("status") == told.status.value
    return str(before.get("lastTransitionTime") or now) if same and before is not None else now


def config_map(conditions: Sequence[Object], namespace: str) -> dict[str, Any]:
    """Return the ConfigMap that holds the receivers' conditions."""
    text = yaml.safe_dump([dict(c) for c in conditions], sort_keys=False, width=120)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": namespace, "labels": {LABEL_MANAGED: FIELD_MANAGER}},
        "data": {RECEIVERS: text},
    }


def conditions_in(found: Object | None) -> list[Object]:
    """Return the receivers' conditions in a ConfigMap as read; what cannot be understood tells nothing."""
    try:
        conditions = yaml.safe_load(str(((found or {}).get("data") or {}).get(RECEIVERS) or "[]"))
    except yaml.YAMLError:
        return []
    if not isinstance(conditions, list):
        return []
    return [c for c in conditions if isinstance(c, dict) and isinstance(c.get("type"), str)]

"""The rules by which Kubernetes tools read a status, as an oracle: whoever waits for an object may trust it.

After kstatus (sigs.k8s.io/cli-utils/pkg/kstatus) and the API conventions for conditions. It knows no Hookgate reasons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_ABNORMAL = ("Reconciling", "Stalled")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_LONGEST_MESSAGE = 32_768
_LONGEST_REASON = 1_024


def violations(generation: int, status: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the status of an object of that generation, one line each; empty where nothing is."""
    return [*_of_observation(generation, status), *_of_conditions(status), *_of_readiness(status)]


def is_current(generation: int, status: Mapping[str, Any]) -> bool:
    """Tell what `kubectl wait` and GitOps tools conclude: the newest spec is in force and all is well."""
    return (
        status.get("observedGeneration") == generation
        and _value(status, "Ready") == "True"
        and not any(_value(status, kind) == "True" for kind in _ABNORMAL)
    )


def _of_observation(generation: int, status: Mapping[str, Any]) -> Iterator[str]:
    observed = status.get("observedGeneration")
    if not isinstance(observed, int):
        yield "observedGeneration is missing"
    elif observed > generation:
        yield f"observedGeneration {observed} is ahead of generation {generation}"


def _of_conditions(status: Mapping[str, Any]) -> Iterator[str]:
    conditions = status.get("conditions") or []
    kinds = [c.get("type") for c in conditions]
    for kind in sorted({str(k) for k in kinds if kinds.count(k) > 1}):
        yield f"{kind} stands twice"
    for condition in conditions:
        kind = condition.get("type")
        if condition.get("status") not in ("True", "False", "Unknown"):
            yield f"{kind} has no status"
        reason, message = str(condition.get("reason") or ""), condition.get("message")
        if not _REASON.fullmatch(reason) or len(reason) > _LONGEST_REASON:
            yield f"{kind} has no proper reason"
        if not message or len(message) > _LONGEST_MESSAGE:
            yield f"{kind} has no proper message"
        if not _TIME.fullmatch(str(condition.get("lastTransitionTime"))):
            yield f"{kind} has no transition time"
        if kind in _ABNORMAL and condition.get("status") != "True":
            yield f"{kind} is told although it does not hold"
        if condition.get("observedGeneration") != status.get("observedGeneration"):
            yield f"{kind} is of another generation than the status"


def _of_readiness(status: Mapping[str, Any]) -> Iterator[str]:
    ready = _value(status, "Ready")
    if ready is None:
        yield "Ready is missing"
    held = [kind for kind in _ABNORMAL if _value(status, kind) == "True"]
    if ready == "True" and held:
        yield f"Ready beside {held[0]}"
    if len(held) > 1:
        yield "Reconciling beside Stalled"
    if ready != "True" and not held:
        yield "not Ready, and neither Reconciling nor Stalled says what comes next"


def _value(status: Mapping[str, Any], kind: str) -> str | None:
    return next((c.get("status") for c in status.get("conditions") or () if c.get("type") == kind), None)

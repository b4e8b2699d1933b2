"""Conditions as Kubernetes tools read them: types, reasons, and the one way to change them.

The rules are those of kstatus (sigs.k8s.io/cli-utils/pkg/kstatus) and of the API conventions: a transition time moves
only when the status of a condition does; Reconciling and Stalled exist only while True and never beside Ready=True.
This module may not know why a condition holds: that is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class ConditionType(StrEnum):
    """The condition types of a WebhookEndpoint."""

    READY = "Ready"
    ACCEPTED = "Accepted"
    RESOLVED_REFS = "ResolvedRefs"
    PROGRAMMED = "Programmed"
    EXPOSED = "Exposed"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Truth(StrEnum):
    """The three values of a condition's status."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


#: Conditions that are told only while they are True.
ABNORMAL = frozenset({ConditionType.RECONCILING, ConditionType.STALLED})
_PLACE = {kind: place for place, kind in enumerate(ConditionType)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition. ``since`` is RFC 3339 in UTC with seconds, empty until the condition is placed by `merge`."""

    type: ConditionType
    status: Truth
    reason: str
    message: str
    generation: int
    since: str = ""

    def to_object(self) -> dict[str, Any]:
        """Return the condition as it stands in ``status.conditions``."""
        return {
            "type": self.type.value,
            "status": self.status.value,
            "reason": self.reason,
            "message": self.message,
            "observedGeneration": self.generation,
            "lastTransitionTime": self.since,
        }


def merge(current: Iterable[Mapping[str, Any]], desired: Iterable[Condition], now: str) -> tuple[Condition, ...]:
    """Place ``desired`` over the conditions that an object has, keeping the transition times of unchanged statuses.

    ``current`` is the object's ``status.conditions`` as read, in any order and possibly with foreign types, which are
    dropped: the list has one owner. ``now`` is RFC 3339. The result is in the order of `ConditionType`.
    """
    known = {c.get("type"): c for c in current}
    placed = []
    for condition in sorted(desired, key=lambda c: _PLACE[c.type]):
        if condition.type in ABNORMAL and condition.status is not Truth.TRUE:
            continue
        before = known.get(condition.type.value)
        same = before is not None and before.get("status") == condition.status.value
        since = str(before.get("lastTransitionTime") or now) if same and before is not None else now
        placed.append(replace(condition, since=since))
    return tuple(placed)

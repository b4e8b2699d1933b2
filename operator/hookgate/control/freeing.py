"""PURE: what frees an endpoint of us where no operator runs: it becomes unreachable, then it loses our finalizer.

Its connection Secret stays with it: an operator that is installed later makes the endpoint whole from that, with the
same URL and secret. What `Retain` keeps is kept as on a deletion. It may not know who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hookgate.control import objects
from hookgate.control.removal import retains, revoking
from hookgate.control.status import rfc3339
from hookgate.control.values import Object, Step, Verb
from hookgate.model.conditions import Condition, ConditionType, Truth, merge
from hookgate.model.endpoint import FINALIZER

#: Of a status all that an operator needs to make the endpoint whole again.
_KEPT = ("observedGeneration", "url", "header", "secretName", "rotated", "keys")


def freeing(
    manifest: Object,
    *,
    binding: Object | None,
    connections: Sequence[Object],
    routes: Sequence[Object],
    binding_namespace: str,
) -> tuple[Step, ...]:
    """Return the writes, what revokes first. ``connections`` are the Secrets whose label names the endpoint."""
    uid = objects.uid_of(manifest)
    steps = [*revoking(uid, binding, routes, kept_in=binding_namespace if retains(manifest) else None)]
    if retains(manifest):
        steps += [
            Step(verb=Verb.REPLACE, object=objects.released(secret, uid))
            for secret in connections
            if objects.owned_by(secret, uid)
        ]
    if FINALIZER in (objects.meta(manifest).get("finalizers") or ()):
        steps.append(Step(verb=Verb.APPLY, object=objects.finalizer(manifest, present=False)))
    return tuple(steps)


def freed_status(manifest: Object, now: float) -> dict[str, Any]:
    """Return the status of an endpoint that nothing serves and nobody looks after any more."""
    before = manifest.get("status") or {}
    told = "hookgate uninstall has made this endpoint unreachable, and no operator looks after it; install one again"
    generation = int(objects.meta(manifest).get("generation") or 0)
    desired = [
        Condition(type=kind, status=truth, reason="Uninstalled", message=told, generation=generation)
        for kind, truth in (
            (ConditionType.READY, Truth.FALSE),
            (ConditionType.PROGRAMMED, Truth.FALSE),
            (ConditionType.STALLED, Truth.TRUE),
        )
    ]
    conditions = [c.to_object() for c in merge(before.get("conditions") or (), desired, rfc3339(now))]
    return {**{key: before[key] for key in _KEPT if key in before}, "conditions": conditions}

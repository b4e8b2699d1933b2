"""PURE: what a status tells of repeated calls: what protects from them, for how long, and who recognises them."""

from __future__ import annotations

from hookgate.control.checks import Case
from hookgate.control.values import Object
from hookgate.model.replay import Protection
from hookgate.scheme.presets import Resolved
from hookgate.scheme.replay import protection, recognised_for


def told_replay(case: Case) -> Object | None:
    """Return ``status.replay``; None where the scheme is not known."""
    if not isinstance(case.scheme, Resolved):
        return None
    policy, document = case.endpoint.spec.replay, case.scheme.document
    found = protection(document, policy.mode)
    if found is Protection.NONE:
        return {"protection": found.value}
    return {"protection": found.value, "window": _duration(recognised_for(document, policy)), "scope": "Replica"}


def _duration(seconds: int) -> str:
    """Write a duration in the largest unit that divides it."""
    for unit, size in (("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"

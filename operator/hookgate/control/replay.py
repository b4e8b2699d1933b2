"""PURE: what a status tells of repeated calls: what protects from them, for how long, and who recognises them.

The scope is that of the platform's configuration. That the receivers' shared store is away now and then is told by
their metrics: here it would change every endpoint's status at once.
"""

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
    scope = "Replica" if case.observed.config.replay_store is None else "Shared"
    return {"protection": found.value, "window": _duration(recognised_for(document, policy)), "scope": scope}


def _duration(seconds: int) -> str:
    """Write a duration in the largest unit that divides it."""
    for unit, size in (("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"

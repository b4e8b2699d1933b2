"""PURE: what is true of an endpoint, as its status tells it: conditions, URL, header, secret name.

The status shows the URL (never for type ``none``, where it is the only secret) and the header's name; it never shows a
secret. Reasons are listed here and in the reference; a reason is stable, a message may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hookgate.config.platform import Exposure, Host
from hookgate.control.exposed import Classes, route_state
from hookgate.control.objects import meta
from hookgate.control.values import Finding, Object, Observed, Served
from hookgate.model.binding import Binding
from hookgate.model.conditions import Condition, ConditionType, Truth, merge
from hookgate.model.endpoint import AuthType, State

#: What an object goes on telling when its spec cannot be read any more.
_KEPT = ("url", "header", "secretName", "rotated", "bindingDigest", "replay", "calls", "keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a decision came to. ``digest`` names ``binding``; ``confirmed``: every ready receiver serves it.

    ``replay``, ``calls`` and ``keys`` stand in the status as they are, where there is anything in them.
    """

    manifest: Object
    generation: int
    state: State
    findings: tuple[Finding, ...]
    now: float
    binding: Binding | None = None
    digest: str | None = None
    confirmed: bool = False
    served: Served | None = None
    host: Host | None = None
    route: Object | None = None
    classes: Classes = None
    header: str = ""
    secret_name: str | None = None
    replay: Object | None = None
    calls: Object | None = None
    keys: tuple[Object, ...] = ()


def rfc3339(now: float) -> str:
    """Return unix seconds as Kubernetes writes times: UTC, whole seconds."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(outcome: Outcome) -> dict[str, Any]:
    """Return the whole status object; members that do not apply are left out."""
    before: Mapping[str, Any] = outcome.manifest.get("status") or {}
    binding = outcome.binding
    shown: dict[str, Any] = {"observedGeneration": outcome.generation}
    if binding is not None:
        if binding.segment is not None:
            if binding.url and binding.auth.get("type") != AuthType.NONE:
                shown["url"] = binding.url
            if outcome.header:
                shown["header"] = outcome.header
        if outcome.secret_name:
            shown["secretName"] = outcome.secret_name
        if binding.rotated:
            shown["rotated"] = dict(binding.rotated)
        if outcome.confirmed:
            shown["bindingDigest"] = outcome.digest
        elif before.get("bindingDigest") not in (None, outcome.digest):
            shown["bindingDigest"] = before["bindingDigest"]
    elif outcome.state is not State.ABSENT:
        # The only memory that there ever was a secret: whatever the endpoint is refused for, it is not forgotten.
        shown.update({k: before[k] for k in ("secretName", "rotated") if k in before})
    if outcome.replay and binding is not None:
        shown["replay"] = dict(outcome.replay)
    if outcome.calls:
        shown["calls"] = dict(outcome.calls)
    if outcome.keys:
        shown["keys"] = [dict(key) for key in outcome.keys]
    placed = merge(before.get("conditions") or (), conditions(outcome), rfc3339(outcome.now))
    shown["conditions"] = [c.to_object() for c in placed]
    return shown


def conditions(outcome: Outcome) -> tuple[Condition, ...]:
    """Return the five conditions, and Reconciling or Stalled where one of them holds."""
    generation = outcome.generation

    def condition(kind: ConditionType, status: Truth, reason: str, message: str) -> Condition:
        return Condition(type=kind, status=status, reason=reason, message=message, generation=generation)

    told = [
        _judged(outcome, ConditionType.ACCEPTED, "The spec is valid and allowed here."),
        _judged(outcome, ConditionType.RESOLVED_REFS, "Everything it names exists and may be used."),
        condition(ConditionType.PROGRAMMED, *_programmed(outcome)),
        condition(ConditionType.EXPOSED, *_exposed(outcome)),
    ]
    status, reason, message = _ready(outcome, told)
    told.append(condition(ConditionType.READY, status, reason, message))
    if status is not Truth.TRUE:
        terminal = any(f.terminal for f in outcome.findings)
        kind = ConditionType.STALLED if terminal else ConditionType.RECONCILING
        told.append(condition(kind, Truth.TRUE, reason, message))
    return tuple(told)


def invalid(observed: Observed, message: str, binding: Binding | None) -> dict[str, Any]:
    """Return the status of an object whose spec cannot be read."""
    generation = int(meta(observed.manifest).get("generation") or 0)
    finding = Finding(condition=ConditionType.ACCEPTED, reason="InvalidSpec", message=message)
    return keeping(
        Outcome(
            manifest=observed.manifest,
            generation=generation,
            state=State.INACTIVE,
            findings=(*refused(observed), finding),
            now=observed.now,
            binding=binding,
        )
    )


def keeping(outcome: Outcome) -> dict[str, Any]:
    """Return a status where not everything was looked at: what it showed before is kept, it may still be true."""
    before: Mapping[str, Any] = outcome.manifest.get("status") or {}
    return {**{k: before[k] for k in _KEPT if k in before}, **status_of(outcome)}


def refused(observed: Observed) -> tuple[Finding, ...]:
    """Return what is to be told first, before all other findings, where the API server has just refused a write."""
    if observed.refusal is None:
        return ()
    message = f"The API server refuses a write: {observed.refusal}. It is tried again, at least once in two minutes."
    return (Finding(condition=ConditionType.READY, reason="WriteRefused", message=message),)


def _judged(outcome: Outcome, kind: ConditionType, good: str) -> Condition:
    found = next((f for f in outcome.findings if f.condition is kind), None)
    refused = any(f.condition is ConditionType.ACCEPTED for f in outcome.findings)
    if found is not None:
        status, reason, message = Truth.FALSE, found.reason, found.message
    elif kind is ConditionType.RESOLVED_REFS and refused:
        status, reason, message = Truth.UNKNOWN, "NotAccepted", "Not looked at while the spec is not accepted."
    else:
        status, reason, message = Truth.TRUE, kind.value, good
    return Condition(type=kind, status=status, reason=reason, message=message, generation=outcome.generation)


def _programmed(outcome: Outcome) -> tuple[Truth, str, str]:
    if outcome.state is State.ABSENT:
        return Truth.FALSE, "Absent", "Nothing is to be served for an absent endpoint."
    if outcome.binding is None:
        return Truth.FALSE, "NoBinding", "There is nothing to serve yet."
    if outcome.binding.closed:
        return Truth.FALSE, "NotServed", "The endpoint may not be served; calls get 404."
    if outcome.confirmed:
        return Truth.TRUE, "Programmed", "Every ready receiver serves it."
    served = outcome.served
    if served is None:
        return Truth.FALSE, "ReceiversPending", "Receivers were not asked for it yet."
    if served.ready == 0:
        return Truth.FALSE, "NoReceivers", "No receiver is ready; see the receiver Deployment or receiver.addresses."
    return Truth.FALSE, "ReceiversPending", f"{served.agreeing} of {served.ready} ready receivers serve it."


def _exposed(outcome: Outcome) -> tuple[Truth, str, str]:
    binding = outcome.binding
    if outcome.state is State.ABSENT:
        return Truth.FALSE, "Absent", "An absent endpoint is to have no route."
    if binding is None or binding.segment is None:
        return Truth.FALSE, "NotActivated", "The URL is made at the first activation."
    if binding.closed or outcome.host is None:
        return Truth.FALSE, "NotServed", "The endpoint may not be served, so it has no route."
    if outcome.host.exposure is Exposure.NONE:
        return Truth.UNKNOWN, "NotManaged", "Routes of this host are not made by Hookgate."
    if outcome.route is None:
        return Truth.FALSE, "RoutePending", "The route is made once every receiver serves the endpoint."
    return route_state(outcome.route, outcome.classes)


def _ready(outcome: Outcome, told: list[Condition]) -> tuple[Truth, str, str]:
    if outcome.findings:
        worst = outcome.findings[0]
        return Truth.FALSE, worst.reason, worst.message
    if outcome.state is State.ABSENT:
        return Truth.TRUE, "Absent", "Secret, URL and route are removed."
    binding = outcome.binding
    if outcome.state is State.INACTIVE and binding is not None and binding.segment is None:
        return Truth.TRUE, "Inactive", "Configured; the URL is made at the first activation."
    programmed = next(c for c in told if c.type is ConditionType.PROGRAMMED)
    if programmed.status is not Truth.TRUE:
        return Truth.FALSE, programmed.reason, programmed.message
    exposed = next(c for c in told if c.type is ConditionType.EXPOSED)
    if exposed.status is Truth.FALSE:
        return Truth.FALSE, exposed.reason, exposed.message
    if outcome.state is State.INACTIVE:
        answer = binding.inactive_response if binding else 503
        return Truth.TRUE, "Inactive", f"Calls get {answer}; URL and secret are kept."
    return Truth.TRUE, "Active", "Calls are authenticated and delivered."


def ready_of(status: Object) -> tuple[str, str]:
    """Return status and reason of the Ready condition of a status as read, for telling a transition."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == ConditionType.READY:
            return str(condition.get("status")), str(condition.get("reason"))
    return "", ""

"""PURE: whether a route is in force, by what its gateway or ingress controller says of it.

What others write into a route's status is data of theirs: reasons are taken over, and from sentences the paths are
taken out, since a URL must not get into an Event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from hookgate.control.values import Object
from hookgate.model.conditions import Truth
from hookgate.model.endpoint import PATH_PREFIX

GATEWAY_GROUP = "gateway.networking.k8s.io"

State = tuple[Truth, str, str]
#: The IngressClasses that there are, and of each whether it is the default; None: they cannot be seen.
Classes = Mapping[str, bool] | None

_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]{0,1000}[A-Za-z0-9_])?")
_PATH = re.compile(re.escape(PATH_PREFIX) + r"[^\s\"',;)]+")
_LONGEST_SENTENCE = 300
#: What every parent of a route has to say, in the order of interest.
_ASKED = ("Accepted", "ResolvedRefs")


def route_state(route: Object, classes: Classes) -> State:
    """Return what the condition Exposed says of an Ingress or HTTPRoute as read."""
    return _ingress_state(route, classes) if route["kind"] == "Ingress" else _gateway_state(route)


def _ingress_state(route: Object, classes: Classes) -> State:
    if ((route.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
        return Truth.TRUE, "Exposed", "The ingress controller gave the route an address."
    named = (route.get("spec") or {}).get("ingressClassName")
    if classes and named and named not in classes:
        # Where there is no class at all, controllers go by the mere name, and nothing follows from its absence.
        there = ", ".join(sorted(classes))
        message = f"There is no IngressClass {named}; there are: {there}. hookgate.yaml names it as className."
        return Truth.FALSE, "IngressClassNotFound", message
    if classes and not named and not any(classes.values()):
        there = ", ".join(sorted(classes))
        message = f"The route has no class and the cluster no default one; name one as className: {there}."
        return Truth.UNKNOWN, "NoIngressClass", message
    return Truth.UNKNOWN, "NoAddress", "No ingress controller has given the route an address (some never do)."


def _gateway_state(route: Object) -> State:
    """Sum up what the parents say of the route as it is now: one refusal refuses, all must accept."""
    namespace, generation = str(route["metadata"].get("namespace")), route["metadata"].get("generation") or 0
    said = list((route.get("status") or {}).get("parents") or ())
    silent = []
    for ref in (route.get("spec") or {}).get("parentRefs") or ():
        # Several controllers may speak for one parent; of a parent that is no longer asked nothing counts.
        about = [p for p in said if _identity(p.get("parentRef") or {}, namespace) == _identity(ref, namespace)]
        known = [_conditions(parent, generation) for parent in about]
        refusal = _refusal(known, _named(ref, namespace))
        if refusal is not None:
            return refusal
        if not any(conditions.get("Accepted", {}).get("status") == "True" for conditions in known):
            silent.append(_named(ref, namespace))
    if not silent:
        return Truth.TRUE, "Exposed", "The gateway accepted the route."
    message = (
        f"No controller has accepted the route for {', '.join(silent)}: does it exist, does a controller look after "
        f"it, and may routes of namespace {namespace} attach to it?"
    )
    return Truth.FALSE, "GatewayPending", message


def _refusal(known: Iterable[Mapping[str, Any]], named: str) -> State | None:
    for conditions in known:
        for kind in _ASKED:
            found = conditions.get(kind)
            if found is not None and found.get("status") == "False":
                reason = str(found.get("reason") or "")
                reason = reason if _REASON.fullmatch(reason) else "Refused"
                said = _sentence(found.get("message"))
                return Truth.FALSE, reason, f"{named} says {kind}=False, {reason}{said}"
    return None


def _conditions(parent: Object, generation: int) -> dict[str, Any]:
    """Return what a parent says by type, but for what it said of the route as it was before."""
    return {
        str(c.get("type")): c
        for c in parent.get("conditions") or ()
        if (c.get("observedGeneration") or generation) >= generation
    }


def _identity(ref: Object, namespace: str) -> tuple[object, ...]:
    """What tells one parent from another, with the defaults that the API server fills in."""
    group, kind = ref.get("group", GATEWAY_GROUP), ref.get("kind", "Gateway")
    return group, kind, ref.get("namespace", namespace), ref.get("name"), ref.get("sectionName"), ref.get("port")


def _named(ref: Object, namespace: str) -> str:
    part = "".join(f", {key} {ref[key]}" for key in ("sectionName", "port") if ref.get(key))
    return f"{ref.get('kind', 'Gateway')} {ref.get('namespace', namespace)}/{ref.get('name')}{part}"


def _sentence(message: object) -> str:
    text = _PATH.sub(f"{PATH_PREFIX}…", " ".join(str(message or "").split()))
    if len(text) > _LONGEST_SENTENCE:
        text = f"{text[:_LONGEST_SENTENCE]}…"
    return f": {text}" if text else "."

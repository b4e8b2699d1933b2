"""PURE: taking an endpoint away, because it is declared absent or because its object is being deleted.

The order is the reverse of an activation: binding and route go first, so that nothing is reachable; the receivers
confirm; only then go the connection Secret and, for a deleted object, the finalizer. The binding is what revokes, so
nothing is before it, and neither waits for the other. Absence can be taken back, so the status forgets a secret first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hookgate.control import objects
from hookgate.control.status import Outcome, refused, status_of
from hookgate.control.values import AT_ONCE, Finding, Object, Observed, Plan, Step, Verb
from hookgate.model import binding as contract
from hookgate.model.conditions import ConditionType
from hookgate.model.endpoint import FINALIZER, DeletionPolicy, State, WebhookEndpoint

#: How long a deletion waits for receivers that do not confirm, in seconds; then it goes on with a warning.
DELETION_PATIENCE = 60
#: When to look again while something is pending, in seconds.
PENDING_AGAIN = 1.0
#: When to look again while no receiver is ready at all, in seconds.
IDLE_AGAIN = 30.0

_REMOVING = Finding(
    condition=ConditionType.PROGRAMMED,
    reason="Removing",
    message="Receivers are dropping the endpoint; its secret goes when all of them have.",
    terminal=False,
)


def absent(observed: Observed, endpoint: WebhookEndpoint) -> Plan:
    """Return what is left to do until an endpoint that is declared absent has nothing any more."""
    owned = [s for s in observed.connections if objects.owned_by(s, endpoint.uid)]
    unreachable = _make_unreachable(observed, retain=False)
    told = refused(observed)
    done = not unreachable and not owned and not told
    status = _status(observed, told or (() if done else (_REMOVING,)))
    if done or told:
        return Plan(status=status)
    if unreachable or not _asked(observed):
        return Plan(steps=unreachable, apart=True, awaits=True, status=status)
    if not _dropped_by_all(observed):
        return Plan(status=status, again=PENDING_AGAIN)
    if (observed.manifest.get("status") or {}).get("secretName"):
        # Forgotten before it goes: what a status still tells of counts as lost, should the wish be taken back.
        return Plan(status=status, again=AT_ONCE)
    return Plan(steps=tuple(Step(verb=Verb.DELETE, object=s) for s in owned), status=status)


def teardown(observed: Observed) -> Plan:
    """Return what is left to do for a deleted object; its status tells of nothing but what holds it up."""
    manifest = observed.manifest
    if FINALIZER not in (objects.meta(manifest).get("finalizers") or ()):
        return Plan()
    if told := refused(observed):
        return Plan(status=_status(observed, told))
    unreachable = _make_unreachable(observed, retain=retains(manifest))
    if unreachable or not _asked(observed):
        return Plan(steps=unreachable, apart=True, awaits=True)
    confirmed = _dropped_by_all(observed)
    if not confirmed and observed.now - _deleted_at(observed) < DELETION_PATIENCE:
        return Plan(again=PENDING_AGAIN)
    warning = (
        "ReceiversUnconfirmed",
        f"deleted although not every receiver confirmed within {DELETION_PATIENCE} s that it dropped the endpoint",
    )
    last = Step(verb=Verb.APPLY, object=objects.finalizer(manifest, present=False))
    return Plan(steps=(*_part_with_secrets(observed), last), final=True, warning=None if confirmed else warning)


def _status(observed: Observed, told: tuple[Finding, ...]) -> Object:
    generation = int(objects.meta(observed.manifest).get("generation") or 0)
    return status_of(
        Outcome(manifest=observed.manifest, generation=generation, state=State.ABSENT, findings=told, now=observed.now)
    )


def _make_unreachable(observed: Observed, *, retain: bool) -> tuple[Step, ...]:
    kept_in = observed.binding_namespace if retain else None
    return revoking(objects.uid_of(observed.manifest), observed.binding, observed.routes, kept_in=kept_in)


def revoking(uid: str, binding: Object | None, routes: Sequence[Object], *, kept_in: str | None) -> tuple[Step, ...]:
    """Return what makes an endpoint unreachable, the binding first; it is kept in that namespace, unless None."""
    leads = tuple(Step(verb=Verb.DELETE, object=route) for route in routes)
    if binding is None:
        return leads
    return (Step(verb=Verb.DELETE, object=binding) if kept_in is None else _retire(uid, binding, kept_in), *leads)


def _retire(uid: str, binding: Object, namespace: str) -> Step:
    """Take the binding from the receivers' sight and keep it: it is what a later endpoint can adopt."""
    raw = objects.secret_data(binding).get(contract.DATA_KEY, b"")
    kept = objects.binding_secret(uid, raw, namespace, objects.ROLE_RETAINED)
    return Step(verb=Verb.APPLY, object=objects.at(kept, binding, version=True))


def _asked(observed: Observed) -> bool:
    return observed.served is not None and observed.served.digest is None


def _dropped_by_all(observed: Observed) -> bool:
    """Tell whether no ready receiver serves the endpoint; where none is ready, none does."""
    return observed.served is not None and observed.served.agreeing == observed.served.ready


def _part_with_secrets(observed: Observed) -> tuple[Step, ...]:
    uid = objects.uid_of(observed.manifest)
    owned = [s for s in observed.connections if objects.owned_by(s, uid)]
    if retains(observed.manifest):
        # Half way through an adoption, what is kept is still what the endpoint found.
        kept = None if observed.retained is None else str(objects.meta(observed.retained)["name"])
        return tuple(Step(verb=Verb.REPLACE, object=objects.released(s, uid, kept=kept)) for s in owned)
    return tuple(Step(verb=Verb.DELETE, object=s) for s in owned)


def retains(manifest: Object) -> bool:
    """Tell whether an endpoint leaves its connection Secret and its binding behind."""
    return (manifest.get("spec") or {}).get("deletionPolicy") == DeletionPolicy.RETAIN


def _deleted_at(observed: Observed) -> float:
    text = str(objects.meta(observed.manifest)["deletionTimestamp"])
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()

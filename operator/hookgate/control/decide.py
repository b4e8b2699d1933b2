"""PURE: from what was observed to what to do next. Total: every observation has a plan.

The order of effects is the point of this module. Activation: binding, receivers have it, route. Rotation: binding,
receivers have it, connection Secret. Whatever must wait for the receivers is left out of a plan until they have
confirmed; the caller executes, asks them, and decides again: any interruption resumes from what is really there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from hookgate.config.platform import Host
from hookgate.control import authority, checks, objects, routes, signing
from hookgate.control.calls import next_calls, next_keys
from hookgate.control.checks import Case
from hookgate.control.keys import current, previous_secrets
from hookgate.control.next_binding import effective_state, next_binding
from hookgate.control.removal import IDLE_AGAIN, PENDING_AGAIN, absent, teardown
from hookgate.control.repairs import reference
from hookgate.control.replay import told_replay
from hookgate.control.status import Outcome, invalid, keeping, refused, status_of
from hookgate.control.understood import understand
from hookgate.control.values import Finding, Object, Observed, Plan, Step, Verb
from hookgate.model import binding as contract
from hookgate.model.binding import Binding, UndecodableBinding
from hookgate.model.conditions import ConditionType
from hookgate.model.endpoint import FINALIZER, InvalidSpec, State, WebhookEndpoint
from hookgate.scheme.handshake import told_token
from hookgate.scheme.presets import Resolved, Unresolvable

#: Does everything that it names exist, and may it be used?
_RESOLVED = (*checks.RESOLVED, authority.target_authority_is_usable)


def decide(observed: Observed) -> Plan:
    """Return what to do next about one endpoint."""
    manifest = observed.manifest
    if objects.meta(manifest).get("deletionTimestamp"):
        return teardown(observed)
    try:
        endpoint, scheme = understand(manifest, observed.presets)
    except InvalidSpec as error:
        return _unreadable(observed, str(error))
    if endpoint.spec.state is State.ABSENT:
        return absent(observed, endpoint)
    return _present(_case(observed, endpoint, scheme))


def _case(observed: Observed, endpoint: WebhookEndpoint, scheme: Resolved | Unresolvable) -> Case:
    found, garbled = _read_binding(observed.binding)
    left, _ = _read_binding(observed.retained)
    adopts = left is not None and left.namespace == endpoint.namespace
    if left is not None and adopts and not (found and found.nonce == left.nonce):
        found = replace(left, uid=endpoint.uid, name=endpoint.name)
    return Case(
        observed=observed,
        endpoint=endpoint,
        scheme=scheme,
        host=_choose_host(observed, endpoint, found),
        binding=found,
        garbled=garbled,
        adopts=adopts,
    )


def _present(case: Case) -> Plan:
    """Plan for an endpoint that is to exist, active or not, served or refused."""
    observed = case.observed
    findings = tuple(f for f in (checks.first(checks.ACCEPTED, case), checks.first(_RESOLVED, case)) if f)
    if observed.refusal is not None:
        return Plan(status=_stopped(case, findings))
    binding = next_binding(case, findings)
    raw = _encoded(observed, binding) if binding else None
    digest = contract.digest(raw) if raw else None
    taking = _takes_over(case)
    writes = [] if taking else _binding_steps(observed, raw)
    confirmed = raw is not None and raw == _stored(observed) and _confirmed(observed, digest)
    steps = [*(_finalizer_step(observed) if binding else ()), *writes]
    if binding is not None:
        steps += _connection_steps(case, binding, confirmed=confirmed)
        steps += () if taking else _route_steps(case, binding, confirmed=confirmed)
    fights = tuple(_fight(step.object) for step in steps if reference(step.object) in observed.contested)
    findings = (*findings, *fights)
    steps = [step for step in steps if reference(step.object) not in observed.contested]
    awaits = digest is not None and not (taking or confirmed or _asked(observed, digest))
    if steps or awaits:  # the plan that follows tells what holds
        return Plan(steps=tuple(steps), awaits=awaits, awaited=digest)
    return Plan(
        status=status_of(_outcome(case, findings, binding, digest, confirmed=confirmed)),
        again=_again(observed, binding, findings, confirmed=confirmed),
    )


def _takes_over(case: Case) -> bool:
    """Tell whether what was left is yet to be taken over; of several that ask, whoever gets the Secret has it."""
    found = case.connection
    return case.adopts and found is not None and not objects.owned_by(found, case.endpoint.uid)


def _stopped(case: Case, findings: tuple[Finding, ...]) -> Object:
    """Return the status where a write was refused: what is there counts, not what was to be."""
    observed = case.observed
    binding, _ = _read_binding(observed.binding)
    raw = _stored(observed)
    digest = contract.digest(raw) if binding is not None and raw is not None else None
    confirmed = _confirmed(observed, digest)
    outcome = _outcome(case, (*refused(observed), *findings), binding, digest, confirmed=confirmed)
    return keeping(outcome) if binding is None else status_of(outcome)


def _fight(obj: Object) -> Finding:
    """Tell of an object that somebody else changes again as often as it is put right."""
    return Finding(
        condition=ConditionType.RESOLVED_REFS if obj["kind"] == "Secret" else ConditionType.EXPOSED,
        reason="FieldConflict",
        message=f"Somebody changes {reference(obj)} again and again, so that it is put right only now and then; its "
        "managedFields tell who, and since when.",
        terminal=False,
    )


def _outcome(
    case: Case, findings: tuple[Finding, ...], binding: Binding | None, digest: str | None, *, confirmed: bool
) -> Outcome:
    observed, before = case.observed, case.observed.manifest.get("status") or {}
    calls = next_calls(before.get("calls"), observed.calls, observed.now)
    verifying = current(binding.keys, observed.now) if binding is not None else ()
    refresh = calls is not before.get("calls")
    return Outcome(
        manifest=case.observed.manifest,
        generation=case.endpoint.generation,
        state=effective_state(case.endpoint),
        findings=findings,
        binding=binding,
        digest=digest,
        confirmed=confirmed,
        served=case.observed.served,
        host=case.host,
        route=_shared_route(case) or next(iter(case.observed.routes), None),
        classes=case.observed.routing.classes,
        header=case.header,
        secret_name=_told_name(case, findings),
        now=case.observed.now,
        replay=told_replay(case),
        calls=calls,
        keys=next_keys(before.get("keys") or (), verifying, observed.calls, refresh=refresh),
    )


def _told_name(case: Case, findings: tuple[Finding, ...]) -> str | None:
    """Return the name of the connection Secret; while it could not be made, the one that was told before."""
    wanted, found = case.endpoint.spec.secret_name, case.connection
    stopped = any(f.reason in ("SecretNameTaken", "WriteRefused") for f in findings)
    if stopped and not (found is not None and objects.owned_by(found, case.endpoint.uid)):
        return (case.observed.manifest.get("status") or {}).get("secretName")
    return wanted


def _confirmed(observed: Observed, digest: str | None) -> bool:
    """Tell whether receivers serve this binding. Once confirmed it stays so: a receiver's rollout is not our news."""
    if observed.served is not None and _asked(observed, digest):
        return observed.served.by_all
    return digest is not None and _last_confirmed(observed) == digest


def _last_confirmed(observed: Observed) -> str | None:
    return (observed.manifest.get("status") or {}).get("bindingDigest")


def _stored(observed: Observed) -> bytes | None:
    return objects.secret_data(observed.binding).get(contract.DATA_KEY) if observed.binding is not None else None


def _asked(observed: Observed, digest: str | None) -> bool:
    return observed.served is not None and observed.served.digest == digest


def _again(
    observed: Observed, binding: Binding | None, findings: tuple[Finding, ...], *, confirmed: bool
) -> float | None:
    """Return when something changes that nothing tells of: receivers' answers, a key's end, a name given up."""
    if any(f.reason == "SecretNameTaken" for f in findings):
        return IDLE_AGAIN
    if observed.contested:
        return min(observed.contested.values())
    if binding is None:
        return None
    if not confirmed:
        # A receiver that becomes ready wakes the endpoint by itself.
        return PENDING_AGAIN if observed.served is not None and observed.served.ready else IDLE_AGAIN
    keys = (*binding.keys, *binding.forward_keys)
    ends = [k.expires for k in keys if k.expires is not None] + [r.expires for r in binding.retired]
    return max(1.0, min(ends) - observed.now) if ends else None


def _read_binding(stored: Object | None) -> tuple[Binding | None, bool]:
    """Return the binding in a Secret, and whether there is one that cannot be read."""
    if stored is None:
        return None, False
    raw = objects.secret_data(stored).get(contract.DATA_KEY, b"")
    try:
        found = contract.decode(raw)
    except UndecodableBinding:
        return None, True
    return (found, False) if isinstance(found, Binding) else (None, True)


def _choose_host(observed: Observed, endpoint: WebhookEndpoint, binding: Binding | None) -> Host | None:
    """Return the host to serve on: the one asked for, else the one that the URL already has, else the first offered."""
    wanted = endpoint.spec.host
    if wanted is None and binding is not None and binding.url is not None:
        wanted = urlsplit(binding.url).hostname
    return observed.config.host_for(endpoint.namespace, wanted)


def _finalizer_step(observed: Observed) -> list[Step]:
    if FINALIZER in (objects.meta(observed.manifest).get("finalizers") or ()):
        return []
    return [Step(verb=Verb.APPLY, object=objects.finalizer(observed.manifest, present=True))]


def _encoded(observed: Observed, binding: Binding) -> bytes:
    """Return the bytes that are stored, if they say the same, else such as never stood there before.

    What receivers confirmed is known by its bytes: if those came back, they would count as confirmed unasked.
    """
    raw = contract.encode(binding)
    before = None if raw == _stored(observed) else _read_binding(observed.binding)[0]
    return raw if before is None else contract.encode(replace(binding, edition=before.edition + 1))


def _binding_steps(observed: Observed, raw: bytes | None) -> list[Step]:
    """Create the binding the first time, so that no stale read can overwrite a secret; later apply to what was read."""
    if raw is None:
        return []
    wanted = objects.binding_secret(objects.uid_of(observed.manifest), raw, observed.binding_namespace)
    found = observed.binding
    if found is None:
        return [Step(verb=Verb.CREATE, object=wanted)]
    if not objects.differs(wanted, found):
        return []
    return [Step(verb=Verb.APPLY, object=objects.at(wanted, found, version=True))]


def _unreadable(observed: Observed, message: str) -> Plan:
    """Stop serving an endpoint whose spec cannot be read, keeping its path and keys."""
    found, _ = _read_binding(observed.binding)
    closed, steps = None, list[Step]()
    if found is not None:
        closed = replace(found, closed=True)
        steps += _binding_steps(observed, _encoded(observed, closed))
        steps += (Step(verb=Verb.DELETE, object=route) for route in observed.routes)
    if observed.refusal is not None:
        return Plan(status=invalid(observed, message, found))
    return Plan(steps=tuple(steps), status=invalid(observed, message, closed))


def _connection_steps(case: Case, binding: Binding, *, confirmed: bool) -> list[Step]:
    """Project the binding; a change of an existing Secret waits until receivers know what it tells."""
    found, steps = case.connection, list[Step]()
    wanted = objects.connection_secret(case.endpoint, _connection_data(case, binding))
    if found is None:
        # Nobody was told anything yet, or the receivers know what is told here.
        if confirmed or _last_confirmed(case.observed) is None:
            steps.append(Step(verb=Verb.CREATE, object=wanted))
    elif _takes_over(case):
        steps.append(Step(verb=Verb.REPLACE, object=objects.adopted(wanted, found)))
    elif case.adopts and case.observed.retained is not None:
        steps.append(Step(verb=Verb.DELETE, object=case.observed.retained))
    elif confirmed and objects.belongs_to(found, case.endpoint.uid) and objects.differs(wanted, found):
        steps.append(_repair(wanted, found))
    if confirmed and (found is None or objects.belongs_to(found, case.endpoint.uid)):
        others = [s for s in case.observed.connections if s is not found]
        steps += [Step(verb=Verb.DELETE, object=s) for s in others if objects.owned_by(s, case.endpoint.uid)]
    return steps


def _repair(wanted: dict[str, Any], found: Object) -> Step:
    if found.get("immutable") or found.get("type") != wanted["type"]:
        return Step(verb=Verb.DELETE, object=found)  # neither can be changed; the next look creates it anew
    if set(found.get("data") or ()) - set(wanted["data"]):
        return Step(verb=Verb.REPLACE, object=objects.overwritten(wanted, found))
    return Step(verb=Verb.APPLY, object=objects.at(wanted, found))


def _connection_data(case: Case, binding: Binding) -> dict[str, bytes]:
    """Return what the connection Secret tells the tenant: the URL, the header's name, secrets that we made.

    What the target verifies forwarded calls with is among them, and the verify token, where the sender asks with one
    before it delivers.
    """
    data = signing.told(binding, case.observed.now)
    if binding.url:
        data["url"] = binding.url.encode()
        if case.header:
            data["header"] = case.header.encode()
    if binding.generated:
        data |= checks.told_secret(case, binding)
        previous = previous_secrets(binding, case.observed.now)
        if previous:
            data["previous-secrets"] = previous
    token = told_token(case.scheme.document, binding.keys) if isinstance(case.scheme, Resolved) else None
    if token is not None:
        data["verify-token"] = token.encode()
    return data


def _route_steps(case: Case, binding: Binding, *, confirmed: bool) -> list[Step]:
    """Make the route once receivers serve its path; repair it at any time; drop what is of another kind or unwanted.

    Where a host has one route for all, an endpoint's own goes as soon as nothing depends on it any more.
    """
    observed, wanted = case.observed, None
    if binding.segment and not binding.closed and case.host is not None:
        if routes.shares(observed.config, case.host):
            shared, classes = _shared_route(case), observed.routing.classes
            return [Step(verb=Verb.DELETE, object=r) for r in observed.routes if routes.may_go(r, shared, classes)]
        segments = (binding.segment, *(r.segment for r in binding.retired))
        wanted = routes.route(binding.uid, segments, case.host, observed.config, observed.system_namespace)
    keep = next((r for r in observed.routes if wanted is not None and r["kind"] == wanted["kind"]), None)
    steps = [Step(verb=Verb.DELETE, object=r) for r in observed.routes if r is not keep]
    if wanted is not None and keep is not None and objects.differs(wanted, keep):
        steps.insert(0, Step(verb=Verb.APPLY, object=objects.at(wanted, keep)))
    elif wanted is not None and keep is None and confirmed:
        # Applied, not created: its name is ours alone, and only what was applied can be taken away by applying less.
        steps.insert(0, Step(verb=Verb.APPLY, object=wanted))
    return steps


def _shared_route(case: Case) -> Object | None:
    """Return the route that the endpoint shares with all others on its host, if there is one."""
    if case.host is None or not routes.shares(case.observed.config, case.host):
        return None
    return case.observed.routing.shared.get(routes.shared_key(case.host))

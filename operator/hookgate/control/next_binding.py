"""PURE: the binding that an endpoint should have next, from the one it has.

Kept apart from the findings so that each rule stands once: what is generated, when the URL is made, what survives a
change. Whatever keeps an endpoint from being served never takes its path or keys away.
"""

from __future__ import annotations

from dataclasses import replace

from hookgate.control import authority, signing
from hookgate.control import keys as keyring
from hookgate.control.checks import Case, recoverable, recovered_keys, rotation_seen_in_status
from hookgate.control.objects import owned_by, secret_data, target_url, uid_of
from hookgate.control.values import Finding, Object, Observed, Serve
from hookgate.model.binding import SEGMENT_LENGTH, Binding, Key, RetiredPath
from hookgate.model.endpoint import ANNOTATION_SUSPEND, PATH_PREFIX, AuthSpec, State, WebhookEndpoint
from hookgate.scheme.presets import Resolved

#: Under which name a binding remembers the last request for a new URL.
URL_REQUEST = "url"
#: However often a URL is rotated within one overlap, no more paths than this work beside the current one.
MAX_RETIRED = 3


def effective_state(endpoint: WebhookEndpoint) -> State:
    """Return the declared state, restricted by the suspend annotation; nothing can widen it."""
    if endpoint.spec.state is State.ACTIVE and endpoint.annotations.get(ANNOTATION_SUSPEND) == "true":
        return State.INACTIVE
    return endpoint.spec.state


def next_binding(case: Case, findings: tuple[Finding, ...]) -> Binding | None:
    """Return the binding to have, or None where there is none to make.

    A refused endpoint that never had a binding gets none; one that has keeps path and keys in it, closed.
    """
    before = case.binding
    serve = {f.serve for f in findings}
    if Serve.CLOSED in serve or not isinstance(case.scheme, Resolved) or case.host is None:
        return _closed(before, case.observed.now) if before is not None else None
    stuck = {f.reason for f in findings} & {"SecretLost", "BindingUnreadable"}
    if before is None and stuck:
        return None
    declared = _declared(case, case.scheme)
    if Serve.UNAVAILABLE in serve:
        return replace(declared, active=False, inactive_response=503)
    return declared


def _closed(before: Binding, now: float) -> Binding:
    return replace(
        before,
        closed=True,
        keys=keyring.current(before.keys, now),
        forward_keys=keyring.current(before.forward_keys, now),
        retired=_working(before, now),
    )


def _working(before: Binding, now: float) -> tuple[RetiredPath, ...]:
    return tuple(r for r in before.retired if now < r.expires)


def _declared(case: Case, scheme: Resolved) -> Binding:
    observed, endpoint, before = case.observed, case.endpoint, case.binding
    spec = endpoint.spec
    active = effective_state(endpoint) is State.ACTIVE
    segment, retired = _paths(case)
    if segment is None and active:
        segment = observed.fresh.segment
    keys, form = _keys(case, scheme)
    return Binding(
        uid=endpoint.uid,
        namespace=endpoint.namespace,
        name=endpoint.name,
        active=active,
        auth=scheme.document,
        keys=keys,
        form=form,
        nonce=before.nonce if before else observed.fresh.nonce,
        target=target_url(endpoint, observed.service_base),
        timeout_ms=spec.target.timeout_ms,
        max_body_bytes=spec.max_body_bytes,
        inactive_response=spec.inactive_response,
        segment=segment,
        url=f"{case.host.base_url()}{PATH_PREFIX}{segment}" if segment and case.host else None,
        rotated=_rotated(case),
        retired=retired,
        replay=spec.replay,
        rate=spec.rate or observed.config.rate,
        max_in_flight=spec.max_in_flight or observed.config.max_in_flight,
        allowed_networks=spec.allowed_networks,
        forward_keys=signing.next_keys(case),
        ca=authority.certificates(case),
        edition=before.edition if before else 0,
    )


def _keys(case: Case, scheme: Resolved) -> tuple[tuple[Key, ...], str]:
    """Return the keys of every way, generated ones first, and the form that those were generated in."""
    made, keys, form = list[Key](), list[Key](), ""
    for option, (way, resolved) in enumerate(zip(case.endpoint.spec.auth.ways, scheme.ways, strict=True)):
        fresh = replace(case.observed.fresh, ids=case.observed.fresh.ids[option * keyring.MAX_KEYS :])
        observed = replace(case.observed, fresh=fresh)
        if way.generates and resolved.generates:
            own, form = _generated(case, way, resolved, observed)
            made += (replace(key, option=option) for key in own)
        else:
            claimed = {key.id for key in (*made, *keys)}
            own, _ = keyring.given(way, resolved.document, case.binding, observed, option=option, claimed=claimed)
            keys += (replace(key, option=option) for key in own)
    return (*made, *keys), form


def _generated(case: Case, way: AuthSpec, scheme: Resolved, observed: Observed) -> tuple[tuple[Key, ...], str]:
    """Return the keys of the way whose secret is ours to make, and the form they were generated in."""
    before, now = case.binding, observed.now
    new = keyring.generated(scheme, observed.fresh, now)
    if before is None:
        return (recovered_keys(case) if recoverable(case) else ()) or (new,), scheme.form
    if not before.form:  # its keys were referenced or it needed none: nothing of ours is lost
        return (new,), scheme.form
    if not keyring.rotation_due(case.endpoint, before.rotated):
        return keyring.current(before.generated, now), before.form
    # Keys of another form could never verify under the new scheme, whatever overlap is asked for.
    overlap = way.secret.overlap if before.form == scheme.form else 0
    return keyring.rotated(before.generated, new, overlap, now), scheme.form


def _paths(case: Case) -> tuple[str | None, tuple[RetiredPath, ...]]:
    """Return the path to have and those that still work beside it, newest first."""
    before, spec, now = case.binding, case.endpoint.spec, case.observed.now
    if before is None:
        return _recovered_segment(case), ()
    retired = _working(before, now)
    wanted = spec.rotate_url
    if before.segment is None or wanted is None or before.rotated.get(URL_REQUEST) == wanted:
        return before.segment, retired
    end = int(now) + spec.url_overlap
    older = tuple(replace(r, expires=min(r.expires, end)) for r in retired)
    kept = (RetiredPath(segment=before.segment, expires=end), *older) if spec.url_overlap else ()
    return case.observed.fresh.segment, kept[:MAX_RETIRED]


def _rotated(case: Case) -> dict[str, str]:
    """Return every rotation request seen so far. One for a URL that does not exist yet is met by making it."""
    if case.binding is None and recoverable(case):
        return rotation_seen_in_status(case)  # what was asked for since the loss is done on the next look
    before = case.binding.rotated if case.binding else {}
    url = case.endpoint.spec.rotate_url
    return {
        **before,
        **keyring.rotation_requests(case.endpoint),
        **({URL_REQUEST: url} if url else {}),
        **signing.requested(case),
    }


def _recovered_segment(case: Case) -> str | None:
    """Return the path that a lost binding had, unless another endpoint has it now."""
    if not recoverable(case) or case.observed.segment_taken:
        return None
    return told_segment(case.observed.manifest, case.connection)


def told_segment(manifest: Object, connection: Object | None) -> str | None:
    """Return the path that an endpoint was told to have: by its status, else by its own connection Secret."""
    in_status = segment_of(str((manifest.get("status") or {}).get("url") or ""))
    if in_status is not None or connection is None or not owned_by(connection, uid_of(manifest)):
        return in_status
    return segment_of(secret_data(connection).get("url", b"").decode("ascii", "replace"))


def segment_of(url: str) -> str | None:
    """Return the random segment at the end of one of our URLs, None where there is none."""
    _, found, segment = url.rpartition(PATH_PREFIX)
    alphabet = set("abcdefghijklmnopqrstuvwxyz234567")
    return segment if found and len(segment) == SEGMENT_LENGTH and set(segment) <= alphabet else None

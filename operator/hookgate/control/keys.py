"""PURE: which keys an endpoint's binding holds next: generated, rotated, referenced, recovered or expired.

The binding is the authority: what it holds stays until a rotation is asked for or its time is up, and the last rotation
requests seen are kept on it, so that neither a restart nor a lost status rotates twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hookgate.control.objects import secret_data
from hookgate.control.values import Fresh, Object, Observed
from hookgate.model.binding import Binding, Key
from hookgate.model.endpoint import ANNOTATION_ROTATE, SecretKeyRef, WebhookEndpoint
from hookgate.model.sensitive import Sensitive
from hookgate.scheme.generate import check_key, generate
from hookgate.scheme.presets import Resolved

#: However often a secret is rotated within one overlap, no more keys than this are tried on a call.
MAX_KEYS = 4
#: Separates the values in a connection Secret's ``previous-secrets``; generated secrets never contain it.
PREVIOUS_SEPARATOR = b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusableKey:
    """A reference that gives no key, and why, in words that never repeat a value."""

    ref: SecretKeyRef
    problem: str


def rotation_requests(endpoint: WebhookEndpoint) -> dict[str, str]:
    """Return what asks for a rotation now, by where it is asked; a request counts once per value."""
    asked = {"spec": endpoint.spec.auth.secret.rotate, "annotation": endpoint.annotations.get(ANNOTATION_ROTATE)}
    return {place: value for place, value in asked.items() if value}


def rotation_due(endpoint: WebhookEndpoint, seen: Mapping[str, str]) -> bool:
    """Tell whether a rotation is asked for that ``seen`` does not know."""
    return any(seen.get(place) != value for place, value in rotation_requests(endpoint).items())


def generated(resolved: Resolved, fresh: Fresh, now: float) -> Key:
    """Return a new key in the form that the scheme's senders expect."""
    value = Sensitive(generate(resolved.form, fresh.secret))
    return Key(id=fresh.ids[0], value=value, created=int(now))


def rotated(keys: tuple[Key, ...], new: Key, overlap: int, now: float) -> tuple[Key, ...]:
    """Put ``new`` first and let the current key verify for ``overlap`` seconds more; older ones keep their own end."""
    end = int(now) + overlap
    older = tuple(replace(k, expires=end if k.expires is None else min(k.expires, end)) for k in keys)
    return current((new, *older), now)[:MAX_KEYS]


def current(keys: tuple[Key, ...], now: float) -> tuple[Key, ...]:
    """Drop the keys whose time is up."""
    return tuple(k for k in keys if k.valid_at(now))


def referenced(
    refs: tuple[SecretKeyRef, ...], document: Mapping[str, object], before: tuple[Key, ...], observed: Observed
) -> tuple[tuple[Key, ...], tuple[UnusableKey, ...]]:
    """Read the keys that ``refs`` name. A key whose value was known before keeps its id and age.

    Returns the usable keys in the order of ``refs`` without repeats, and what is wrong with the others.
    """
    keys: list[Key] = []
    unusable: list[UnusableKey] = []
    ids = iter(observed.fresh.ids)
    for ref in refs:
        value, problem = _read(ref, observed.references.get(ref.name), document)
        if problem is not None:
            unusable.append(UnusableKey(ref=ref, problem=problem))
            continue
        secret = Sensitive(value)
        if any(k.value == secret for k in keys):
            continue
        known = next((k for k in before if k.value == secret), None)
        keys.append(
            replace(known, expires=None) if known else Key(id=next(ids), value=secret, created=int(observed.now))
        )
    return tuple(keys), tuple(unusable)


def recovered(
    connection: Object, secret_key: str, document: Mapping[str, object], fresh: Fresh, now: float
) -> tuple[Key, ...]:
    """Return the current key that a connection Secret holds, for a binding that was lost; nothing if it is unusable."""
    value = secret_data(connection).get(secret_key, b"")
    if check_key(document, value) is not None:
        return ()
    return (Key(id=fresh.ids[0], value=Sensitive(value), created=int(now)),)


def previous_secrets(binding: Binding, now: float) -> bytes:
    """Return the older secrets that still verify, newest first, one a line."""
    return PREVIOUS_SEPARATOR.join(k.value.reveal() for k in current(binding.keys, now)[1:])


def _read(ref: SecretKeyRef, secret: Object | None, document: Mapping[str, object]) -> tuple[bytes, str | None]:
    if secret is None:
        return b"", 'is missing in this namespace or lacks the label hookgate.dev/webhook: "true"'
    data = secret_data(secret)
    if ref.key not in data:
        return b"", "has no such key"
    value = data[ref.key]
    # Editors and `kubectl create secret --from-file` leave exactly one newline that nobody meant.
    value = value[:-2] if value.endswith(b"\r\n") else value.removesuffix(b"\n")
    return value, check_key(document, value)

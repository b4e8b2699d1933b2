"""PURE: which keys an endpoint's binding holds next: generated, rotated, referenced, recovered or expired.

The binding is the authority: what it holds stays until a rotation is asked for or its time is up, and the last rotation
requests seen are kept on it, so that neither a restart nor a lost status rotates twice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hookgate.control.objects import secret_data
from hookgate.control.values import Fresh, Object, Observed, Published
from hookgate.model.binding import Binding, Key
from hookgate.model.endpoint import ANNOTATION_ROTATE, AuthSpec, AuthType, KeySet, SecretKeyRef, WebhookEndpoint
from hookgate.model.sensitive import Sensitive
from hookgate.scheme.generate import check_key, generate
from hookgate.scheme.presets import Resolved
from hookgate.scheme.ways import ways

#: What a rotation request looks like in a spec.
_REQUEST = re.compile(r"[A-Za-z0-9._:+-]{1,64}")
#: However often a secret is rotated within one overlap, no more keys than this are tried on a call.
MAX_KEYS = 4
#: The longest secret or public key, and the longest key set, that are taken from a reference, in bytes: all keys of an
#: endpoint have to fit into one binding, and an API server takes no Secret of more than a megabyte.
LONGEST_SECRET, LONGEST_KEY_SET = 32 * 1024, 256 * 1024
#: Separates the values in a connection Secret's ``previous-secrets``; generated secrets never contain it.
PREVIOUS_SEPARATOR = b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusableKey:
    """A place that gives no key, and why, in words that never repeat a value."""

    place: str
    problem: str
    reason: str = "SecretNotUsable"


def rotation_requests(endpoint: WebhookEndpoint) -> dict[str, str]:
    """Return what asks for a rotation now, by where it is asked; a request counts once per value."""
    made = endpoint.spec.auth.generated
    asked = {"spec": made.secret.rotate if made else None, "annotation": endpoint.annotations.get(ANNOTATION_ROTATE)}
    return {place: _short(value) for place, value in asked.items() if value}


def _short(request: str) -> str:
    """Return a request in a form that a status can show: an annotation can be anything, and longer than any status."""
    return request if _REQUEST.fullmatch(request) else "sha256:" + hashlib.sha256(request.encode()).hexdigest()[:32]


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


def given(  # noqa: PLR0913 -- what one way may know of the others
    auth: AuthSpec,
    document: Mapping[str, Any],
    before: Binding | None,
    observed: Observed,
    *,
    option: int = 0,
    claimed: Collection[str] = (),
) -> tuple[tuple[Key, ...], tuple[UnusableKey, ...]]:
    """Read the keys that one way names. A key whose value ``before`` has keeps its id and age.

    Not where another way has ``claimed`` that id: ways may share a secret, and receivers tell by the id of the key by
    which way a call came in. ``option`` is the way's position, whose own keys are looked for first.

    Returns the usable keys in their order without repeats, and what is wrong with the others.
    """
    keys: list[Key] = []
    unusable: list[UnusableKey] = []
    ids = iter(observed.fresh.ids)
    for place, value, problem in _places(auth, document, before, observed):
        if problem is not None:
            reason = "KeySetUnavailable" if auth.key_set is not None else "SecretNotUsable"
            unusable.append(UnusableKey(place=place, problem=problem, reason=reason))
            continue
        secret = Sensitive(value)
        if any(k.value == secret for k in keys):
            continue
        held = [k for k in (before.keys if before else ()) if k.value == secret and k.id not in claimed]
        known = min(held, key=lambda k: k.option != option, default=None)
        keys.append(
            replace(known, expires=None, option=0)
            if known
            else Key(id=next(ids), value=secret, created=int(observed.now))
        )
    return tuple(keys), tuple(unusable)


def recovered(
    connection: Object, kind: AuthType, document: Mapping[str, object], fresh: Fresh, now: float
) -> tuple[Key, ...]:
    """Return the current key that a connection Secret holds, for a binding that was lost; nothing if it is unusable."""
    value = value_in(secret_data(connection), told_key(kind), kind) or b""
    if check_key(document, value) is not None:
        return ()
    return (Key(id=fresh.ids[0], value=Sensitive(value), created=int(now)),)


def recovered_older(
    connection: Object, told: Sequence[Object], document: Mapping[str, object], fresh: Fresh, now: float
) -> tuple[Key, ...]:
    """Return the keys within their overlap of a binding that was lost.

    Their values are in the connection Secret, when each ends only in ``told``, which is ``status.keys``. Where the two
    do not tell of equally many there is no knowing which end is whose, and none of them verifies any more.
    """
    values = secret_data(connection).get("previous-secrets", b"").split(PREVIOUS_SEPARATOR)
    ends = [int(_unix(each["expires"])) for each in told if "expires" in each]
    if len(values) != len(ends) or any(check_key(document, value) is not None for value in values):
        return ()
    ids = fresh.ids[1:]
    keys = (
        Key(id=i, value=Sensitive(v), created=int(now), expires=e) for i, v, e in zip(ids, values, ends, strict=False)
    )
    return current(tuple(keys), now)


def _unix(told: str) -> float:
    """Read a time of a status, which its schema has checked; what is none is long ago."""
    try:
        return datetime.fromisoformat(told).timestamp()
    except ValueError:
        return 0.0


def previous_secrets(binding: Binding, now: float) -> bytes:
    """Return the older secrets that still verify, newest first, one a line."""
    return PREVIOUS_SEPARATOR.join(k.value.reveal() for k in current(binding.generated, now)[1:])


def told_key(kind: AuthType) -> str:
    """Return the connection Secret's key for the current secret; see `told` for those that take two."""
    return "token" if kind is AuthType.TOKEN else "secret"


def told(kind: AuthType, value: bytes) -> dict[str, bytes]:
    """Return how a connection Secret tells a generated secret: as what the sender's form asks for."""
    if kind is AuthType.BASIC:
        username, _, password = value.partition(b":")
        return {"username": username, "password": password}
    return {told_key(kind): value}


def value_in(data: Mapping[str, bytes], key: str, kind: AuthType) -> bytes | None:
    """Return the secret under ``key``; for type basic also joined from the keys of a Kubernetes basic-auth Secret."""
    if key not in data and kind is AuthType.BASIC and {"username", "password"} <= data.keys():
        return data["username"] + b":" + data["password"]
    return data.get(key)


def _places(
    auth: AuthSpec, document: Mapping[str, Any], before: Binding | None, observed: Observed
) -> Iterator[tuple[str, bytes, str | None]]:
    """Yield where each key is, its value, and what is wrong with it."""
    for ref in auth.secret.refs:
        value, problem = _read(ref, observed.references.get(ref.name), auth.type, document)
        yield f"{auth.path}.secret: Secret {ref.name}, key {ref.key}", value, problem
    if auth.public_key is not None:
        value = _stripped(auth.public_key.encode())
        yield f"{auth.path}.signature.publicKey", value, check_key(document, value)
    if auth.key_set is not None:
        value, problem = _published(auth.key_set, document, before, observed)
        yield f"{auth.path}.jwt: the keys of the issuer", value, problem


def _published(
    key_set: KeySet, document: Mapping[str, Any], before: Binding | None, observed: Observed
) -> tuple[bytes, str | None]:
    """Return the issuer's last good key set; after a restart that is the binding's, until there is a newer one."""
    found = observed.key_sets.get(key_set, Published())
    if found.value is not None:
        return found.value, check_key(document, found.value)
    for option, way in enumerate(ways(before.auth) if before is not None else ()):
        if way.get("type") == AuthType.JWT and all(way.get(n) == document.get(n) for n in ("issuer", "jwks")):
            kept = next((k for k in before.keys if k.option == option), None) if before is not None else None
            if kept is not None:
                return kept.value.reveal(), check_key(document, kept.value.reveal())
    return b"", found.problem or "not fetched yet"


def _read(
    ref: SecretKeyRef, secret: Object | None, kind: AuthType, document: Mapping[str, object]
) -> tuple[bytes, str | None]:
    if secret is None:
        return b"", 'is missing in this namespace or lacks the label hookgate.dev/webhook: "true"'
    found = value_in(secret_data(secret), ref.key, kind)
    if found is None:
        return b"", "has no such key"
    longest = LONGEST_KEY_SET if kind is AuthType.JWT else LONGEST_SECRET
    if len(found) > longest:
        return b"", f"is longer than {longest // 1024} KiB"
    value = _stripped(found)
    return value, check_key(document, value)


def _stripped(value: bytes) -> bytes:
    # Editors and `kubectl create secret --from-file` leave exactly one newline that nobody meant.
    return value[:-2] if value.endswith(b"\r\n") else value.removesuffix(b"\n")

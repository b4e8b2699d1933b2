"""The interpreter: a descriptor and keys, compiled once into a function from a request and the time to a verdict.

The compiled function never raises and never stops early at a key: every key that is valid at that moment is tried,
and bytes that depend on a key meet the sender's only in `hmac.compare_digest`. One key that cannot be used never
disables the others; no usable key at all refuses every call.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from hookgate.model.binding import Key
from hookgate.scheme.descriptor import Descriptor, Format, InvalidDescriptor, Origin, Part, PartKind, SchemeType, parse
from hookgate.scheme.inputs import DECODERS, Slots
from hookgate.scheme.keys import Unusable, secret_bytes
from hookgate.scheme.request import Reason, Request, Verdict

_K = TypeVar("_K")

Verifier = Callable[[Request, float], Verdict]

_REFUSED: Final[Mapping[Reason, Verdict]] = {reason: Verdict(accepted=False, reason=reason) for reason in Reason}


def compile_verifier(
    document: Mapping[str, Any],
    keys: Sequence[Key],
    *,
    url: str | None = None,  # noqa: ARG001 -- for schemes that sign it
) -> Verifier:
    """Return the function that judges calls by ``document`` and ``keys``. ``url`` is the endpoint's declared URL.

    Raises `InvalidDescriptor` for a document that is no descriptor. Keys that the scheme cannot use are left out. The
    returned function takes the request and now (unix seconds).
    """
    descriptor = parse(document)
    _check_supported(descriptor)
    if descriptor.type is SchemeType.NONE:
        return _accept_all(descriptor)
    if descriptor.type is SchemeType.TOKEN:
        return _token(descriptor, keys)
    return _signed(descriptor, keys)


def credential_headers(document: Mapping[str, Any]) -> frozenset[bytes]:
    """Return the lower-case names of headers that must not reach the target: tokens, and Authorization always.

    Signatures may pass. Type none declares no credential, so nothing is taken away.
    """
    descriptor = parse(document)
    if descriptor.type is SchemeType.NONE:
        return frozenset()
    names = {b"authorization"}
    if descriptor.type in (SchemeType.TOKEN, SchemeType.BASIC) and descriptor.source is not None:
        names.add(descriptor.source.name.lower().encode())
    return frozenset(names)


def _accept_all(descriptor: Descriptor) -> Verifier:
    slots = Slots()
    delivery, event = slots.of(descriptor.delivery_id), slots.of(descriptor.event_type)

    def verify(request: Request, _now: float) -> Verdict:
        found = slots.find(request.headers)
        if found is None:
            return _REFUSED[Reason.DUPLICATE_CREDENTIAL]
        return Verdict(accepted=True, delivery_id=_text(found[delivery]), event_type=_text(found[event]))

    return verify


def _token(descriptor: Descriptor, keys: Sequence[Key]) -> Verifier:
    slots = Slots()
    credential = slots.of(descriptor.source)
    delivery, event = slots.of(descriptor.delivery_id), slots.of(descriptor.event_type)
    prefix = descriptor.prefix.encode()
    usable = _usable(descriptor, keys, lambda secret: secret)

    def verify(request: Request, now: float) -> Verdict:
        current = [entry for entry in usable if entry[0].valid_at(now)]
        if not current:
            return _REFUSED[Reason.NO_USABLE_KEY]
        found = slots.find(request.headers)
        if found is None:
            return _REFUSED[Reason.DUPLICATE_CREDENTIAL]
        value = found[credential]
        if value is None:
            return _REFUSED[Reason.MISSING_CREDENTIAL]
        if not value.startswith(prefix):
            return _REFUSED[Reason.MALFORMED_CREDENTIAL]
        given, matched = value[len(prefix) :], None
        for key, secret in current:
            if hmac.compare_digest(given, secret):
                matched = key.id
        if matched is None:
            return _REFUSED[Reason.WRONG_CREDENTIAL]
        return Verdict(
            accepted=True, key_id=matched, delivery_id=_text(found[delivery]), event_type=_text(found[event])
        )

    return verify


def _signed(descriptor: Descriptor, keys: Sequence[Key]) -> Verifier:
    slots = Slots()
    credential = slots.of(descriptor.source)
    delivery, event = slots.of(descriptor.delivery_id), slots.of(descriptor.event_type)
    prefix = descriptor.prefix.encode()
    decode = DECODERS[descriptor.encoding]
    usable = _usable(descriptor, keys, lambda secret: hmac.new(secret, digestmod=descriptor.algorithm.value))

    def verify(request: Request, now: float) -> Verdict:
        current = [entry for entry in usable if entry[0].valid_at(now)]
        if not current:
            return _REFUSED[Reason.NO_USABLE_KEY]
        found = slots.find(request.headers)
        if found is None:
            return _REFUSED[Reason.DUPLICATE_CREDENTIAL]
        value = found[credential]
        if value is None:
            return _REFUSED[Reason.MISSING_CREDENTIAL]
        given = decode(value[len(prefix) :]) if value.startswith(prefix) else None
        if given is None:
            return _REFUSED[Reason.MALFORMED_CREDENTIAL]
        matched = None
        for key, keyed in current:
            mac = keyed.copy()
            mac.update(request.body)
            if hmac.compare_digest(given, mac.digest()):
                matched = key.id
        if matched is None:
            return _REFUSED[Reason.WRONG_CREDENTIAL]
        return Verdict(
            accepted=True, key_id=matched, delivery_id=_text(found[delivery]), event_type=_text(found[event])
        )

    return verify


def _usable(descriptor: Descriptor, keys: Sequence[Key], prepare: Callable[[bytes], _K]) -> tuple[tuple[Key, _K], ...]:
    """Prepare the keys that can be used and leave the others out: one bad key must not take the endpoint down."""
    prepared = []
    for key in keys:
        secret = secret_bytes(descriptor, key.value.reveal())
        if not isinstance(secret, Unusable):
            prepared.append((key, prepare(secret)))
    return tuple(prepared)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _check_supported(descriptor: Descriptor) -> None:
    """Refuse what this interpreter cannot read yet: skipping it would accept what the scheme does not."""
    plain_header = descriptor.source is None or descriptor.source.origin is Origin.HEADER
    plain = descriptor.format == Format() and descriptor.timestamp is None and descriptor.body_digest is None
    body_only = descriptor.message == (Part(kind=PartKind.BODY),)
    json_notes = any(
        p is not None and p.origin is not Origin.HEADER for p in (descriptor.delivery_id, descriptor.event_type)
    )
    known = descriptor.type in (SchemeType.HMAC, SchemeType.TOKEN, SchemeType.NONE)
    if json_notes or not (plain_header and plain and body_only and known):
        raise InvalidDescriptor("type", "this part of the grammar is not interpreted yet")

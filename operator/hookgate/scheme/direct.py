"""The commonest shape of scheme by itself: one header carries the HMAC of the whole body, and headers tell the rest.

A quarter of the presets have it, GitHub's among them. The interpreter's way asks for each of a scheme's parts in turn;
here they are known to be what they are. Both answer the same to every call, which a test holds.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from hookgate.scheme.descriptor import Descriptor, FormatKind, Origin, Part, PartKind, Place, SchemeType
from hookgate.scheme.encodings import DECODERS
from hookgate.scheme.handshake import signs_for_anybody
from hookgate.scheme.inputs import Declared, as_note
from hookgate.scheme.keyed import Mac
from hookgate.scheme.request import Reason, Request, Verdict
from hookgate.scheme.where import headers_text, place_text, refusals


class MacKey(NamedTuple):
    """A key that the scheme can use. ``expires`` in unix seconds."""

    id: str
    expires: int | None
    mac: Mac


_Judge = Callable[[Sequence[MacKey], Request], Verdict]


def is_direct(descriptor: Descriptor) -> bool:
    """Tell whether a scheme has this shape."""
    return (
        descriptor.type is SchemeType.HMAC
        and descriptor.source is not None
        and descriptor.source.origin is Origin.HEADER
        and descriptor.format.kind is FormatKind.PLAIN
        and descriptor.message == (Part(kind=PartKind.BODY),)
        and descriptor.timestamp is None
        and descriptor.body_digest is None
        and not signs_for_anybody(descriptor)
        and all(
            note is None or note.origin is Origin.HEADER for note in (descriptor.delivery_id, descriptor.event_type)
        )
    )


def _in_header_or_nowhere(place: Place | None) -> bool:
    return place is None or place.origin is Origin.HEADER


def direct_verifier(descriptor: Descriptor, keys: Sequence[MacKey]) -> Callable[[Request, float], Verdict]:
    """Return what judges calls by these keys, as `hookgate.scheme.verify.compile_verifier` does."""
    judge, lasting = _judge(descriptor), tuple(keys)
    unusable = refusals(None)[Reason.NO_USABLE_KEY]
    if lasting and all(key.expires is None for key in lasting):
        return lambda request, _now: judge(lasting, request)

    def verify(request: Request, now: float) -> Verdict:
        current = [key for key in lasting if key.expires is None or now < key.expires]
        return judge(current, request) if current else unusable

    return verify


@lru_cache(maxsize=256)  # most endpoints share their scheme with many others
def _judge(descriptor: Descriptor) -> _Judge:
    """Return what judges calls by keys of which there is at least one."""
    source, declared = descriptor.source, Declared()
    assert source is not None, "the shape has one"
    header, prefix, decode = declared.of(source.name), descriptor.prefix.encode(), DECODERS[descriptor.encoding]
    skip, find, compare = len(prefix), declared.find, hmac.compare_digest
    delivery, event = (_name(place, declared) for place in (descriptor.delivery_id, descriptor.event_type))
    repeated = refusals(headers_text(declared.names))[Reason.DUPLICATE_CREDENTIAL]
    refused = refusals(place_text(source, None))
    missing, malformed = refused[Reason.MISSING_CREDENTIAL], refused[Reason.MALFORMED_CREDENTIAL]
    wrong, wrong_prefix = refused[Reason.WRONG_CREDENTIAL], refused[Reason.WRONG_PREFIX]

    def judge(keys: Sequence[MacKey], request: Request) -> Verdict:
        found = find(request.headers)
        if found is None:
            return repeated
        value = found.get(header)
        if value is None:
            return missing
        if not value.startswith(prefix):
            return wrong_prefix
        given = decode(value[skip:])
        if given is None:
            return malformed
        body, matched = request.body, None
        for key in keys:  # every one of them, whichever matches
            if compare(key.mac(body), given) and matched is None:
                matched = key.id
        if matched is None:
            return wrong
        told, kind = found.get(delivery), found.get(event)
        return Verdict(
            accepted=True,
            key_id=matched,
            delivery_id=None if told is None else as_note(told),
            event_type=None if kind is None else as_note(kind),
            signed=body,
        )

    return judge


def _name(place: Place | None, declared: Declared) -> bytes:
    """Return a header's name, and for no place one that no header can have."""
    return b"" if place is None else declared.of(place.name)

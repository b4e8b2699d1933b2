"""What an authentic call is recognised by when it comes again, and how much that proves.

A call has marks: short keyed hashes of its delivery id, or of what its signature covers. They are made of verified
bytes only, never of how a credential is written in a header: another case of hexadecimal digits, another padding, a
second signature left out or, with ECDSA, the other of two valid signatures over one message makes no other call. An id
that the signature does not cover counts together with the body, so that nobody can use up the id of another delivery
by repeating an older call under it. This module may not know where marks are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hookgate.model.binding import Key
from hookgate.model.replay import Protection, ReplayMode, ReplayPolicy
from hookgate.scheme.descriptor import Descriptor, SchemeType
from hookgate.scheme.grammar import parse
from hookgate.scheme.jwt import parse_token_rules
from hookgate.scheme.request import Request, Verdict
from hookgate.scheme.ways import is_jwt, ways

#: Long enough that nobody finds two calls with one mark: the hash is keyed by the binding's secret nonce. With one byte
#: more, Python would take 16 more for each.
MARK_BYTES: Final = 15
_LONGEST_KEY: Final = 64
_ID: Final = b"id"
_CONTENT: Final = b"content"
_UNSIGNED: Final = b"unsigned id"
#: The kinds of marks.
SIGNED_ID, DATED_CONTENT, CONTENT, UNSIGNED_ID = range(4)


class Mark:
    """One thing that a call is recognised by. Times are unix seconds.

    ``kind`` tells marks apart that are kept for different times. Until ``needed`` a repetition would be accepted that
    must not be, if the mark were forgotten (0: it might be, at any time); until ``expires`` it is worth remembering.
    """

    __slots__ = ("expires", "key", "kind", "needed")

    def __init__(self, kind: int, key: bytes, needed: float, expires: float) -> None:
        self.kind, self.key, self.needed, self.expires = kind, key, needed, expires


#: Takes an accepted call, its verdict and now (unix seconds).
Marker = Callable[[Request, Verdict, float], tuple[Mark, ...]]


def protection(document: Mapping[str, Any], mode: ReplayMode) -> Protection:
    """Return what a scheme's calls are protected by: of several ways the weakest, since each of them lets calls in.

    Raises `InvalidDescriptor`.
    """
    if mode is ReplayMode.OFF:
        return Protection.NONE
    strongest_first = list(Protection)
    return max((_protection(way, mode) for way in ways(document)), key=strongest_first.index)


def _protection(way: Mapping[str, Any], mode: ReplayMode) -> Protection:
    descriptor = _descriptor(way)
    if descriptor is not None and dated(descriptor):
        return Protection.SIGNED_TIMESTAMP
    if descriptor is not None and descriptor.covers(descriptor.delivery_id):
        return Protection.SIGNED_ID
    if mode is ReplayMode.SIGNATURE and descriptor is not None and descriptor.signs:
        return Protection.SIGNED_CONTENT
    if mode is ReplayMode.DELIVERY_ID and _has_id(way, descriptor):
        return Protection.DELIVERY_ID
    return Protection.NONE


def recognised_for(document: Mapping[str, Any], policy: ReplayPolicy) -> int:
    """Return for how many seconds a repeated call is told; 0 where it is not. Raises `InvalidDescriptor`."""
    found = protection(document, policy.mode)
    if found is Protection.NONE:
        return 0
    if found is not Protection.SIGNED_TIMESTAMP:
        return policy.window
    descriptors = [d for way in ways(document) if (d := _descriptor(way)) is not None]
    return min(max(policy.window, _tolerance(d)) if d.delivery_id is not None else _tolerance(d) for d in descriptors)


def dated(descriptor: Descriptor) -> bool:
    """Tell whether the signature covers a timestamp that has to be recent."""
    time = descriptor.timestamp
    return time is not None and time.enforce and descriptor.covers(time.place)


def compile_marker(
    document: Mapping[str, Any], keys: Sequence[Key], policy: ReplayPolicy, *, nonce: str
) -> Marker | None:
    """Return the function that tells the marks of accepted calls; None where no call has any.

    ``nonce`` is the binding's. Raises `InvalidDescriptor`.
    """
    if policy.mode is ReplayMode.OFF:
        return None
    hash_key = nonce.encode()[:_LONGEST_KEY]
    each = [_compile_way(way, policy, hash_key) for way in ways(document)]
    if all(marker is None for marker in each):
        return None
    if len(each) == 1:
        return each[0]
    option = {key.id: key.option for key in keys}

    def marks(request: Request, verdict: Verdict, now: float) -> tuple[Mark, ...]:
        marker = each[option[verdict.key_id or ""]]
        return () if marker is None else marker(request, verdict, now)

    return marks


def _compile_way(way: Mapping[str, Any], policy: ReplayPolicy, hash_key: bytes) -> Marker | None:
    descriptor = _descriptor(way)
    found = _protection(way, policy.mode)
    if found is Protection.NONE:
        return None
    if descriptor is None or found is Protection.DELIVERY_ID:
        return _by_unsigned_id(policy, hash_key)
    tolerance = _tolerance(descriptor) if dated(descriptor) else None
    by_content = _by_content(policy, hash_key, tolerance)
    if descriptor.covers(descriptor.delivery_id):
        return _by_signed_id(policy, hash_key, tolerance, by_content)
    if descriptor.delivery_id is None or tolerance is None:
        return by_content
    by_id = _by_unsigned_id(policy, hash_key)
    return lambda request, verdict, now: by_content(request, verdict, now) + by_id(request, verdict, now)


def _by_signed_id(policy: ReplayPolicy, hash_key: bytes, tolerance: int | None, otherwise: Marker) -> Marker:
    """By the id that the signature covers; a call without one, as it was signed, by everything that is signed."""
    window, required, start = policy.window, policy.required, _start(hash_key, _ID)

    def marks(request: Request, verdict: Verdict, now: float) -> tuple[Mark, ...]:
        delivery = verdict.delivery_id
        if delivery is None:
            return otherwise(request, verdict, now)
        end = now + window
        needed = _valid_until(verdict, now, tolerance, end if required else 0.0)
        return (Mark(SIGNED_ID, _mark(start, delivery.encode()), needed, max(end, needed)),)

    return marks


def _by_content(policy: ReplayPolicy, hash_key: bytes, tolerance: int | None) -> Marker:
    """By the signed message, which with a timestamp has to be remembered for as long as that is recent, no longer."""
    window, required, start = policy.window, policy.required, _start(hash_key, _CONTENT)

    def marks(_request: Request, verdict: Verdict, now: float) -> tuple[Mark, ...]:
        assert verdict.signed is not None, "an accepted signature covers something"
        key = _mark(start, verdict.signed)
        if tolerance is not None:
            end = _valid_until(verdict, now, tolerance, now)
            return (Mark(DATED_CONTENT, key, end, end),)
        end = now + window
        return (Mark(CONTENT, key, end if required else 0.0, end),)

    return marks


def _by_unsigned_id(policy: ReplayPolicy, hash_key: bytes) -> Marker:
    window, start = policy.window, _start(hash_key, _UNSIGNED)

    def marks(request: Request, verdict: Verdict, now: float) -> tuple[Mark, ...]:
        delivery = verdict.delivery_id
        if delivery is None:
            return ()
        key = _mark(start, delivery.encode(), request.body)
        return (Mark(UNSIGNED_ID, key, 0.0, now + window),)

    return marks


def _valid_until(verdict: Verdict, now: float, tolerance: int | None, otherwise: float) -> float:
    """Return until when the call would be taken for a recent one; a second more, as clocks are read twice."""
    if tolerance is None:
        return otherwise
    return max(otherwise, now + (verdict.skew or 0.0) + tolerance + 1)


def _start(hash_key: bytes, kind: bytes) -> hashlib.blake2b:
    """Work the key in, once; what each mark is made of is hashed by a copy."""
    return hashlib.blake2b(digest_size=MARK_BYTES, key=hash_key, person=kind)


def _mark(start: hashlib.blake2b, first: bytes, second: bytes = b"") -> bytes:
    made = start.copy()
    made.update(b"%d:%b" % (len(first), first))
    if second:
        made.update(second)
    return made.digest()


def _tolerance(descriptor: Descriptor) -> int:
    return descriptor.timestamp.tolerance if descriptor.timestamp is not None else 0


def _descriptor(way: Mapping[str, Any]) -> Descriptor | None:
    return None if is_jwt(way) else parse(way)


def _has_id(way: Mapping[str, Any], descriptor: Descriptor | None) -> bool:
    place = parse_token_rules(way).delivery_id if descriptor is None else descriptor.delivery_id
    return place is not None and (descriptor is None or descriptor.type is not SchemeType.NONE)

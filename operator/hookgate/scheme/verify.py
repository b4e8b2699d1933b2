"""The interpreter: a descriptor and keys, compiled once into a function from a request and the time to a verdict.

The compiled function never raises and never stops early at a key: every key that is valid at that moment is tried,
and bytes that depend on a key meet the sender's only in `hmac.compare_digest`. One key that cannot be used never
disables the others; no usable key at all refuses every call. The order of the checks is fixed: first the credential,
then what it covers (body digest, timestamp), last what is merely read (delivery id, event type).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from hookgate.model.binding import Key
from hookgate.scheme.credentials import compile_credentials
from hookgate.scheme.descriptor import (
    BodyDigest,
    Descriptor,
    InvalidDescriptor,
    Origin,
    PartKind,
    Place,
    SchemeType,
    TimestampRule,
)
from hookgate.scheme.direct import MacKey, direct_verifier, is_direct
from hookgate.scheme.encodings import DECODERS, from_base64
from hookgate.scheme.grammar import parse
from hookgate.scheme.handshake import signed_for, signs_for_anybody
from hookgate.scheme.inputs import Declared, Inputs, compile_note, compile_reader
from hookgate.scheme.jwt import compile_token_verifier, parse_token_rules
from hookgate.scheme.keyed import Mac, compile_mac
from hookgate.scheme.keys import Unusable, secret_bytes
from hookgate.scheme.message import compile_message
from hookgate.scheme.request import CONFIGURATION_REASONS, Reason, Request, Verdict
from hookgate.scheme.times import READERS
from hookgate.scheme.ways import is_jwt, ways
from hookgate.scheme.where import headers_text, message_text, place_text, refusals

__all__ = ["Coverage", "InvalidDescriptor", "Verifier", "compile_verifier", "coverage", "credential_headers"]

Verifier = Callable[[Request, float], Verdict]

#: Tells whether one key proves any of the decoded credentials over the message.
_Match = Callable[[bytes, Sequence[bytes]], bool]
#: None: nothing to object; a number: the skew in seconds; a verdict: that of the refusal.
_Window = Callable[[bytes | None, float], float | Verdict | None]

_REFUSED: Final[Mapping[Reason, Verdict]] = {reason: Verdict(accepted=False, reason=reason) for reason in Reason}
_FOREIGN_TOPIC: Final = Verdict(accepted=False, reason=Reason.FOREIGN_TOKEN, where="JSON member TopicArn")
#: How near a refused call came to being accepted, the nearest first.
_CLOSEST: Final = (
    Reason.STALE,
    Reason.FOREIGN_TOKEN,
    Reason.WRONG_CREDENTIAL,
    Reason.DUPLICATE_CREDENTIAL,
    Reason.UNREADABLE_BODY,
    Reason.MALFORMED_CREDENTIAL,
    Reason.WRONG_PREFIX,
    Reason.MISSING_CREDENTIAL,
)
#: Asymmetric checks are costly, so fewer candidates are tried.
_MAX_ASYMMETRIC: Final = 4


class _Usable(NamedTuple):
    """A key that the scheme can use. ``expires`` in unix seconds; ``mac`` is that of a shared secret."""

    id: str
    expires: int | None
    match: _Match
    mac: Mac


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What breaks the credential when somebody changes it: what a target may trust. A token covers nothing."""

    body: bool
    delivery_id: bool
    event_type: bool


def coverage(document: Mapping[str, Any]) -> Coverage:
    """Return what the scheme's signature covers; of several schemes, what all of them do.

    Raises `InvalidDescriptor`.
    """
    if any(is_jwt(way) for way in ways(document)):
        return Coverage(body=False, delivery_id=False, event_type=False)
    found = [parse(way) for way in ways(document)]
    return Coverage(
        body=all(d.covers_body for d in found),
        delivery_id=all(d.covers(d.delivery_id) for d in found),
        event_type=all(d.covers(d.event_type) for d in found),
    )


def credential_headers(document: Mapping[str, Any]) -> frozenset[bytes]:
    """Return the lower-case names of headers that must not reach the target: tokens, and Authorization always.

    Signatures may pass. Type none declares no credential, so nothing is taken away. Raises `InvalidDescriptor`.
    """
    found = [_credential_headers(way) for way in ways(document)]
    return found[0] if len(found) == 1 else frozenset().union(*found)


def _credential_headers(document: Mapping[str, Any]) -> frozenset[bytes]:
    if is_jwt(document):
        return frozenset({b"authorization", parse_token_rules(document).header.lower().encode()})
    return _headers_of(parse(document))


@lru_cache(maxsize=256)
def _headers_of(descriptor: Descriptor) -> frozenset[bytes]:
    if descriptor.type is SchemeType.NONE:
        return frozenset()
    carried = descriptor.source.headers if descriptor.source is not None and not descriptor.signs else ()
    return frozenset({b"authorization", *(name.lower().encode() for name in carried)})


def compile_verifier(document: Mapping[str, Any], keys: Sequence[Key], *, url: str | None = None) -> Verifier:
    """Return the function that judges calls by ``document`` and ``keys``. ``url`` is the endpoint's declared URL.

    Raises `InvalidDescriptor` for a document that is no descriptor. Keys that the scheme cannot use are left out. The
    returned function takes the request and now (unix seconds). Of several schemes each has its own keys, and the first
    that verifies counts.
    """
    found = ways(document)
    if len(found) == 1:
        return _compile_way(found[0], keys, url)
    own = [tuple(key for key in keys if key.option == option) for option in range(len(found))]
    return _first_of([_compile_way(way, held, url) for way, held in zip(found, own, strict=True)])


def _compile_way(document: Mapping[str, Any], keys: Sequence[Key], url: str | None) -> Verifier:
    if is_jwt(document):
        return compile_token_verifier(document, keys)
    descriptor = parse(document)
    if descriptor.needs_url and url is None:
        return lambda _request, _now: _REFUSED[Reason.MISSING_CONTEXT]
    if descriptor.type is SchemeType.NONE:
        return _compile_open(descriptor)
    return _compile(descriptor, _usable(descriptor, keys), url)


def _first_of(verifiers: Sequence[Verifier]) -> Verifier:
    def verify(request: Request, now: float) -> Verdict:
        refused = []
        for each in verifiers:
            verdict = each(request, now)
            if verdict.accepted:
                return verdict
            refused.append(verdict)
        return min(refused, key=_told_first)

    return verify


def _told_first(verdict: Verdict) -> int:
    """Order refusals: a fault of the configuration may have refused an authentic call; else, who came closest."""
    reason = verdict.reason
    return -1 if reason is None or reason in CONFIGURATION_REASONS else _CLOSEST.index(reason)


def _compile_open(descriptor: Descriptor) -> Verifier:
    declared = Declared()
    delivery, event = compile_note(descriptor.delivery_id, declared), compile_note(descriptor.event_type, declared)

    def verify(request: Request, _now: float) -> Verdict:
        found = declared.find(request.headers)
        if found is None:
            return _REFUSED[Reason.DUPLICATE_CREDENTIAL]
        inputs = Inputs(request, found)
        return Verdict(accepted=True, delivery_id=delivery(inputs), event_type=event(inputs))

    return verify


def _compile(descriptor: Descriptor, usable: Sequence[_Usable], url: str | None) -> Verifier:
    if is_direct(descriptor):
        return direct_verifier(descriptor, [MacKey(key.id, key.expires, key.mac) for key in usable])
    judge = _judge(descriptor, url if descriptor.needs_url else None)
    if all(key.expires is None for key in usable):
        return partial(judge, usable)
    return lambda request, now: judge([key for key in usable if key.expires is None or now < key.expires], request, now)


@lru_cache(maxsize=256)  # most endpoints share their scheme with many others, and all that is not their keys
def _judge(descriptor: Descriptor, url: str | None) -> Callable[[Sequence[_Usable], Request, float], Verdict]:
    declared = Declared()
    credentials, decode = compile_credentials(descriptor, declared), _decoder(descriptor)
    message = compile_message(descriptor, declared, url) if descriptor.signs else _no_message
    timestamp, window = _compile_timestamp(descriptor, declared)
    digest_differs = _compile_digest(descriptor.body_digest, declared)
    foreign = _compile_topics(descriptor)
    gives_away = signs_for_anybody(descriptor)
    delivery, event = compile_note(descriptor.delivery_id, declared), compile_note(descriptor.event_type, declared)
    at_headers, at_credential, at_time, at_message, at_digest = _refusals_by_stage(descriptor, declared)

    def judge(current: Sequence[_Usable], request: Request, now: float) -> Verdict:
        if not current:
            return _REFUSED[Reason.NO_USABLE_KEY]
        found = declared.find(request.headers)
        if found is None:
            return at_headers[Reason.DUPLICATE_CREDENTIAL]
        inputs = Inputs(request, found)
        carried = credentials(inputs)
        if isinstance(carried, Reason):
            return at_credential[carried]
        written, carried_time = carried
        given = [raw for raw in map(decode, written) if raw is not None]
        if not given:
            return at_credential[Reason.MALFORMED_CREDENTIAL]
        time = timestamp(inputs, carried_time)
        if isinstance(time, Reason):
            return at_time[time]
        signed = message(inputs, time or b"")
        if isinstance(signed, Reason):
            return at_message[signed]
        if gives_away and signed_for(signed):
            return at_credential[Reason.WRONG_CREDENTIAL]
        matched = [key.id for key in current if key.match(signed, given)]
        if not matched:
            return at_credential[Reason.WRONG_CREDENTIAL]
        objection = digest_differs(inputs)
        if objection is not None:
            return at_digest[objection]
        if foreign is not None and foreign(inputs):
            return _FOREIGN_TOPIC
        skew = window(time, now)
        if isinstance(skew, Verdict):
            return skew
        return Verdict(
            accepted=True,
            key_id=matched[0],
            delivery_id=delivery(inputs),
            event_type=event(inputs),
            skew=skew,
            signed=signed,
        )

    return judge


def _refusals_by_stage(descriptor: Descriptor, declared: Declared) -> tuple[Mapping[Reason, Verdict], ...]:
    """Return the refusals of repeated headers, the credential, the timestamp, the message and the body's digest."""
    time, digest = descriptor.timestamp, descriptor.body_digest
    return tuple(
        map(
            refusals,
            (
                headers_text(declared.names),
                place_text(descriptor.source, None),
                place_text(time.place if time else None, descriptor.source),
                message_text(descriptor),
                place_text(digest.place if digest else None, None),
            ),
        )
    )


def _usable(descriptor: Descriptor, keys: Sequence[Key]) -> tuple[_Usable, ...]:
    """Prepare the keys that can be used and leave the others out: one bad key must not take the endpoint down."""
    prepared = ((key, _compile_match(descriptor, key.value.reveal())) for key in keys)
    return tuple(_Usable(key.id, key.expires, *found) for key, found in prepared if found is not None)


def _compile_match(descriptor: Descriptor, value: bytes) -> tuple[_Match, Mac] | None:
    """Return the match of one key, None if the scheme cannot use it. Lists, not `any`: every candidate is compared."""
    if descriptor.type is SchemeType.SIGNATURE:
        from hookgate.scheme.asymmetric import compile_check  # noqa: PLC0415 -- many MiB that few schemes need

        check = compile_check(descriptor, value)
        if isinstance(check, Unusable):
            return None
        return lambda message, given: True in [check(message, one) for one in given[:_MAX_ASYMMETRIC]], _no_mac
    secret = secret_bytes(descriptor, value)
    if isinstance(secret, Unusable):
        return None
    if descriptor.type is SchemeType.HMAC:
        mac = compile_mac(secret, descriptor.algorithm.value)
        return _match_mac(mac), mac
    return lambda _message, given: True in [hmac.compare_digest(secret, one) for one in given], _no_mac


def _match_mac(mac: Mac) -> _Match:
    def match(message: bytes, given: Sequence[bytes]) -> bool:
        expected = mac(message)
        return True in [hmac.compare_digest(expected, one) for one in given]

    return match


def _no_mac(_message: bytes) -> bytes:
    raise AssertionError("only shared secrets have one")


def _decoder(descriptor: Descriptor) -> Callable[[bytes], bytes | None]:
    match descriptor.type:
        case SchemeType.HMAC | SchemeType.SIGNATURE:
            return DECODERS[descriptor.encoding]
        case SchemeType.BASIC:
            return from_base64
        case _:
            return _as_it_is


def _as_it_is(text: bytes) -> bytes | None:
    return text or None


def _no_message(_inputs: Inputs, _time: bytes) -> bytes | Reason:
    return b""


def _compile_timestamp(
    descriptor: Descriptor, declared: Declared
) -> tuple[Callable[[Inputs, bytes | None], bytes | Reason | None], _Window]:
    """Return the reader of the raw timestamp and the judge of its window, which runs only after a match."""
    rule = descriptor.timestamp
    if rule is None:
        return lambda _inputs, _carried: None, lambda _time, _now: None
    needed = rule.enforce or descriptor.has(PartKind.TIMESTAMP)
    if rule.place.origin in (Origin.KV, Origin.INDEX):
        return lambda _inputs, carried: _required(carried, needed), _compile_window(rule, descriptor.source)
    read = compile_reader(rule.place, declared)
    return lambda inputs, _carried: _required(read(inputs), needed), _compile_window(rule, descriptor.source)


def _required(value: bytes | Reason | None, needed: bool) -> bytes | Reason | None:
    return Reason.MISSING_CREDENTIAL if value is None and needed else value


def _compile_window(rule: TimestampRule, source: Place | None) -> _Window:
    read = READERS[rule.notation]
    unreadable = refusals(place_text(rule.place, source))[Reason.MALFORMED_CREDENTIAL]

    def window(time: bytes | None, now: float) -> float | Verdict | None:
        moment = read(time) if time is not None else None
        if moment is None:
            return unreadable if rule.enforce else None
        skew = moment - now
        if rule.enforce and abs(skew) > rule.tolerance:
            return Verdict(accepted=False, reason=Reason.STALE, skew=skew, where=unreadable.where)
        return skew

    return window


def _compile_topics(descriptor: Descriptor) -> Callable[[Inputs], bool] | None:
    """Return what tells a message about somebody else's topic: a key of SNS signs for all of them."""
    if not descriptor.has(PartKind.SNS_LINES):
        return None
    topics = descriptor.sns.topics if descriptor.sns is not None else frozenset()

    def foreign(inputs: Inputs) -> bool:
        document = inputs.json()
        return not isinstance(document, Mapping) or document.get("TopicArn") not in topics

    return foreign


def _compile_digest(rule: BodyDigest | None, declared: Declared) -> Callable[[Inputs], Reason | None]:
    if rule is None:
        return lambda _inputs: None
    read, decode = compile_reader(rule.place, declared), DECODERS[rule.encoding]

    def differs(inputs: Inputs) -> Reason | None:
        written = read(inputs)
        if not isinstance(written, bytes):
            return written or Reason.MISSING_CREDENTIAL
        expected = hashlib.new(rule.algorithm.value, inputs.request.body, usedforsecurity=False).digest()
        same = hmac.compare_digest(expected, decode(written) or b"")
        return None if same else Reason.WRONG_CREDENTIAL

    return differs

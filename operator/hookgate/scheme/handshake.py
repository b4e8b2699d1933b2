"""Answers to what senders ask before they deliver: a descriptor's rules, compiled once into a function.

Pure: it answers or it does not, and nothing else happens. No request is made, no key is taken over, nothing is kept.
What an answer repeats is held to a short allow-list of characters and marked so that no browser runs it; what it
computes is no signature of anything that a target would take for an event.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from hookgate.model.binding import Key
from hookgate.scheme.descriptor import (
    Answer,
    AnswerKind,
    Condition,
    Descriptor,
    Fill,
    HandshakeRule,
    HmacRule,
    Origin,
    Place,
)
from hookgate.scheme.encodings import ENCODERS
from hookgate.scheme.grammar import parse
from hookgate.scheme.inputs import Declared, Inputs, Reader, compile_reader
from hookgate.scheme.jwt import parse_token_rules
from hookgate.scheme.keys import Unusable, secret_bytes
from hookgate.scheme.request import Reason, Request, Verdict
from hookgate.scheme.ways import is_jwt, ways

#: A handshake is a small call: in a longer body none is looked for.
MAX_BODY: Final = 16_384

#: At most 1 KiB of printable ASCII without what HTML, scripts and JSON strings are made of.
_REPEATABLE: Final = re.compile(rb"[A-Za-z0-9 !#$%()*+,./:;=?@\[\]^_{|}~-]{1,1024}")
#: Narrower where a MAC is computed: whoever is answered has a signature of these bytes. They make no JSON object or
#: list and no message with a ":" in it; where anybody is answered, the verifier takes none of them (`signed_for`).
_SIGNABLE: Final = re.compile(rb"[A-Za-z0-9_.~+/-]{1,256}={0,2}")
#: A browser that is led here must not run anything on the hooks' origin, nor keep it.
_CONTAINMENT: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox"),
    (b"cache-control", b"no-store"),
)
_TEXT_TYPE: Final = (b"content-type", b"text/plain; charset=utf-8")
_JSON_TYPE: Final = (b"content-type", b"application/json")
_REQUEST_ORIGIN: Final = Place(origin=Origin.HEADER, name="WebHook-Request-Origin")
_TOKEN_PURPOSE: Final = b"hookgate verify token"
_TOKEN_LENGTH: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeReply:
    """One complete answer. ``headers`` have lower-case names and no content length."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


class Objection(StrEnum):
    """Why a handshake that was recognised is not answered."""

    #: What should be repeated occurs twice, is too long, or has characters that are not repeated.
    MALFORMED = "malformed"
    #: The verify token is missing or wrong, or the sender's origin is not listed.
    FORBIDDEN = "forbidden"
    #: There is no key to answer with.
    UNUSABLE = "unusable"


Outcome = HandshakeReply | Objection | None
_Rule = Callable[[Inputs, float, str | None], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    """``key_ids`` are those of the only keys that can have verified a call for this rule; None: whichever."""

    rule: HandshakeRule
    key_ids: frozenset[str] | None
    declared: Declared
    answer: _Rule

    def open_to(self, verdict: Verdict | None) -> bool:
        if not self.rule.authenticated:
            return True
        if verdict is None or not verdict.accepted:
            return False
        return self.key_ids is None or verdict.key_id in self.key_ids


class Handshake:
    """The compiled rules of one endpoint.

    ``methods`` are those for which there is a rule, ``vouched`` those for which there is one that needs a verdict.
    """

    __slots__ = ("_rules", "methods", "vouched")

    def __init__(self, rules: Sequence[_Compiled]) -> None:
        """Use `compile_handshake`."""
        self.methods = frozenset(each.rule.method.value for each in rules)
        self.vouched = frozenset(each.rule.method.value for each in rules if each.rule.authenticated)
        self._rules = {method: [each for each in rules if each.rule.method == method] for method in self.methods}

    def __call__(self, request: Request, now: float, verdict: Verdict | None = None) -> Outcome:
        """Answer ``request``, object to it, or return None: it is no handshake.

        ``now`` is in unix seconds. ``verdict`` is what the verifier said, None before it was asked: rules that need an
        authentic call are left out unless it accepted.
        """
        for each in self._rules.get(request.method, ()):
            if not each.open_to(verdict):
                continue
            found = each.declared.find(request.headers)
            if found is None:
                continue  # a header that stands twice is no question that could be answered
            key_id = verdict.key_id if verdict is not None and verdict.accepted else None
            outcome = each.answer(Inputs(request, found), now, key_id)
            if outcome is not None:
                return outcome
        return None


def compile_handshake(document: Mapping[str, Any], keys: Sequence[Key]) -> Handshake | None:
    """Return what answers the handshakes that ``document`` declares, None where it declares none.

    Of several schemes each has its own keys and answers for itself. Raises `InvalidDescriptor` for a document that is
    no descriptor. Keys that the scheme cannot use are left out.
    """
    found = ways(document)
    rules = list[_Compiled]()
    for option, way in enumerate(found):
        # A token's keys are the issuer's: they sign nothing here, and the grammar has no rule that would need one.
        descriptor = None if is_jwt(way) else parse(way)
        told = parse_token_rules(way) if descriptor is None else descriptor
        own = keys if len(found) == 1 else [key for key in keys if key.option == option]
        ids = None if len(found) == 1 else frozenset(key.id for key in own)
        for rule in told.handshake:
            declared, answer = _compile(rule, descriptor, own)
            rules.append(_Compiled(rule=rule, key_ids=ids, declared=declared, answer=answer))
    return Handshake(rules) if rules else None


def told_token(document: Mapping[str, Any], keys: Sequence[Key]) -> str | None:
    """Return the verify token to give to the sender: that of the newest key of the scheme that asks for one.

    None where no scheme does, or no key is there. Raises `InvalidDescriptor` for a document that is no descriptor.
    """
    found = ways(document)
    for option, way in enumerate(found):
        if not is_jwt(way) and any(rule.verify_token is not None for rule in parse(way).handshake):
            own = (key.value.reveal() for key in keys if len(found) == 1 or key.option == option)
            return next((verify_token(secret) for secret in own if secret.strip()), None)
    return None


def signs_for_anybody(descriptor: Descriptor) -> bool:
    """Tell whether somebody whom nobody vouches for is answered with a MAC by the scheme's own key."""
    return any(rule.hmac is not None and not rule.authenticated for rule in descriptor.handshake)


def signed_for(message: bytes) -> bool:
    """Tell whether a message could be one that such an answer has signed: then its signature proves nothing."""
    return _SIGNABLE.fullmatch(message) is not None


def verify_token(secret: bytes) -> str:
    """Return the verify token that belongs to a secret's text: 128 bits in hex, the same whenever it is asked for.

    Derived, so that there is one secret to keep, and one-way, since senders show and send it in the clear. The MAC is
    one that no scheme signs with, so a token is never part of a signature.
    """
    return hmac.new(secret, _TOKEN_PURPOSE, "sha3_256").hexdigest()[:_TOKEN_LENGTH]


def _compile(rule: HandshakeRule, descriptor: Descriptor | None, keys: Sequence[Key]) -> tuple[Declared, _Rule]:
    declared = Declared()
    holds = [_condition(each, declared) for each in rule.when]
    read = None if rule.value is None else compile_reader(rule.value, declared)
    trusted = _token(rule.verify_token, keys, declared)
    reply = _reply(rule, descriptor, keys, declared)

    def answer(inputs: Inputs, now: float, key_id: str | None) -> Outcome:
        if len(inputs.body) > MAX_BODY or not all(hold(inputs) for hold in holds):
            return None
        value = read(inputs) if read is not None else b""
        if value is None or value is Reason.UNREADABLE_BODY:
            return None
        objection = trusted(inputs, now)
        if objection is not None:
            return objection
        return reply(inputs, value, now, key_id) if isinstance(value, bytes) else Objection.MALFORMED

    return declared, answer


def _condition(condition: Condition, declared: Declared) -> Callable[[Inputs], bool]:
    read = compile_reader(condition.place, declared)
    if condition.equals is None:
        return lambda inputs: isinstance(read(inputs), bytes)
    word = condition.equals.encode()
    return lambda inputs: read(inputs) == word


def _token(place: Place | None, keys: Sequence[Key], declared: Declared) -> Callable[[Inputs, float], Objection | None]:
    if place is None:
        return lambda _inputs, _now: None
    read: Reader = compile_reader(place, declared)
    tokens = [(key, verify_token(key.value.reveal()).encode()) for key in keys if key.value.reveal().strip()]

    def trusted(inputs: Inputs, now: float) -> Objection | None:
        given = read(inputs)
        current = [token for key, token in tokens if key.valid_at(now)]
        if not current:
            return Objection.UNUSABLE
        written = given if isinstance(given, bytes) else b""
        return None if True in [hmac.compare_digest(token, written) for token in current] else Objection.FORBIDDEN

    return trusted


_Reply = Callable[[Inputs, bytes, float, str | None], Outcome]


def _reply(rule: HandshakeRule, descriptor: Descriptor | None, keys: Sequence[Key], declared: Declared) -> _Reply:
    answer = rule.answer
    match answer.kind:
        case AnswerKind.EMPTY:
            nothing = HandshakeReply(status=200, headers=_CONTAINMENT)
            return lambda _inputs, _value, _now, _key_id: nothing
        case AnswerKind.TEXT:
            return lambda _inputs, value, _now, _key_id: _text(value)
        case AnswerKind.HEADER:
            name = answer.header.encode()
            return lambda _inputs, value, _now, _key_id: _header(name, value)
        case AnswerKind.WEBHOOK_ORIGIN:
            return _webhook_origin(rule, declared)
        case AnswerKind.JSON:
            sign = None if rule.hmac is None or descriptor is None else _signer(rule.hmac, descriptor, keys)
            return lambda _inputs, value, now, key_id: _json(answer, value, sign, now, key_id)


def _text(value: bytes) -> Outcome:
    if not _REPEATABLE.fullmatch(value):
        return Objection.MALFORMED
    return HandshakeReply(status=200, headers=(_TEXT_TYPE, *_CONTAINMENT), body=value)


def _header(name: bytes, value: bytes) -> Outcome:
    if not _REPEATABLE.fullmatch(value):
        return Objection.MALFORMED
    return HandshakeReply(status=200, headers=((name, value), *_CONTAINMENT))


_Sign = Callable[[bytes, float, str | None], str | None]


def _json(answer: Answer, value: bytes, sign: _Sign | None, now: float, key_id: str | None) -> Outcome:
    fills: dict[Fill, str] = {}
    if answer.members and any(isinstance(fill, Fill) for _, fill in answer.members):
        if not (_REPEATABLE if sign is None else _SIGNABLE).fullmatch(value):
            return Objection.MALFORMED
        fills[Fill.VALUE] = value.decode("ascii")
    if sign is not None:
        made = sign(value, now, key_id)
        if made is None:
            return Objection.UNUSABLE
        fills[Fill.HMAC] = made
    document = {name: fills[fill] if isinstance(fill, Fill) else fill for name, fill in answer.members}
    body = json.dumps(document, separators=(",", ":")).encode()
    return HandshakeReply(status=200, headers=(_JSON_TYPE, *_CONTAINMENT), body=body)


def _signer(rule: HmacRule, descriptor: Descriptor, keys: Sequence[Key]) -> _Sign:
    """Return what computes the MAC, with the key that verified the call, else with the newest one."""
    decoded = [(key, secret_bytes(descriptor, key.value.reveal())) for key in keys]
    usable = [(key, secret) for key, secret in decoded if not isinstance(secret, Unusable)]

    def sign(value: bytes, now: float, key_id: str | None) -> str | None:
        chosen = [s for key, s in usable if key.valid_at(now) and (key_id is None or key.id == key_id)]
        if not chosen:
            return None
        mac = hmac.digest(chosen[0], value, descriptor.algorithm.value)
        return rule.prefix + ENCODERS[rule.encoding](mac).decode()

    return sign


def _webhook_origin(rule: HandshakeRule, declared: Declared) -> _Reply:
    """CloudEvents' abuse protection (HTTP 1.1 Web Hooks, 4). A callback that the sender offers is never called."""
    read = compile_reader(_REQUEST_ORIGIN, declared)
    listed = {origin.encode() for origin in rule.answer.origins}
    rate = (b"webhook-allowed-rate", rule.answer.rate.encode())

    def reply(inputs: Inputs, _value: bytes, _now: float, _key_id: str | None) -> Outcome:
        origin = read(inputs)
        if not isinstance(origin, bytes) or not origin:
            return None
        allowed = b"*" if b"*" in listed else origin.lower()
        if allowed not in listed:
            return Objection.FORBIDDEN
        headers = ((b"allow", b"POST"), (b"webhook-allowed-origin", allowed), rate, *_CONTAINMENT)
        return HandshakeReply(status=200, headers=headers)

    return reply


__all__ = [
    "MAX_BODY",
    "Handshake",
    "HandshakeReply",
    "Objection",
    "compile_handshake",
    "signed_for",
    "signs_for_anybody",
    "told_token",
    "verify_token",
]

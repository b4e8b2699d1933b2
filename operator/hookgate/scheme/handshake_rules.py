"""The grammar of a descriptor's ``handshake``, and its strict reader: senders' questions as data.

    handshake:                        1 to 4 rules, tried in order
      - method: GET | HEAD | OPTIONS | POST
        when: [{json: type, is: url_verification}]    each: header, json or query; without `is` anything may stand there
        authenticated: true           default: true for POST, else false
        verifyToken: {query: hub.verify_token}        must hold the token that is derived from a key of the endpoint
        value: {json: challenge}      what the answer repeats: header, json or query
        hmac: {encoding: hex, prefix: "sha256="}      of the value, with the scheme's own key and algorithm
        answer: empty | text | {empty: {}} | {text: {}}
                | {json: {NAME: value | hmac | {literal: "yes"} | {number: 1}}}
                | {json: [{name: NAME, part: value | hmac} | {name: NAME, literal: "yes"} | {name: NAME, number: 1}]}
                | {header: NAME}      the value as a header of an empty answer
                | {webhookOrigin: {origins: [NAME] or ["*"], rate: 120 or "*"}}     abuse protection of CloudEvents

The longer forms are for documents that a schema describes, in which a member has one type.

What a rule cannot say, no sender can ask for: no state changes, no request is made, nothing but the value is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from hookgate.scheme.descriptor import (
    Answer,
    AnswerKind,
    Condition,
    Encoding,
    Fill,
    HandshakeRule,
    HmacRule,
    InvalidDescriptor,
    Method,
    Origin,
    Place,
    SchemeType,
)

#: The grammar's reader of places: value, member, allowed origins.
ReadPlace = Callable[[object, str, tuple[Origin, ...]], Place]

_MOST: Final = 4
_MEMBERS: Final = frozenset({"method", "when", "authenticated", "verifyToken", "value", "hmac", "answer"})
_PLACES: Final = (Origin.HEADER, Origin.JSON, Origin.QUERY)
#: Where something may stand of a call that nobody has vouched for: its body is not parsed.
_HEAD: Final = (Origin.HEADER, Origin.QUERY)
#: The types whose key is a secret that a token can be derived from.
_SECRET: Final = (SchemeType.HMAC, SchemeType.TOKEN, SchemeType.BASIC)
_TEXT: Final = re.compile(r"[\x20-\x7e]{1,128}", re.ASCII)
_ORIGIN: Final = re.compile(r"\*|[a-z0-9][a-z0-9.:_-]{0,252}", re.ASCII)
_MEMBER_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_ANSWER_HEADER: Final = re.compile(r"x-(?!content-type-options$)[a-z0-9-]{1,62}", re.ASCII)
_MOST_RATE: Final = 1_000_000


def parse_rules(value: object, scheme: SchemeType, place: ReadPlace) -> tuple[HandshakeRule, ...]:
    """Read ``handshake``; none without one. Raises `InvalidDescriptor`, naming the member."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not 0 < len(value) <= _MOST:
        raise InvalidDescriptor("handshake", f"must be a list of 1 to {_MOST} rules")
    return tuple(_rule(each, f"handshake[{i}]", scheme, place) for i, each in enumerate(value))


def _rule(raw: object, at: str, scheme: SchemeType, place: ReadPlace) -> HandshakeRule:
    raw = _members(raw, at, _MEMBERS)
    method = raw.get("method")
    if method not in tuple(Method):
        raise InvalidDescriptor(f"{at}.method", f"must be one of {', '.join(Method)}")
    authenticated = raw.get("authenticated", method == Method.POST.value)
    if not isinstance(authenticated, bool):
        raise InvalidDescriptor(f"{at}.authenticated", "must be true or false")
    allowed = _PLACES if authenticated and method == Method.POST.value else _HEAD
    token, value = raw.get("verifyToken"), raw.get("value")
    rule = HandshakeRule(
        method=Method(method),
        answer=_answer(raw.get("answer"), f"{at}.answer"),
        when=_conditions(raw.get("when", ()), f"{at}.when", allowed, place),
        authenticated=authenticated,
        verify_token=None if token is None else place(token, f"{at}.verifyToken", allowed),
        value=None if value is None else place(value, f"{at}.value", allowed),
        hmac=_hmac(raw.get("hmac"), f"{at}.hmac"),
    )
    return _checked(rule, at, scheme)


def _checked(rule: HandshakeRule, at: str, scheme: SchemeType) -> HandshakeRule:
    """Refuse what contradicts itself, and what would tell a public key as if it were a secret."""
    kind, fills = rule.answer.kind, {fill for _, fill in rule.answer.members if isinstance(fill, Fill)}
    repeats = kind in (AnswerKind.TEXT, AnswerKind.HEADER) or bool(fills)
    if repeats != (rule.value is not None):
        raise InvalidDescriptor(f"{at}.value", "needed exactly when the answer repeats something or holds an hmac")
    if (rule.hmac is not None) != (Fill.HMAC in fills):
        raise InvalidDescriptor(f"{at}.hmac", "needed exactly when a member of a json answer is hmac")
    if rule.hmac is not None and scheme is not SchemeType.HMAC:
        raise InvalidDescriptor(f"{at}.hmac", "only with type hmac, whose key it uses")
    if rule.verify_token is not None and scheme not in _SECRET:
        raise InvalidDescriptor(f"{at}.verifyToken", f"not with type {scheme}, which has no secret to derive it from")
    if rule.authenticated and scheme is SchemeType.NONE:
        raise InvalidDescriptor(f"{at}.authenticated", "not with type none, which authenticates nobody; set it false")
    if rule.method is Method.HEAD and kind not in (AnswerKind.EMPTY, AnswerKind.HEADER):
        raise InvalidDescriptor(f"{at}.answer", "an answer to HEAD has no body; use empty")
    if rule.method is Method.POST and not rule.when and rule.value is None:
        raise InvalidDescriptor(f"{at}.when", "missing: without it every call would be taken for a handshake")
    if kind is AnswerKind.WEBHOOK_ORIGIN and rule.method is not Method.OPTIONS:
        raise InvalidDescriptor(f"{at}.answer", "webhookOrigin answers OPTIONS only")
    return rule


def _conditions(value: object, at: str, allowed: tuple[Origin, ...], place: ReadPlace) -> tuple[Condition, ...]:
    if not isinstance(value, list | tuple) or len(value) > _MOST:
        raise InvalidDescriptor(at, f"must be a list of at most {_MOST} conditions")
    return tuple(_condition(each, f"{at}[{i}]", allowed, place) for i, each in enumerate(value))


def _condition(raw: object, at: str, allowed: tuple[Origin, ...], place: ReadPlace) -> Condition:
    if not isinstance(raw, Mapping):
        raise InvalidDescriptor(at, "must be an object such as {json: type, is: ping}")
    equals = raw.get("is")
    if equals is not None and not _is_text(equals):
        raise InvalidDescriptor(f"{at}.is", "must be a text of 1 to 128 printable ASCII characters")
    return Condition(place=place({k: v for k, v in raw.items() if k != "is"}, at, allowed), equals=equals)


def _hmac(raw: object, at: str) -> HmacRule | None:
    if raw is None:
        return None
    raw = _members(raw, at, frozenset({"encoding", "prefix"}))
    encoding, prefix = raw.get("encoding", Encoding.HEX.value), raw.get("prefix", "")
    if encoding not in tuple(Encoding):
        raise InvalidDescriptor(f"{at}.encoding", f"must be one of {', '.join(Encoding)}")
    if prefix != "" and not _is_text(prefix):
        raise InvalidDescriptor(f"{at}.prefix", "must be a text of at most 128 printable ASCII characters")
    return HmacRule(encoding=Encoding(encoding), prefix=prefix)


def _answer(raw: object, at: str) -> Answer:
    if raw in (AnswerKind.EMPTY.value, AnswerKind.TEXT.value):
        return Answer(kind=AnswerKind(raw))
    if not isinstance(raw, Mapping) or len(raw) != 1:
        raise InvalidDescriptor(at, "must be empty, text, or an object with one of: header, json, webhookOrigin")
    ((kind, content),) = raw.items()
    match kind:
        case AnswerKind.EMPTY.value | AnswerKind.TEXT.value:
            _members(content, f"{at}.{kind}", frozenset())
            return Answer(kind=AnswerKind(kind))
        case AnswerKind.JSON.value:
            return Answer(kind=AnswerKind.JSON, members=_json_members(content, f"{at}.json"))
        case AnswerKind.HEADER.value:
            # Names of HTTP's own would let a rule set cookies or redirect.
            if not isinstance(content, str) or not _ANSWER_HEADER.fullmatch(content.lower()):
                raise InvalidDescriptor(f"{at}.header", 'must be a header name that begins with "X-"')
            return Answer(kind=AnswerKind.HEADER, header=content.lower())
        case AnswerKind.WEBHOOK_ORIGIN.value:
            return _webhook_origin(content, f"{at}.webhookOrigin")
        case _:
            raise InvalidDescriptor(at, f"unknown answer {kind!r}; known: empty, text, header, json, webhookOrigin")


def _json_members(raw: object, at: str) -> tuple[tuple[str, Fill | str | int], ...]:
    if not isinstance(raw, Mapping | list | tuple) or not 0 < len(raw) <= _MOST:
        raise InvalidDescriptor(at, f"must be an object of 1 to {_MOST} members")
    if isinstance(raw, Mapping):
        return tuple((_member_name(name, at), _fill(content, f"{at}.{name}")) for name, content in raw.items())
    listed = tuple(_listed_member(each, f"{at}[{i}]") for i, each in enumerate(raw))
    if len(dict(listed)) < len(listed):
        raise InvalidDescriptor(at, "names a member twice")
    return listed


def _listed_member(raw: object, at: str) -> tuple[str, Fill | str | int]:
    if not isinstance(raw, Mapping):
        raise InvalidDescriptor(at, "must be an object such as {name: challenge, part: value}")
    rest = {name: content for name, content in raw.items() if name != "name"}
    return _member_name(raw.get("name"), f"{at}.name"), _fill(rest, at)


def _member_name(name: object, at: str) -> str:
    if not isinstance(name, str) or not _MEMBER_NAME.fullmatch(name):
        raise InvalidDescriptor(at, 'names have letters, digits, "_", "." and "-" only')
    return name


def _fill(content: object, at: str) -> Fill | str | int:
    if content in (Fill.VALUE.value, Fill.HMAC.value):
        return Fill(content)
    if isinstance(content, Mapping) and len(content) == 1:
        ((kind, inner),) = content.items()
        if kind == "part" and inner in (Fill.VALUE.value, Fill.HMAC.value):
            return Fill(inner)
        if kind == "literal" and _is_text(inner):
            return inner  # type: ignore[no-any-return]
        if kind in ("literal", "number") and isinstance(inner, int) and not isinstance(inner, bool):
            return inner
    raise InvalidDescriptor(at, "must be value, hmac, {literal: a short text} or {number: a whole number}")


def _webhook_origin(raw: object, at: str) -> Answer:
    raw = _members(raw, at, frozenset({"origins", "rate"}))
    origins, rate = raw.get("origins"), raw.get("rate", "*")
    known = isinstance(origins, list | tuple) and 0 < len(origins) <= 16
    if not known or not all(isinstance(each, str) and _ORIGIN.fullmatch(each) for each in origins):  # type: ignore[union-attr]
        raise InvalidDescriptor(f"{at}.origins", 'must list 1 to 16 lower-case names of senders, or "*" for any')
    if rate != "*" and (not isinstance(rate, int) or isinstance(rate, bool) or not 0 < rate <= _MOST_RATE):
        raise InvalidDescriptor(f"{at}.rate", f'must be 1 to {_MOST_RATE} calls a minute, or "*"')
    return Answer(kind=AnswerKind.WEBHOOK_ORIGIN, origins=tuple(origins), rate=str(rate))  # type: ignore[arg-type]


def _members(raw: object, at: str, known: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise InvalidDescriptor(at, "must be an object")
    for name in raw:
        if name not in known:
            raise InvalidDescriptor(f"{at}.{name}", f"unknown; known: {', '.join(sorted(known))}")
    return raw


def _is_text(value: object) -> bool:
    return isinstance(value, str) and _TEXT.fullmatch(value) is not None

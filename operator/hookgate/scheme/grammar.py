"""The grammar of descriptor documents, and their strict reader.

A document is a JSON-able mapping; `parse` turns it into a `Descriptor` or says which member is wrong. Nothing is
guessed: an unknown member, a contradiction or a timestamp that nothing covers is an error.

    type: hmac | signature | token | basic | none         (jwt: see `hookgate.scheme.jwt`)
    header: X-Signature             shorthand of source: {header: X-Signature}
    source: {header: NAME} | {numberedHeaders: PREFIX} | {json: PATH} | {form: FIELD} | {query: FIELD}
            | {anyHeader: [NAME, NAME]}
    prefix: "sha256="               literal before the value, case-sensitive; required when given
    format: plain | {plain: {}} | {kvList: {separator: ",", key: v1}} | {list: {separator: " ", behind: "|"}}
            | {positional: {separator: ",", first: 1}}
    algorithm: sha1 | sha256 | sha512
               (signature: ed25519 | ecdsa-p256-sha256 | rsa-pkcs1-sha256 | rsa-pkcs1-sha1)
    encoding: hex | base64 | base64url
    key: utf8 | base64 | whsec | hex | digest-sha1   (signature: hex | base64 | pem)
    timestamp: {header | json | kv | index | form | query: PLACE, format: unix, tolerance: 300, enforce: true}
    message: [body]                 parts, in order: see `PartKind`; `body` is short for {part: body}
    bodyDigest: {query: bodySHA256, algorithm: sha256, encoding: hex}
    bodyAuthenticated: false        said where the message does not cover the body, and only there
    sns: {topics: [ARN], confirm: false}     with a message of snsLines: the topics whose messages count
    deliveryId: {header: NAME} | {json: PATH}
    eventType: {header: NAME} | {json: PATH}
    successResponse: {status: 200, body: "[accepted]", contentType: text/plain}     in place of the target's own
    handshake: what the sender asks before it delivers, see `hookgate.scheme.handshake_rules`

The long forms are for documents that a schema describes, in which a member has one type. `hookgate.scheme.ways` has the
documents of several schemes.
"""

from __future__ import annotations

import marshal
import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from hookgate.scheme.descriptor import (
    ASYMMETRIC,
    HASHES,
    PARTS_WITH_TEXT,
    Algorithm,
    BodyDigest,
    Descriptor,
    Encoding,
    Format,
    FormatKind,
    InvalidDescriptor,
    KeyForm,
    Notation,
    Origin,
    Part,
    PartKind,
    Place,
    SchemeType,
    SnsRule,
    SuccessResponse,
    TextType,
    TimestampRule,
)
from hookgate.scheme.handshake_rules import parse_rules
from hookgate.scheme.sns import is_topic

_E = TypeVar("_E", bound=StrEnum)
_V = TypeVar("_V")

#: RFC 9110, section 5.6.2: a field name is a token.
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}", re.ASCII)
#: A prefix that names an algorithm, as in `sha256=`.
_ALGORITHM_PREFIX = re.compile(r"(?:hmac[-_]?)?(sha1|sha256|sha512)=", re.ASCII)
MAX_TOLERANCE = 86_400
MAX_TOPICS = 16


#: What a document of every type may have.
COMMON: Final = frozenset({"type", "deliveryId", "eventType", "successResponse", "handshake"})
_PLACED = COMMON | {"header", "source", "prefix"}
_SIGNED = _PLACED | {
    "format",
    "algorithm",
    "encoding",
    "key",
    "timestamp",
    "message",
    "bodyDigest",
    "bodyAuthenticated",
}
_MEMBERS: Final[Mapping[SchemeType, frozenset[str]]] = {
    SchemeType.HMAC: _SIGNED,
    SchemeType.SIGNATURE: _SIGNED | {"sns"},
    SchemeType.TOKEN: _PLACED,
    SchemeType.BASIC: COMMON | {"header"},
    SchemeType.NONE: COMMON,
}
_HMAC_KEYS = (KeyForm.UTF8, KeyForm.BASE64, KeyForm.WHSEC, KeyForm.HEX, KeyForm.DIGEST_SHA1)
_PUBLIC_KEYS = (KeyForm.HEX, KeyForm.BASE64, KeyForm.WHSEC, KeyForm.PEM)
_SOURCES = (Origin.HEADER, Origin.ANY_HEADER, Origin.NUMBERED, Origin.JSON, Origin.FORM, Origin.QUERY)
_TIMES = (Origin.HEADER, Origin.JSON, Origin.FORM, Origin.QUERY, Origin.KV, Origin.INDEX)
_NOTES = (Origin.HEADER, Origin.JSON)


#: Most documents of a platform say one of a few things; all are forgotten together.
_MOST_REMEMBERED = 500
_remembered: dict[bytes, Descriptor] = {}


def parse(document: Mapping[str, Any]) -> Descriptor:
    """Read a descriptor document, or find what the same one, type by type, was read as before.

    Raises `InvalidDescriptor` at the first member that breaks the grammar or contradicts another one. The result says
    nothing about keys and may lack nothing that verifying needs.
    """
    try:
        read = marshal.dumps(dict(document), 2)
    except ValueError:  # it holds what no JSON can, such as a mapping that is no dict
        return _parse(document)
    if read not in _remembered:
        parsed = _parse(document)
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[read] = parsed
    return _remembered[read]


def _parse(document: Mapping[str, Any]) -> Descriptor:
    kind = _enum(document, "type", SchemeType, None, tuple(_MEMBERS))
    for name in document:
        if name not in _MEMBERS[kind]:
            raise InvalidDescriptor(str(name), f"not a field of type {kind}; allowed: {_listed(_MEMBERS[kind])}")
    common = read_common(document, kind)
    if kind is SchemeType.NONE:
        return Descriptor(type=kind, **common)
    if kind is SchemeType.BASIC:
        header = Place(origin=Origin.HEADER, name=read_header(document, "Authorization"))
        return Descriptor(type=kind, source=header, **common)
    placed: dict[str, Any] = {**common, "source": _source(document), "prefix": read_prefix(document, "")}
    if kind is SchemeType.TOKEN:
        return Descriptor(type=kind, **placed)
    descriptor = _checked(Descriptor(type=kind, **_signed(document, kind), **placed))
    _check_claim(document, descriptor)
    return descriptor


def read_common(document: Mapping[str, Any], kind: SchemeType) -> dict[str, Any]:
    """Return what every type has beside its credential, by the names of `Descriptor`. Raises `InvalidDescriptor`."""
    delivery, event = (_optional(document, n, lambda v, at: _place(v, at, _NOTES)) for n in ("deliveryId", "eventType"))
    return {
        "delivery_id": delivery,
        "event_type": event,
        "handshake": parse_rules(document.get("handshake"), kind, _place),
        "success": _optional(document, "successResponse", _success),
    }


def read_header(document: Mapping[str, Any], default: str) -> str:
    """Return the name under ``header``. Raises `InvalidDescriptor`."""
    return _place({"header": document.get("header", default)}, "header", (Origin.HEADER,)).name


def read_prefix(document: Mapping[str, Any], default: str) -> str:
    """Return the text under ``prefix``. Raises `InvalidDescriptor`."""
    return _string(document, "prefix", default)


def _signed(document: Mapping[str, Any], kind: SchemeType) -> dict[str, Any]:
    hmac = kind is SchemeType.HMAC
    algorithm = _enum(
        document, "algorithm", Algorithm, Algorithm.SHA256 if hmac else None, HASHES if hmac else ASYMMETRIC
    )
    keys, default = (_HMAC_KEYS, KeyForm.UTF8) if hmac else (_PUBLIC_KEYS, KeyForm.PEM)
    return {
        "algorithm": algorithm,
        "encoding": _enum(document, "encoding", Encoding, Encoding.HEX if hmac else Encoding.BASE64),
        "key": _enum(document, "key", KeyForm, default, keys),
        "format": _format(document.get("format", "plain")),
        "timestamp": _optional(document, "timestamp", _timestamp),
        "message": _message(document.get("message", ["body"])),
        "body_digest": _optional(document, "bodyDigest", _body_digest),
        "sns": _optional(document, "sns", _sns),
    }


def _checked(d: Descriptor) -> Descriptor:
    """Refuse what contradicts itself: the reader would otherwise have to guess."""
    named = _ALGORITHM_PREFIX.fullmatch(d.prefix)
    if named and d.algorithm in HASHES and named[1] != d.algorithm.value:
        raise InvalidDescriptor("prefix", f'"{d.prefix}" names another algorithm than {d.algorithm}: set both alike')
    if d.prefix and d.format.kind in (FormatKind.KV_LIST, FormatKind.POSITIONAL):
        raise InvalidDescriptor("prefix", f"not with format {d.format.kind}")
    if d.has(PartKind.TIMESTAMP) and d.timestamp is None:
        raise InvalidDescriptor("message", "has a timestamp part, but there is no timestamp: add one")
    if d.timestamp is not None:
        _check_timestamp(d, d.timestamp)
    if all(part.kind is PartKind.LITERAL for part in d.message):
        raise InvalidDescriptor("message", "nothing of the request is signed")
    inside_body = d.source is not None and d.source.origin in (Origin.JSON, Origin.FORM)
    inside_url = d.source is not None and d.source.origin is Origin.QUERY
    if (inside_body and d.covers_body) or (inside_url and d.needs_url):
        raise InvalidDescriptor("message", "covers the place of the signature itself, which no sender can do")
    if d.has(PartKind.SNS_LINES) and (d.type is not SchemeType.SIGNATURE or len(d.message) > 1):
        raise InvalidDescriptor("message", "snsLines stand alone, in a scheme of type signature")
    if d.sns is not None and not d.has(PartKind.SNS_LINES):
        raise InvalidDescriptor("sns", "only with a message of snsLines")
    if d.body_digest is not None and not d.needs_url:
        raise InvalidDescriptor("bodyDigest", "only with a message that covers the url, else the digest is unsigned")
    for i, rule in enumerate(d.handshake):
        if rule.hmac is not None and not rule.authenticated and not d.covers_body:
            raise InvalidDescriptor(
                f"handshake[{i}].hmac",
                "anybody could have a whole message signed, as the message does not cover the body",
            )
    return d


def _check_claim(document: Mapping[str, Any], d: Descriptor) -> None:
    """Hold what the document says about the body to what its message says."""
    said = document.get("bodyAuthenticated")
    if said is not None and said is not d.covers_body:
        covered = "covers" if d.covers_body else "does not cover"
        raise InvalidDescriptor("bodyAuthenticated", f"the message {covered} the body: say what it does, or nothing")


def _check_timestamp(d: Descriptor, rule: TimestampRule) -> None:
    inside = {Origin.KV: FormatKind.KV_LIST, Origin.INDEX: FormatKind.POSITIONAL}.get(rule.place.origin)
    if inside is not None and d.format.kind is not inside:
        raise InvalidDescriptor("timestamp", f"{rule.place.origin} needs format {inside}")
    if rule.enforce and not (d.has(PartKind.TIMESTAMP) or d.covers(rule.place)):
        raise InvalidDescriptor("timestamp", "not covered by the message: sign it, or set enforce to false")


def _source(document: Mapping[str, Any]) -> Place:
    header, source = document.get("header"), document.get("source")
    if header is not None and source is not None:
        raise InvalidDescriptor("source", "header is the same as source: {header: ...}; give one of them")
    if header is None and source is None:
        raise InvalidDescriptor("header", "missing: name the header that carries the credential")
    if header is not None:
        return _place({"header": header}, "header", _SOURCES)
    return _place(source, "source", _SOURCES)


def _place(value: object, at: str, allowed: tuple[Origin, ...]) -> Place:
    if not isinstance(value, Mapping) or len(value) != 1:
        raise InvalidDescriptor(at, f"must be an object with one of: {_listed(allowed)}")
    ((origin, name),) = value.items()
    if origin not in allowed:
        raise InvalidDescriptor(at, f"{origin!r} is not possible here; allowed: {_listed(allowed)}")
    origin = Origin(origin)
    if origin is Origin.INDEX:
        if not isinstance(name, int) or isinstance(name, bool) or not 0 <= name < 32:
            raise InvalidDescriptor(at, "index must be a number from 0 to 31")
        return Place(origin=origin, name=str(name))
    if origin is Origin.ANY_HEADER:
        if not isinstance(name, list | tuple) or not 0 < len(name) <= 4:
            raise InvalidDescriptor(at, "anyHeader must be a list of 1 to 4 header names")
        return Place(origin=origin, name=" ".join(_place({"header": n}, at, (Origin.HEADER,)).name for n in name))
    if not isinstance(name, str) or not 0 < len(name) <= 128:
        raise InvalidDescriptor(at, f"{origin} must be a text of 1 to 128 characters")
    if origin in (Origin.HEADER, Origin.NUMBERED) and not _HEADER_NAME.fullmatch(name):
        raise InvalidDescriptor(at, "not a header name: letters, digits and !#$%&'*+-.^_`|~ only")
    return Place(origin=origin, name=name)


def _format(value: object) -> Format:
    if value == FormatKind.PLAIN.value:
        return Format()
    if not isinstance(value, Mapping) or len(value) != 1:
        raise InvalidDescriptor("format", "must be plain, or an object with one of: kvList, list, plain, positional")
    ((kind, options),) = value.items()
    allowed: dict[str, set[str]] = {
        "plain": set(),
        "kvList": {"separator", "key"},
        "list": {"separator", "behind"},
        "positional": {"separator", "first"},
    }
    if kind not in allowed or not isinstance(options, Mapping) or not set(options) <= allowed[kind]:
        raise InvalidDescriptor("format", f"unknown format or option; known: {_listed(allowed)}")
    separator, key, first = options.get("separator", ","), options.get("key", ""), options.get("first", 0)
    if separator not in (",", ";", " ", "&"):
        raise InvalidDescriptor("format", 'separator must be one of "," ";" " " "&"')
    if not isinstance(key, str) or (kind == FormatKind.KV_LIST.value and not key):
        raise InvalidDescriptor("format", "kvList needs a key: the name that carries the signature")
    if not isinstance(first, int) or not 0 <= first < 32:
        raise InvalidDescriptor("format", "first must be a number from 0 to 31")
    behind = options.get("behind", "")
    if behind not in ("", "|", ":", "="):
        raise InvalidDescriptor("format", 'behind must be one of "|" ":" "="')
    return Format(kind=FormatKind(kind), separator=separator, key=key, first=first, behind=behind)


def _timestamp(value: object, at: str) -> TimestampRule:
    if not isinstance(value, Mapping):
        raise InvalidDescriptor(at, "must be an object")
    place = {k: v for k, v in value.items() if k not in ("format", "tolerance", "enforce")}
    tolerance, enforce = value.get("tolerance", 300), value.get("enforce", True)
    if not isinstance(tolerance, int) or isinstance(tolerance, bool) or not 0 < tolerance <= MAX_TOLERANCE:
        raise InvalidDescriptor(f"{at}.tolerance", f"must be 1 to {MAX_TOLERANCE} seconds")
    if not isinstance(enforce, bool):
        raise InvalidDescriptor(f"{at}.enforce", "must be true or false")
    return TimestampRule(
        place=_place(place, at, _TIMES),
        notation=_enum(value, "format", Notation, Notation.UNIX),
        tolerance=tolerance,
        enforce=enforce,
    )


def _message(value: object) -> tuple[Part, ...]:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= 16:
        raise InvalidDescriptor("message", "must be a list of 1 to 16 parts")
    return tuple(_part(part, f"message[{i}]") for i, part in enumerate(value))


def _part(value: object, at: str) -> Part:
    if isinstance(value, str):
        alone = [kind for kind in PartKind if kind not in PARTS_WITH_TEXT]
        if value not in alone:
            raise InvalidDescriptor(at, f"{value!r} is not a part; known: {_listed(alone)}")
        return Part(kind=PartKind(value))
    if not isinstance(value, Mapping) or len(value) != 1:
        raise InvalidDescriptor(at, f"must be a name, or an object with one of: {_listed(PARTS_WITH_TEXT)}")
    ((kind, text),) = value.items()
    if kind == "part" and isinstance(text, str):
        return _part(text, at)
    if kind == PartKind.LITERAL.value and isinstance(text, str) and 0 < len(text) <= 128:
        return Part(kind=PartKind.LITERAL, text=text)
    if kind == PartKind.JSON_OR_EMPTY.value:
        return Part(kind=PartKind.JSON_OR_EMPTY, text=_place({"json": text}, at, (Origin.JSON,)).name)
    place = _place({kind: text}, at, (Origin.HEADER, Origin.JSON, Origin.FORM))
    return Part(kind=PartKind(place.origin.value), text=place.name)


def _body_digest(value: object, at: str) -> BodyDigest:
    if not isinstance(value, Mapping):
        raise InvalidDescriptor(at, "must be an object")
    place = {k: v for k, v in value.items() if k not in ("algorithm", "encoding")}
    return BodyDigest(
        place=_place(place, at, (Origin.QUERY,)),
        algorithm=_enum(value, "algorithm", Algorithm, Algorithm.SHA256, HASHES),
        encoding=_enum(value, "encoding", Encoding, Encoding.HEX),
    )


def _sns(value: object, at: str) -> SnsRule:
    if not isinstance(value, Mapping) or not set(value) <= {"topics", "confirm"}:
        raise InvalidDescriptor(at, "must be an object with topics and, if wanted, confirm")
    topics, confirm = value.get("topics"), value.get("confirm", False)
    if not isinstance(topics, list | tuple) or not 0 < len(topics) <= MAX_TOPICS:
        raise InvalidDescriptor(f"{at}.topics", f"must list 1 to {MAX_TOPICS} topics")
    for i, topic in enumerate(topics):
        if not isinstance(topic, str) or not is_topic(topic):
            raise InvalidDescriptor(
                f"{at}.topics[{i}]", "must be an ARN such as arn:aws:sns:eu-west-1:123456789012:orders"
            )
    if not isinstance(confirm, bool):
        raise InvalidDescriptor(f"{at}.confirm", "must be true or false")
    return SnsRule(topics=frozenset(topics), confirm=confirm)


def _success(value: object, at: str) -> SuccessResponse:
    if not isinstance(value, Mapping) or not set(value) <= {"status", "body", "contentType"}:
        raise InvalidDescriptor(at, "must be an object with status, body and contentType, or some of them")
    status, body = value.get("status", 200), value.get("body", "")
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 299:
        raise InvalidDescriptor(f"{at}.status", "must be a number from 200 to 299")
    if not isinstance(body, str) or len(body) > 1024 or not body.isascii() or not body.isprintable():
        raise InvalidDescriptor(f"{at}.body", "must be a text of at most 1024 printable ASCII characters")
    if status in (204, 205) and body:
        raise InvalidDescriptor(f"{at}.body", f"an answer of status {status} has none: leave it out")
    content_type = _enum(value, "contentType", TextType, TextType.PLAIN)
    return SuccessResponse(status=status, body=body, content_type=content_type)


def _enum(
    document: Mapping[str, Any], name: str, kind: type[_E], default: _E | None, allowed: tuple[_E, ...] = ()
) -> _E:
    value = document.get(name, default)
    choices = allowed or tuple(kind)
    if value is None:
        raise InvalidDescriptor(name, f"missing: one of {_listed(choices)}")
    if not isinstance(value, str) or value not in choices:
        raise InvalidDescriptor(name, f"must be one of {_listed(choices)}")
    return kind(value)


def _string(document: Mapping[str, Any], name: str, default: str) -> str:
    value = document.get(name, default)
    if not isinstance(value, str) or len(value) > 128 or not value.isascii() or not value.isprintable():
        raise InvalidDescriptor(name, "must be a text of at most 128 printable ASCII characters")
    return value


def _optional(document: Mapping[str, Any], name: str, read: Callable[[object, str], _V]) -> _V | None:
    value = document.get(name)
    return None if value is None else read(value, name)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))

"""From the ``auth`` of a manifest to an `AuthSpec`: the union of types, and descriptors as a user writes them.

The tables below state the same fields as the CRD. Their members become a descriptor's settings as they stand, so that
what a user writes is what the interpreter reads; whether they make sense together is judged there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from hookgate.model import grammar
from hookgate.model.endpoint import GENERATING, AuthSpec, AuthType, KeySet, SecretKeyRef, SecretPolicy
from hookgate.model.fields import Fields
from hookgate.model.grammar import Grammar, Span

OTHER_TYPE = "remove {type}, or set type to {type}"
OF_NOBODY = "remove {name}, because type none authenticates nobody"
NO_PLACE = "name a provider, or where the {what} stands in {type}.header or {type}.source"
NO_ALGORITHM = "name a provider, or the algorithm in signature.algorithm"
ONE_PUBLIC_KEY = "give the sender's public key in exactly one of signature.publicKey and secret.ref"
NO_JWT = "describe the tokens in jwt, with issuer, audiences and claims"
PROVIDER_OF_JWT = "remove provider, because type jwt is described in jwt alone"
ONE_KEY_SET = "remove secret.ref or jwt.jwks, because the issuer's keys come from one place"
NOTHING_ROTATES = "remove rotate, because nothing is generated for this type"
ONE_PLACE = "give one of header and source, not both"
WAYS_OF_ANY_OF = "list the ways in anyOf if the type is anyOf, and only then"
OUTSIDE_ANY_OF = "move provider and secret into anyOf, where each way has its own"
ONE_GENERATED = "give all but one of them a secret.ref, because an endpoint has one generated secret"
LONE_PREVIOUS = "add ref beside previousRefs, or remove previousRefs"
ROTATED_REFERENCE = (
    "remove rotate, because a referenced secret is not rotated here: put the new one into ref and the old one into "
    "previousRefs"
)

_HOUR = 3_600_000
OVERLAP = Span(
    default=24 * _HOUR,
    low=0,
    high=720 * _HOUR,
    message="write one number and one unit, such as 24h or 30m, from 0s to 720h",
)

#: Reads one member; None after an error.
_Reader = Callable[[Fields, str], Any]
_Table = Mapping[str, _Reader]
_E = TypeVar("_E", bound=StrEnum)


class _Way(StrEnum):
    """The types that may stand in anyOf."""

    HMAC = "hmac"
    SIGNATURE = "signature"
    TOKEN = "token"  # noqa: S105 -- the name of a type
    BASIC = "basic"
    JWT = "jwt"


def _text(rule: Grammar) -> _Reader:
    return lambda fields, name: fields.text(name, rule)


def _number(low: int, high: int) -> _Reader:
    return lambda fields, name: fields.number(name, low, low=low, high=high)


def _one_of(*values: str) -> _Reader:
    def read(fields: Fields, name: str) -> str:
        value = fields.get(name, str, "a string")
        if value is not None and value not in values:
            fields.refuse(name, f"write one of {', '.join(values)}")
        return value or ""

    return read


def _block(table: _Table, *, required: tuple[str, ...] = ()) -> _Reader:
    return lambda fields, name: _members(fields.child(name), table, required)


def _members(fields: Fields, table: _Table, required: tuple[str, ...] = ()) -> dict[str, Any]:
    for name in required:
        if not fields.has(name):
            fields.refuse(name, "add this field; it is required")
    return {name: read(fields, name) for name, read in table.items() if fields.has(name)}


def _choose(
    places: _Table,
    others: _Table = MappingProxyType({}),
    *,
    message: str | None = None,
    required: tuple[str, ...] = (),
) -> _Reader:
    """Read a mapping of which exactly one member of ``places`` may be given; ``required`` are some of the others."""
    listed = list(places)
    told = message or f"give exactly one of {', '.join(listed[:-1])} and {listed[-1]}"

    def read(fields: Fields, name: str) -> dict[str, Any]:
        inner = fields.child(name)
        if fields.is_mapping(name) and sum(inner.has(place) for place in places) != 1:
            inner.refuse("", told)
        return _members(inner, {**places, **others}, required if fields.is_mapping(name) else ())

    return read


def _list(read: _Reader, *, most: int) -> _Reader:
    return lambda fields, name: fields.each(name, read, least=1, most=most)


_HEADER, _ANY_HEADER = _text(grammar.HEADER), _text(grammar.ANY_HEADER)
_JSON, _FIELD, _WORD = _text(grammar.JSON_PATH), _text(grammar.FIELD), _text(grammar.WORD)
_HASH = _one_of("sha1", "sha256", "sha512")
_ENCODING = _one_of("hex", "base64", "base64url")
_SEPARATOR = _one_of(",", ";", " ", "&")
_INDEX = _number(0, 31)
_NOTE = _choose({"header": _ANY_HEADER, "json": _JSON})
_SUCCESS = _block(
    {
        "status": _number(200, 299),
        "body": _text(grammar.ANSWER),
        "contentType": _one_of("text/plain", "application/json"),
    }
)
_ASKED = {"header": _ANY_HEADER, "json": _JSON, "query": _FIELD}
_RULE = _block(
    {
        "method": _one_of("GET", "HEAD", "OPTIONS", "POST"),
        "when": _list(_choose(_ASKED, {"is": _text(grammar.WHOLE_TEXT)}), most=4),
        "authenticated": Fields.flag,
        "verifyToken": _choose(_ASKED),
        "value": _choose(_ASKED),
        "hmac": _block({"encoding": _ENCODING, "prefix": _text(grammar.PREFIX)}),
        "answer": _choose(
            {
                "empty": _block({}),
                "text": _block({}),
                "json": _list(
                    _choose(
                        {
                            "part": _one_of("value", "hmac"),
                            "literal": _text(grammar.WHOLE_TEXT),
                            "number": _number(-(2**31), 2**31 - 1),
                        },
                        {"name": _text(grammar.MEMBER)},
                        required=("name",),
                    ),
                    most=4,
                ),
                "header": _text(grammar.ANSWER_HEADER),
                "webhookOrigin": _block(
                    {"origins": _list(_text(grammar.ORIGIN), most=16), "rate": _number(1, 1_000_000)},
                    required=("origins",),
                ),
            }
        ),
    },
    required=("method", "answer"),
)
#: What every type has beside the credential itself.
_NOTES: _Table = {
    "deliveryId": _NOTE,
    "eventType": _NOTE,
    "successResponse": _SUCCESS,
    "handshake": _list(_RULE, most=4),
}
_PLACED: _Table = {
    "header": _HEADER,
    "source": _choose(
        {
            "header": _HEADER,
            "anyHeader": _list(_HEADER, most=4),
            "numberedHeaders": _text(grammar.HEADER_PREFIX),
            "json": _JSON,
            "form": _FIELD,
            "query": _FIELD,
        }
    ),
    "prefix": _text(grammar.PREFIX),
    **_NOTES,
}
_MESSAGE_PART = _choose(
    {
        "part": _one_of("body", "timestamp", "method", "url", "urlHubspot", "sortedForm", "bodyCrc32", "snsLines"),
        "literal": _text(grammar.LITERAL),
        "header": _ANY_HEADER,
        "json": _JSON,
        "jsonOrEmpty": _JSON,
        "form": _FIELD,
    }
)
_SIGNED: _Table = {
    **_PLACED,
    "format": _choose(
        {
            "plain": _block({}),
            "kvList": _block({"separator": _SEPARATOR, "key": _WORD}, required=("key",)),
            "list": _block({"separator": _SEPARATOR, "behind": _one_of("|", ":", "=")}),
            "positional": _block({"separator": _SEPARATOR, "first": _INDEX}),
        }
    ),
    "encoding": _ENCODING,
    "timestamp": _choose(
        {"header": _ANY_HEADER, "json": _JSON, "form": _FIELD, "query": _FIELD, "kv": _WORD, "index": _INDEX},
        {
            "format": _one_of("unix", "unix-ms", "rfc3339", "imf-fixdate"),
            "tolerance": _number(1, 86_400),
            "enforce": Fields.flag,
        },
    ),
    "message": _list(_MESSAGE_PART, most=16),
    "bodyAuthenticated": Fields.flag,
    "bodyDigest": _block({"query": _FIELD, "algorithm": _HASH, "encoding": _ENCODING}, required=("query",)),
}
_CLAIM_TEXT = _text(grammar.CLAIM_TEXT)
_CLAIM_VALUES: _Table = {"equals": _CLAIM_TEXT, "oneOf": _list(_CLAIM_TEXT, most=16)}


def _claim(fields: Fields, name: str) -> dict[str, Any]:
    rule = fields.child(name)
    if fields.is_mapping(name) and not rule.has("name"):
        rule.refuse("name", "add this field; it is required")
    return _choose(_CLAIM_VALUES, {"name": _text(grammar.CLAIM_NAME)})(fields, name)  # type: ignore[no-any-return]


_JWT: _Table = {
    "issuer": _text(grammar.ISSUER),
    "audiences": _list(_CLAIM_TEXT, most=8),
    "algorithms": _list(
        _one_of("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"), most=8
    ),
    "claims": _list(_claim, most=16),
    "jwks": _block({"url": _text(grammar.ISSUER)}, required=("url",)),
    "header": _HEADER,
    "prefix": _text(grammar.PREFIX),
    **_NOTES,
}
_TABLES: Mapping[AuthType, _Table] = {
    AuthType.HMAC: {**_SIGNED, "algorithm": _HASH, "key": _one_of("utf8", "base64", "whsec", "hex", "digest-sha1")},
    AuthType.SIGNATURE: {
        **_SIGNED,
        "algorithm": _one_of("ed25519", "ecdsa-p256-sha256", "rsa-pkcs1-sha256", "rsa-pkcs1-sha1"),
        "sns": _block({"topics": _list(_text(grammar.TOPIC), most=16), "confirm": Fields.flag}, required=("topics",)),
        "key": _one_of("pem", "base64", "hex", "whsec"),
        "publicKey": _text(grammar.PUBLIC_KEY),
    },
    AuthType.TOKEN: _PLACED,
    AuthType.BASIC: {"header": _HEADER, **_NOTES},
    AuthType.JWT: _JWT,
}
#: What stands at the place that hmac, signature and token need to know.
_CARRIED = {AuthType.HMAC: "signature", AuthType.SIGNATURE: "signature", AuthType.TOKEN: "token"}
#: The member of a block that is a key, not a part of how the scheme works.
_PUBLIC_KEY = "publicKey"


def read_auth(auth: Fields) -> AuthSpec:
    """Read ``spec.auth`` with all rules of the union."""
    kind = auth.choice("type", AuthType)
    spec = _read_block(auth, kind)
    options = _options(auth)
    if kind is not None and (kind is AuthType.ANY_OF) != auth.has("anyOf"):
        auth.refuse("anyOf", WAYS_OF_ANY_OF)
    if kind is AuthType.ANY_OF and (auth.has("provider") or auth.has("secret")):
        auth.refuse("anyOf", OUTSIDE_ANY_OF)
    if kind is AuthType.ANY_OF:
        return AuthSpec(type=kind, options=options)
    return spec


def _options(auth: Fields) -> tuple[AuthSpec, ...]:
    blocks = auth.children("anyOf", least=2, most=4)
    kinds = [block.choice("type", _Way) for block in blocks]
    known = [None if kind is None else AuthType(kind.value) for kind in kinds]
    options = tuple(_read_block(block, kind) for block, kind in zip(blocks, known, strict=True))
    if (
        sum(
            kind in GENERATING and not block.glance("secret").has("ref")
            for block, kind in zip(blocks, known, strict=True)
        )
        > 1
    ):
        auth.refuse("anyOf", ONE_GENERATED)
    return options


def _read_block(auth: Fields, kind: AuthType | None) -> AuthSpec:
    provider = auth.optional_text("provider", grammar.PROVIDER)
    settings = {each: _settings(auth, each) for each in _TABLES}.get(kind or AuthType.NONE, {})
    secret = _secret(auth.child("secret"))
    if kind is None:
        return AuthSpec(type=AuthType.NONE)
    for other in _TABLES:
        if other is not kind and auth.has(other):
            auth.refuse(other, OTHER_TYPE.format(type=other))
    _judge(auth, kind)
    return AuthSpec(
        type=kind,
        provider=provider,
        settings=MappingProxyType({name: value for name, value in settings.items() if name != _PUBLIC_KEY}),
        secret=secret,
        public_key=settings.get(_PUBLIC_KEY),
        key_set=_key_set(kind, settings, secret),
        path=auth.path,
    )


def _settings(auth: Fields, kind: AuthType) -> dict[str, Any]:
    block = auth.child(kind)
    if "source" in _TABLES[kind] and block.has("header") and block.has("source"):
        block.refuse("source", ONE_PLACE)
    required = ("issuer", "audiences", "claims") if kind is AuthType.JWT and auth.is_mapping(kind) else ()
    return _members(block, _TABLES[kind], required)


def _judge(auth: Fields, kind: AuthType) -> None:
    """Check what a type needs and what it cannot have."""
    named, block, secret = auth.has("provider"), auth.glance(kind), auth.glance("secret")
    if kind in _CARRIED and not named and not block.has("header") and not block.has("source"):
        auth.refuse("", NO_PLACE.format(type=kind, what=_CARRIED[kind]))
    if kind in (AuthType.SIGNATURE, AuthType.JWT) and secret.has("rotate"):
        auth.refuse("secret.rotate", NOTHING_ROTATES)
    for name in ("provider", "secret"):
        if kind is AuthType.NONE and auth.has(name):
            auth.refuse(name, OF_NOBODY.format(name=name))
    if kind is AuthType.SIGNATURE:
        if not named and not block.has("algorithm"):
            auth.refuse("", NO_ALGORITHM)
        if block.has("publicKey") == secret.has("ref"):
            auth.refuse("", ONE_PUBLIC_KEY)
    if kind is AuthType.JWT:
        _judge_jwt(auth, block, secret)


def _judge_jwt(auth: Fields, block: Fields, secret: Fields) -> None:
    if not auth.has("jwt"):
        auth.refuse("", NO_JWT)
    if auth.has("provider"):
        auth.refuse("provider", PROVIDER_OF_JWT)
    if block.has("jwks") and secret.has("ref"):
        auth.refuse("secret.ref", ONE_KEY_SET)


def _key_set(kind: AuthType, settings: Mapping[str, Any], secret: SecretPolicy) -> KeySet | None:
    if kind is not AuthType.JWT or secret.ref is not None:
        return None
    return KeySet(issuer=settings.get("issuer", ""), url=settings.get("jwks", {}).get("url"))


def _secret(secret: Fields) -> SecretPolicy:
    ref = _reference(secret.child("ref")) if secret.has("ref") else None
    previous = tuple(_reference(each) for each in secret.children("previousRefs", most=3))
    rotate = secret.optional_text("rotate", grammar.ROTATION)
    if previous and ref is None:
        secret.refuse("previousRefs", LONE_PREVIOUS)
    if ref is not None and rotate is not None:
        secret.refuse("rotate", ROTATED_REFERENCE)
    return SecretPolicy(ref=ref, previous_refs=previous, rotate=rotate, overlap=overlap(secret))


def overlap(fields: Fields) -> int:
    """Read ``overlap``: whole seconds, as expiries are; a part of one counts as one, so that only 0 revokes at once."""
    return math.ceil(fields.duration("overlap", OVERLAP) / 1_000)


def _reference(ref: Fields) -> SecretKeyRef:
    return SecretKeyRef(
        name=ref.text("name", grammar.SECRET_NAME, required=True),
        key=ref.text("key", grammar.SECRET_KEY, default="secret"),
    )

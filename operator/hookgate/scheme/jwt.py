"""Tokens of an identity provider (JSON Web Token, RFC 7519): the rules of one endpoint, and their verification.

    type: jwt
    issuer: https://issuer.example       exactly as tokens name it
    audiences: [NAME, ...]               one of them is enough
    claims: [{name: sub, equals: TEXT} | {name: email, oneOf: [TEXT, ...]}, ...]      all have to hold, at least one
    algorithms: [RS256]                  asymmetric ones only
    header: Authorization
    prefix: "Bearer "                    with another header: none
    jwks: {url: URL}                     where the keys come from, {} by discovery; not read here
    deliveryId, eventType                as in `hookgate.scheme.grammar`

A key is the text of a JSON Web Key Set (RFC 7517). Which algorithm counts is the document's word and the key's kind,
never the token's: its header only chooses among what both allow, and may carry no key nor point to any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hookgate.model.binding import Key
from hookgate.scheme.body import AMBIGUOUS, Number, read_json
from hookgate.scheme.descriptor import HandshakeRule, InvalidDescriptor, Place, SchemeType, SuccessResponse
from hookgate.scheme.encodings import from_base64url
from hookgate.scheme.grammar import COMMON, read_common, read_header, read_prefix
from hookgate.scheme.inputs import Declared, Inputs, compile_note
from hookgate.scheme.keys import Unusable
from hookgate.scheme.request import Reason, Request, Verdict
from hookgate.scheme.where import headers_text, refusals

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

#: By how many seconds the clocks of issuer and receiver may differ.
LEEWAY: Final = 60
MAX_TOKEN: Final = 16_384
MAX_KEYS: Final = 64

_RSA_BITS: Final = range(2048, 8193)
#: The kind of key that an algorithm needs (RFC 7518, section 3.1): its type and, for curves, which.
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
}
#: What a public key consists of; nothing else of a key is looked at or kept.
_PARTS: Final = ("kty", "kid", "alg", "use", "crv", "n", "e", "x", "y")
#: Members of a token's header that bring keys along or change what is signed.
_DANGEROUS: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})
_MEMBERS: Final = COMMON | {"issuer", "audiences", "claims", "algorithms", "header", "prefix", "jwks"}
#: They say nothing about who the bearer is.
_UNTELLING: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
_DATE = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """A document of type jwt, checked."""

    issuer: str
    audiences: frozenset[str]
    claims: tuple[tuple[str, frozenset[str]], ...]
    algorithms: tuple[str, ...]
    header: str
    prefix: str
    delivery_id: Place | None
    event_type: Place | None
    handshake: tuple[HandshakeRule, ...]
    success: SuccessResponse | None


#: The keys of one set that the rules allow, by the key id and algorithm that a token has to name.
_Usable = Mapping[tuple[str, str], "RSAKey | ECKey"]


def parse_token_rules(document: Mapping[str, Any]) -> TokenRules:
    """Read a document of type jwt. Raises `InvalidDescriptor` at the first member that is wrong or missing."""
    for name in document:
        if name not in _MEMBERS:
            raise InvalidDescriptor(str(name), f"not a field of type jwt; allowed: {', '.join(sorted(_MEMBERS))}")
    algorithms = _texts(document.get("algorithms", ["RS256"]), "algorithms")
    if not algorithms <= _KINDS.keys():
        raise InvalidDescriptor("algorithms", f"must be some of {', '.join(_KINDS)}")
    common = read_common(document, SchemeType.JWT)
    return TokenRules(
        issuer=_text(document.get("issuer"), "issuer"),
        audiences=_texts(document.get("audiences"), "audiences"),
        claims=_claims(document.get("claims")),
        algorithms=tuple(sorted(algorithms)),
        header=read_header(document, "Authorization"),
        prefix=read_prefix(document, "" if "header" in document else "Bearer "),
        **common,
    )


def compile_token_verifier(document: Mapping[str, Any], keys: Sequence[Key]) -> Callable[[Request, float], Verdict]:
    """Return the function that judges calls by the rules in ``document`` and the key sets in ``keys``.

    Raises `InvalidDescriptor`. Key sets without a usable key are left out.
    """
    rules, declared = parse_token_rules(document), Declared()
    name, prefix = declared.of(rules.header), rules.prefix.encode()
    delivery, event = compile_note(rules.delivery_id, declared), compile_note(rules.event_type, declared)
    refused = refusals(headers_text([rules.header]))
    usable = [(key, found) for key in keys if not isinstance(found := _usable(rules, key.value.reveal()), Unusable)]

    def verify(request: Request, now: float) -> Verdict:
        current = [entry for entry in usable if entry[0].valid_at(now)]
        if not current:
            return refused[Reason.NO_USABLE_KEY]
        headers = declared.find(request.headers)
        if headers is None:
            return refused[Reason.DUPLICATE_CREDENTIAL]
        value = headers.get(name)
        if value is None:
            return refused[Reason.MISSING_CREDENTIAL]
        token = _without_prefix(value, prefix)
        signed = _open(token, rules, current) if token is not None else Reason.WRONG_PREFIX
        if isinstance(signed, Reason):
            return refused[signed]
        key_id, claims = signed
        objection = _judge(rules, claims, now)
        if objection is not None:
            return refused[objection]
        inputs = Inputs(request, headers)
        return Verdict(accepted=True, key_id=key_id, delivery_id=delivery(inputs), event_type=event(inputs))

    return verify


def check_key_set(document: Mapping[str, Any], value: bytes) -> str | None:
    """Return None for a key set that the rules can use, else one sentence saying what is wrong with it."""
    found = _usable(parse_token_rules(document), value)
    return found.problem if isinstance(found, Unusable) else None


def public_key_set(raw: bytes) -> bytes | Unusable:
    """Return a fetched key set as canonical bytes, with nothing but what makes up public keys.

    So a set that an issuer sends in another order, or with new certificates for old keys, is the same set.
    """
    found = _read(raw)
    if isinstance(found, Unusable):
        return found
    keys = [{part: key[part] for part in _PARTS if type(key.get(part)) is str} for key in found if key["kty"] != "oct"]
    ordered = sorted(keys, key=lambda key: json.dumps(key, sort_keys=True))
    return json.dumps({"keys": ordered}, sort_keys=True, separators=(",", ":")).encode()


def _open(
    token: bytes, rules: TokenRules, current: Sequence[tuple[Key, _Usable]]
) -> tuple[str, Mapping[str, Any]] | Reason:
    """Return the id of the key set that proves the token, and its claims."""
    parts = token.split(b".")
    if len(token) > MAX_TOKEN or len(parts) != 3 or any(part.endswith(b"=") for part in parts):
        return Reason.MALFORMED_CREDENTIAL
    header, claims = _object(parts[0]), _object(parts[1])
    if header is None or claims is None or not from_base64url(parts[2]) or _DANGEROUS & header.keys():
        return Reason.MALFORMED_CREDENTIAL
    algorithm, key_id = header.get("alg"), header.get("kid")
    if type(algorithm) is not str or type(key_id) is not str or algorithm not in rules.algorithms:
        return Reason.MALFORMED_CREDENTIAL
    named = [(key, found[key_id, algorithm]) for key, found in current if (key_id, algorithm) in found]
    proved = [key.id for key, public in named if _is_signed(token, algorithm, public)]
    return (proved[0], claims) if proved else Reason.WRONG_CREDENTIAL


def _is_signed(token: bytes, algorithm: str, public: RSAKey | ECKey) -> bool:
    from joserfc import jws  # noqa: PLC0415 -- many MiB that only this type needs
    from joserfc.errors import JoseError  # noqa: PLC0415

    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        jws.deserialize_compact(token, public, registry=registry)
    except (JoseError, ValueError, TypeError):
        return False
    return True


def _judge(rules: TokenRules, claims: Mapping[str, Any], now: float) -> Reason | None:
    """Judge a genuine token: whose it is comes first, then whether it is in time."""
    audience = claims.get("aud")
    meant = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != rules.issuer or type(claims["iss"]) is not str:
        return Reason.FOREIGN_TOKEN
    if not any(type(each) is str and each in rules.audiences for each in meant):
        return Reason.FOREIGN_TOKEN
    if not all(_spelt(claims.get(name)) in values for name, values in rules.claims):
        return Reason.FOREIGN_TOKEN
    expires, begins, issued = (_moment(claims, name) for name in ("exp", "nbf", "iat"))
    if not isinstance(expires, float) or begins is AMBIGUOUS or issued is AMBIGUOUS:
        return Reason.MALFORMED_CREDENTIAL
    early = any(isinstance(each, float) and now < each - LEEWAY for each in (begins, issued))
    return Reason.STALE if early or now >= expires + LEEWAY else None


def _spelt(value: object) -> str | None:
    """Return a claim's value as a rule is written; None, which equals nothing, for lists, objects and doubtful ones."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else None


def _moment(claims: Mapping[str, Any], name: str) -> object:
    """Return a NumericDate as unix seconds, None if it is absent, `AMBIGUOUS` if it is no such thing."""
    value = claims.get(name)
    if value is None:
        return None
    return float(value) if isinstance(value, Number) and _DATE.fullmatch(value) else AMBIGUOUS


def _object(part: bytes) -> dict[str, Any] | None:
    """Read one part of a token: an object no member of which stands twice."""
    raw = from_base64url(part)
    found = read_json(raw) if raw else None
    return found if isinstance(found, dict) and AMBIGUOUS not in found.values() else None


def _without_prefix(value: bytes, prefix: bytes) -> bytes | None:
    """Take the prefix off. ``Bearer`` is a scheme of RFC 9110, whose name has no case."""
    head = value[: len(prefix)]
    same = head.lower() == prefix.lower() if prefix == b"Bearer " else head == prefix
    return value[len(prefix) :] if same else None


def _usable(rules: TokenRules, raw: bytes) -> _Usable | Unusable:
    """Return what a key set offers under the rules. A key id that stands twice for one algorithm names no key."""
    listed = _read(raw)
    if isinstance(listed, Unusable):
        return listed
    found: dict[tuple[str, str], RSAKey | ECKey] = {}
    twice = set[tuple[str, str]]()
    for key in listed:
        public = _import(key)
        if public is None:
            continue
        for algorithm in rules.algorithms:
            if _fits(key, algorithm):
                name = (str(key["kid"]), algorithm)
                twice |= {name} & found.keys()
                found[name] = public
    usable = {name: public for name, public in found.items() if name not in twice}
    return usable or Unusable(problem=f"The key set has no public key with a kid for {', '.join(rules.algorithms)}.")


def _read(raw: bytes) -> list[dict[str, Any]] | Unusable:
    document = read_json(raw)
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) and type(key.get("kty")) is str for key in keys):
        return Unusable(problem="The value is no JSON Web Key Set: an object with a list of keys.")
    if not 0 < len(keys) <= MAX_KEYS:
        return Unusable(problem=f"The key set must have 1 to {MAX_KEYS} keys.")
    return keys


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    kind, curve = _KINDS[algorithm]
    same = key["kty"] == kind and (not curve or key.get("crv") == curve)
    return same and key.get("alg", algorithm) == algorithm and key.get("use", "sig") == "sig"


def _import(key: Mapping[str, Any]) -> RSAKey | ECKey | None:
    """Return the key behind one entry of a set, None where it is none that tokens could be trusted by."""
    if type(key.get("kid")) is not str or not key["kid"]:
        return None
    from joserfc.errors import JoseError  # noqa: PLC0415 -- see `_is_signed`
    from joserfc.jwk import ECKey, RSAKey, import_key  # noqa: PLC0415

    if key["kty"] == "RSA" and _bits(key.get("n")) not in _RSA_BITS:
        return None
    try:
        public = import_key({part: key[part] for part in ("kty", "crv", "n", "e", "x", "y") if part in key})
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return public if isinstance(public, RSAKey | ECKey) else None


def _bits(number: object) -> int:
    raw = from_base64url(number.encode("utf-8", "replace")) if isinstance(number, str) else None
    return int.from_bytes(raw or b"").bit_length()


def _claims(value: object) -> tuple[tuple[str, frozenset[str]], ...]:
    if not isinstance(value, list | tuple) or not value:
        raise InvalidDescriptor("claims", "missing: at least one rule has to say whose tokens are taken")
    return tuple(_claim(rule, f"claims[{i}]") for i, rule in enumerate(value))


def _claim(rule: object, at: str) -> tuple[str, frozenset[str]]:
    if not isinstance(rule, Mapping) or rule.keys() not in ({"name", "equals"}, {"name", "oneOf"}):
        raise InvalidDescriptor(at, "must be an object with name and either equals or oneOf")
    name = _text(rule["name"], at)
    if name in _UNTELLING:
        raise InvalidDescriptor(at, f"{name} does not say whose token it is")
    return name, _texts(rule["oneOf"], at) if "oneOf" in rule else frozenset({_text(rule["equals"], at)})


def _texts(value: object, at: str) -> frozenset[str]:
    if not isinstance(value, list | tuple) or not value:
        raise InvalidDescriptor(at, "must be a list of at least one text")
    return frozenset(_text(each, at) for each in value)


def _text(value: object, at: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidDescriptor(at, "missing: must be a text that is not empty")
    return value

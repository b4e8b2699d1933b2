"""The sender's side: a call signed the way a descriptor asks, for trying an endpoint and for tests.

Pure like the rest of the package: the clock's reading and the delivery's name come from the caller. Schemes that sign
a field of the body or the query change those too, so send what `Signed` holds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from hookgate.scheme.asymmetric import make_signature
from hookgate.scheme.descriptor import Descriptor, FormatKind, InvalidDescriptor, Origin, Place, SchemeType
from hookgate.scheme.encodings import ENCODERS
from hookgate.scheme.grammar import parse
from hookgate.scheme.inputs import Declared, Inputs
from hookgate.scheme.jwt import parse_token_rules
from hookgate.scheme.keys import Unusable, secret_bytes
from hookgate.scheme.message import compile_message
from hookgate.scheme.request import Reason, Request
from hookgate.scheme.times import WRITERS
from hookgate.scheme.ways import is_jwt, ways

__all__ = ["CannotSign", "InvalidDescriptor", "Signed", "sign"]


class CannotSign(ValueError):  # noqa: N818 -- what happened
    """The descriptor, the key or the context does not allow a signed call. The text never repeats the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What to send: headers in order, the body, and the query that belongs behind the URL. None of it prints."""

    headers: list[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    query: bytes = field(default=b"", repr=False)


class _Draft:
    """A call in the making."""

    def __init__(self, method: str, body: bytes, url: str | None, *, spoiled: bool) -> None:
        self.method, self.spoiled = method, spoiled
        self.headers: list[tuple[str, str]] = []
        self.body = body
        self.query = (url or "").partition("?")[2].encode()

    def put(self, place: Place, text: str) -> None:
        match place.origin:
            case Origin.JSON:
                self.body = _with_member(self.body, place.name.split("."), text)
            case Origin.FORM:
                self.body = _with_field(self.body, place.name, text)
            case Origin.QUERY:
                self.query = _with_field(self.query, place.name, text)
            case Origin.KV | Origin.INDEX:
                raise AssertionError("written with the signature")
            case _:
                self.headers.append((place.headers[0], text))

    def request(self) -> Request:
        headers = [(name.lower().encode(), value.encode()) for name, value in self.headers]
        return Request(method=self.method, headers=headers, query=self.query, body=self.body)


def sign(  # noqa: PLR0913 -- everything that a scheme may sign, by name
    document: Mapping[str, Any],
    key: bytes,
    *,
    body: bytes,
    now: float,
    method: str = "POST",
    url: str | None = None,
    delivery_id: str | None = None,
    spoiled: bool = False,
) -> Signed:
    """Return a call that passes the verifier of the same document and key; with ``spoiled`` one that does not.

    ``now`` is in unix seconds, ``url`` the endpoint's declared URL with the query that the sender adds, ``key`` the
    secret's text, or for asymmetric schemes the private key in PEM, or for type jwt a token that its issuer made. Of
    several schemes the first is used.

    Raises `InvalidDescriptor` for a document that is no descriptor and `CannotSign` for a key that the scheme cannot
    use, for a body that has not the shape the scheme signs, or for a missing ``url`` or ``delivery_id`` that the scheme
    signs.
    """
    way = ways(document)[0]
    if is_jwt(way):
        rules = parse_token_rules(way)
        return Signed(headers=[(rules.header, rules.prefix + key.decode("ascii", "replace"))], body=body)
    descriptor = parse(way)
    draft = _Draft(method, body, url, spoiled=spoiled)
    if (
        delivery_id is not None
        and descriptor.delivery_id is not None
        and _insertable(descriptor, descriptor.delivery_id)
    ):
        draft.put(descriptor.delivery_id, delivery_id)
    if descriptor.source is not None:
        _put_credential(draft, descriptor, key, now, url)
    return Signed(headers=draft.headers, body=draft.body, query=draft.query)


def _insertable(descriptor: Descriptor, place: Place) -> bool:
    """A name in the body is the body's own, unless the scheme signs exactly that member."""
    return place.origin is Origin.HEADER or (descriptor.covers(place) and not descriptor.covers_body)


def _put_credential(draft: _Draft, descriptor: Descriptor, key: bytes, now: float, url: str | None) -> None:
    if descriptor.needs_url and url is None:
        raise CannotSign("The scheme signs the endpoint's URL: give it.")
    time, rule = "", descriptor.timestamp
    if rule is not None:
        time = WRITERS[rule.notation](now)
        if rule.place.origin not in (Origin.KV, Origin.INDEX):
            draft.put(rule.place, time)
    if descriptor.body_digest is not None:
        plain = hashlib.new(descriptor.body_digest.algorithm.value, draft.body, usedforsecurity=False).digest()
        draft.put(descriptor.body_digest.place, ENCODERS[descriptor.body_digest.encoding](plain).decode())
    assert descriptor.source is not None, "the caller checks"
    credential = _credential(descriptor, draft, key, time, url)
    if draft.spoiled:
        credential = credential[:-1] + ("1" if credential.endswith("0") else "0")
    draft.put(descriptor.source, _written(descriptor, credential, time))


def _credential(descriptor: Descriptor, draft: _Draft, key: bytes, time: str, url: str | None) -> str:
    if descriptor.type is SchemeType.SIGNATURE:
        made = make_signature(descriptor, key, _message(descriptor, draft, time, url))
        return ENCODERS[descriptor.encoding](_usable(made)).decode()
    secret = _usable(secret_bytes(descriptor, key))
    if descriptor.type is SchemeType.BASIC:
        return "Basic " + base64.b64encode(secret).decode()
    if descriptor.type is SchemeType.TOKEN:
        return secret.decode("utf-8")
    mac = hmac.digest(secret, _message(descriptor, draft, time, url), descriptor.algorithm.value)
    return ENCODERS[descriptor.encoding](mac).decode()


def _usable(value: bytes | Unusable) -> bytes:
    if isinstance(value, Unusable):
        raise CannotSign(value.problem)
    return value


def _message(descriptor: Descriptor, draft: _Draft, time: str, url: str | None) -> bytes:
    declared = Declared()
    build = compile_message(descriptor, declared, url)
    request = draft.request()
    found = declared.find(request.headers)
    message = build(Inputs(request, found), time.encode()) if found is not None else Reason.DUPLICATE_CREDENTIAL
    if isinstance(message, Reason):
        raise CannotSign(
            f"The call lacks what the scheme signs, such as a delivery id or a field of its body ({message})."
        )
    return message


def _written(descriptor: Descriptor, credential: str, time: str) -> str:
    shape, rule = descriptor.format, descriptor.timestamp
    match shape.kind:
        case FormatKind.PLAIN | FormatKind.LIST:
            return descriptor.prefix + (f"key{shape.behind}" if shape.behind else "") + credential
        case FormatKind.KV_LIST:
            pairs = [f"{rule.place.name}={time}"] if rule is not None and rule.place.origin is Origin.KV else []
            return shape.separator.join([*pairs, f"{shape.key}={credential}"])
        case FormatKind.POSITIONAL:
            items = [""] * shape.first
            if rule is not None and rule.place.origin is Origin.INDEX:
                items[int(rule.place.name)] = time
            return shape.separator.join([*items, credential])


def _with_member(body: bytes, path: list[str], text: str) -> bytes:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise CannotSign("The body is no JSON document.") from None
    nodes = [document]
    for step in path[:-1]:
        nodes = [following for node in nodes for following in _following(node, step)]
    for node in nodes:
        if not isinstance(node, dict):
            raise CannotSign(f"The body has no place for {'.'.join(path)}.")
        node[path[-1]] = text
    return json.dumps(document, separators=(",", ":")).encode()


def _following(node: Any, step: str) -> list[Any]:
    if isinstance(node, list):
        return node if step == "*" else node[int(step) : int(step) + 1] if step.isdecimal() else []
    return [node.setdefault(step, {})] if isinstance(node, dict) else []


def _with_field(encoded: bytes, name: str, text: str) -> bytes:
    pair = f"{quote_plus(name)}={quote_plus(text)}".encode()
    return encoded + b"&" + pair if encoded else pair

"""The contract between the control plane and the receivers: one binding per endpoint, and the digest that names it.

A binding holds everything that a receiver needs to serve one endpoint and is the authority for its path and keys.
The control plane encodes it into a Secret (or a file); receivers decode it into the table they serve from. This module
may not know how either side stores or moves it.

Across versions of this contract three members keep their meaning for ever: ``version``, ``uid`` and ``path``. A
receiver that meets a newer version can therefore answer 503 on that path instead of guessing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from hookgate.model.grammar import NETWORK
from hookgate.model.rate import Rate
from hookgate.model.replay import USUAL, ReplayMode, ReplayPolicy
from hookgate.model.sensitive import Sensitive

_T = TypeVar("_T")

VERSION = 1
#: The one data key of a binding Secret.
DATA_KEY = "binding"
#: Random segment of an endpoint's path: 160 bits as lower-case base32 without padding.
SEGMENT_LENGTH = 32
_SEGMENT_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz234567")


class UndecodableBinding(ValueError):  # noqa: N818 -- what happened, not a mistake of the caller
    """The bytes are no binding. The text never repeats them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One secret that verifies. ``created`` and ``expires`` are unix seconds; no ``expires`` means the key is current.

    ``id`` is random, names the key in reports and says nothing about its value. ``option`` is the position of the way
    that the key proves, in a descriptor with several.
    """

    id: str
    value: Sensitive
    created: int
    expires: int | None = None
    option: int = 0

    def valid_at(self, now: float) -> bool:
        """Tell whether the key still verifies at ``now`` (unix seconds). Receivers ask this on every call."""
        return self.expires is None or now < self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredPath:
    """A path that was replaced and still works until ``expires`` (unix seconds)."""

    segment: str
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One endpoint as receivers serve it.

    ``segment`` is None until the first activation. ``auth`` is the resolved descriptor, which `hookgate.scheme` reads.
    ``keys`` are newest first; an endpoint of type ``none`` has none. ``nonce`` is random hex: it
    makes the digest useless for guessing keys. ``form`` names the format that generated keys were made in,
    "" where none were; they stand before those of other origin, see `generated`. ``rotated`` holds the last rotation
    requests seen, by where they were asked.
    ``closed``: path and keys are kept, but the endpoint may not be served, so its path answers as an unknown one.
    ``rate``, ``max_in_flight`` and ``allowed_networks`` bound its calls, and how many and from where they may come;
    without them there is no such bound. ``forward_keys`` sign what goes to the target, newest first.
    ``ca`` are the certificates (PEM) that an https target is verified by; None: those of the receiver's system.
    ``edition`` counts the changes, so that a binding which says again what it once said has other bytes and is
    confirmed anew; the ``nonce`` stays, since marks of calls are made with it.
    """

    uid: str
    namespace: str
    name: str
    active: bool
    closed: bool = False
    auth: Mapping[str, Any]
    keys: tuple[Key, ...]
    nonce: str
    target: str
    timeout_ms: int
    max_body_bytes: int
    inactive_response: int = 503
    segment: str | None = None
    url: str | None = None
    form: str = ""
    rotated: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    retired: tuple[RetiredPath, ...] = ()
    replay: ReplayPolicy = USUAL
    rate: Rate | None = None
    max_in_flight: int | None = None
    allowed_networks: tuple[str, ...] = ()
    forward_keys: tuple[Key, ...] = ()
    ca: str | None = None
    edition: int = 0

    @property
    def generated(self) -> tuple[Key, ...]:
        """The keys that were generated, newest first: those of the option that the first key belongs to."""
        return tuple(k for k in self.keys if k.option == self.keys[0].option) if self.form else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewerBinding:
    """A binding of a later version of this contract: served as 503 on its path, never accepted."""

    uid: str
    segment: str | None


def encode(binding: Binding) -> bytes:
    """Return the canonical bytes of a binding: JSON with sorted keys, so that equal bindings have equal bytes."""
    document: dict[str, Any] = {
        "version": VERSION,
        "uid": binding.uid,
        "path": binding.segment,
        "namespace": binding.namespace,
        "name": binding.name,
        "active": binding.active,
        "closed": binding.closed,
        "auth": dict(binding.auth),
        "keys": [_encode_key(k) for k in binding.keys],
        "nonce": binding.nonce,
        "target": binding.target,
        "timeoutMs": binding.timeout_ms,
        "maxBodyBytes": binding.max_body_bytes,
        "inactiveResponse": binding.inactive_response,
        "url": binding.url,
        "form": binding.form,
        "rotated": dict(binding.rotated),
        "retired": [{"path": r.segment, "expires": r.expires} for r in binding.retired],
        **_encode_replay(binding.replay),
        **_encode_optional(binding),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def decode(raw: bytes) -> Binding | NewerBinding:
    """Read what `encode` wrote.

    Raises `UndecodableBinding` for anything else; the text names the member at fault and never a value.
    """
    try:
        document = json.loads(raw)
        version, uid, segment = document["version"], _text(document, "uid"), document["path"]
        if segment is not None:
            _check_segment(segment)
        if not isinstance(version, int) or version < 1:
            raise UndecodableBinding("version: not a positive number")
        if version > VERSION:
            return NewerBinding(uid=uid, segment=segment)
        return _decode_current(document, uid, segment)
    except UndecodableBinding:
        raise
    except KeyError as error:
        raise UndecodableBinding(f"{error.args[0]}: missing") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UndecodableBinding(f"not a binding document ({type(error).__name__})") from None


def segments_in(raw: bytes) -> frozenset[str]:
    """Return the path segments that encoded bytes claim, retired ones too; none where they cannot be read."""
    try:
        found = decode(raw)
    except UndecodableBinding:
        return frozenset()
    retired = found.retired if isinstance(found, Binding) else ()
    return frozenset(s for s in (found.segment, *(r.segment for r in retired)) if s is not None)


def digest(raw: bytes) -> str:
    """Name a binding by its bytes: SHA-256, hex. Not secret, since every binding carries a random nonce."""
    return hashlib.sha256(raw).hexdigest()


def _encode_key(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "value": base64.b64encode(key.value.reveal()).decode(),
        "created": key.created,
        "expires": key.expires,
        # Left out where there is one way, so that a new version of this project leaves such bindings as they are.
        **({"option": key.option} if key.option else {}),
    }


def _encode_replay(policy: ReplayPolicy) -> dict[str, Any]:
    """Write the policy, left out where it is the usual one, for the sake of older bindings."""
    if policy == USUAL:
        return {}
    return {"replay": {"mode": policy.mode.value, "window": policy.window, "required": policy.required}}


def _decode_replay(raw: Mapping[str, Any]) -> ReplayPolicy:
    window = _typed(raw, "window", int)
    return ReplayPolicy(mode=ReplayMode(raw["mode"]), window=window, required=_typed(raw, "required", bool))


def _encode_optional(binding: Binding) -> dict[str, Any]:
    """Return the members that are left out where they say nothing, so that older bindings stay as they are."""
    rate = binding.rate
    members: dict[str, Any] = {
        "rate": rate and {"requests": rate.requests, "perMs": rate.per_ms, "burst": rate.burst},
        "maxInFlight": binding.max_in_flight,
        "allowedNetworks": list(binding.allowed_networks),
        "ca": binding.ca,
        "edition": binding.edition,
        "forwardKeys": [_encode_key(k) for k in binding.forward_keys],
    }
    return {name: value for name, value in members.items() if value}


def _decode_current(document: Mapping[str, Any], uid: str, segment: str | None) -> Binding:
    return Binding(
        uid=uid,
        segment=segment,
        namespace=_text(document, "namespace"),
        name=_text(document, "name"),
        active=_typed(document, "active", bool),
        closed=_typed(document, "closed", bool),
        auth=MappingProxyType(_typed(document, "auth", dict)),
        keys=tuple(_decode_key(k) for k in _typed(document, "keys", list)),
        nonce=_text(document, "nonce"),
        target=_text(document, "target"),
        timeout_ms=_typed(document, "timeoutMs", int),
        max_body_bytes=_typed(document, "maxBodyBytes", int),
        inactive_response=_typed(document, "inactiveResponse", int),
        url=None if document["url"] is None else _text(document, "url"),
        form=_typed(document, "form", str),
        rotated=MappingProxyType(_typed(document, "rotated", dict)),
        retired=tuple(_decode_retired(r) for r in document.get("retired", ())),
        replay=_decode_replay(document["replay"]) if "replay" in document else USUAL,
        rate=_decode_rate(_typed(document, "rate", dict)) if "rate" in document else None,
        max_in_flight=_positive(document, "maxInFlight") if "maxInFlight" in document else None,
        allowed_networks=_decode_networks(document),
        ca=_text(document, "ca") if "ca" in document else None,
        edition=_positive(document, "edition") if "edition" in document else 0,
        forward_keys=tuple(_decode_key(k) for k in _typed(document, "forwardKeys", list))
        if "forwardKeys" in document
        else (),
    )


def _decode_rate(raw: Mapping[str, Any]) -> Rate:
    return Rate(requests=_positive(raw, "requests"), per_ms=_positive(raw, "perMs"), burst=_positive(raw, "burst"))


def _decode_networks(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Read who may call. A list that is there and says nothing would let everybody in, so it is none."""
    if "allowedNetworks" not in document:
        return ()
    found = _typed(document, "allowedNetworks", list)
    if not found or any(not isinstance(each, str) or NETWORK.fault(each) for each in found):
        raise UndecodableBinding("allowedNetworks: not a list of networks")
    return tuple(found)


def _decode_key(raw: Mapping[str, Any]) -> Key:
    value = base64.b64decode(_text(raw, "value"), validate=True)
    if not value:
        raise UndecodableBinding("keys: an empty key")
    expires = raw["expires"]
    if expires is not None and not isinstance(expires, int):
        raise UndecodableBinding("keys: expires is not a number")
    option = _typed(raw, "option", int) if "option" in raw else 0
    created = _typed(raw, "created", int)
    return Key(id=_text(raw, "id"), value=Sensitive(value), created=created, expires=expires, option=option)


def _decode_retired(raw: Mapping[str, Any]) -> RetiredPath:
    _check_segment(raw["path"])
    return RetiredPath(segment=raw["path"], expires=_typed(raw, "expires", int))


def _check_segment(segment: object) -> None:
    if not isinstance(segment, str) or len(segment) != SEGMENT_LENGTH or not _SEGMENT_ALPHABET.issuperset(segment):
        raise UndecodableBinding("path: not a path segment")


def _positive(document: Mapping[str, Any], name: str) -> int:
    value = _typed(document, name, int)
    if value < 1:
        raise UndecodableBinding(f"{name}: not positive")
    return value


def _text(document: Mapping[str, Any], name: str) -> str:
    value = _typed(document, name, str)
    if not value:
        raise UndecodableBinding(f"{name}: empty")
    return value


def _typed(document: Mapping[str, Any], name: str, kind: type[_T]) -> _T:
    value = document[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UndecodableBinding(f"{name}: not of type {kind.__name__}")
    return value

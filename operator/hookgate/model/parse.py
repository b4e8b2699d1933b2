"""From a manifest to a `WebhookEndpoint`: the rules that the CRD states in CEL, in Python, with the same messages.

An API server has already applied them to every object that it stores; a folder of manifests has nobody else to do it.
Since an object may have been stored under an older schema, nothing is taken for granted here: whatever the input, the
outcome is an endpoint or an `InvalidSpec` with every error. This module may not know presets, platform policy or any
other object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from hookgate.model import grammar
from hookgate.model.endpoint import (
    AuthSpec,
    AuthType,
    DeletionPolicy,
    EndpointSpec,
    FieldError,
    InvalidSpec,
    SecretKeyRef,
    SecretPolicy,
    ServiceTarget,
    State,
    Target,
    WebhookEndpoint,
    default_secret_name,
)
from hookgate.model.fields import Fields

NAME_TOO_LONG = "choose a name of at most 63 characters, because it is used as a label value"
OTHER_TYPE = "remove {type}, or set auth.type to {type}"
PROVIDER_OF_NOBODY = "remove provider, because type none authenticates nobody"
SECRET_OF_NOBODY = "remove secret, because type none authenticates nobody"  # noqa: S105 -- a message
NO_HEADER = "name a provider, or the header that carries the {what} in auth.{type}.header"
LONE_PREVIOUS = "add ref beside previousRefs, or remove previousRefs"
ROTATED_REFERENCE = (
    "remove rotate, because a referenced secret is not rotated here: put the new one into ref and the old one into "
    "previousRefs"
)
ONE_TARGET = "give exactly one of service and url"

_INACTIVE_RESPONSES = (503, 404, 410)
#: The types whose secret travels in a header of the user's choice, and what that header carries.
_CARRIED = {AuthType.HMAC: "signature", AuthType.TOKEN: "token"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """The durations that a field takes, in milliseconds, and what to say about all others."""

    default: int
    low: int
    high: int
    message: str


_HOUR = 3_600_000
_OVERLAP = _Span(
    default=24 * _HOUR,
    low=0,
    high=720 * _HOUR,
    message="write one number and one unit, such as 24h or 30m, from 0s to 720h",
)
_TIMEOUT = _Span(
    default=10_000,
    low=100,
    high=60_000,
    message="write one number and one unit, such as 10s or 500ms, from 100ms to 60s",
)


class _Algorithm(StrEnum):
    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


class _Encoding(StrEnum):
    HEX = "hex"
    BASE64 = "base64"


def parse_endpoint(manifest: Mapping[str, Any]) -> WebhookEndpoint:
    """Read a manifest, whether its defaults are filled in yet or not; unknown members are passed over.

    Raises `InvalidSpec` with every error found.
    """
    errors: list[FieldError] = []
    root = Fields(manifest, "", errors)
    meta = root.child("metadata", required=True)
    name = meta.text("name", required=True)
    if len(name) > 63:
        meta.refuse("name", NAME_TOO_LONG)
    endpoint = WebhookEndpoint(
        namespace=meta.text("namespace") or "default",
        name=name,
        uid=meta.text("uid"),
        generation=meta.number("generation", 0),
        deleting=meta.has("deletionTimestamp"),
        annotations=meta.texts("annotations"),
        spec=_spec(root.child("spec", required=True), name),
    )
    if errors:
        raise InvalidSpec(*errors)
    return endpoint


def _spec(spec: Fields, name: str) -> EndpointSpec:
    response = spec.number("inactiveResponse", 503)
    if response not in _INACTIVE_RESPONSES:
        spec.refuse("inactiveResponse", f"write one of {', '.join(map(str, _INACTIVE_RESPONSES))}")
    return EndpointSpec(
        state=spec.choice("state", State, State.ACTIVE) or State.ACTIVE,
        inactive_response=response,
        deletion_policy=spec.choice("deletionPolicy", DeletionPolicy, DeletionPolicy.DELETE) or DeletionPolicy.DELETE,
        secret_name=spec.text("secretName", grammar.SECRET_NAME, default=default_secret_name(name)),
        auth=_auth(spec.child("auth", required=True)),
        target=_target(spec.child("target", required=True)),
        max_body_bytes=spec.child("limits").number("maxBodyBytes", 1_048_576, low=1, high=10_485_760),
        host=spec.child("exposure").optional_text("host", grammar.HOST),
        rotate_url=spec.child("exposure").optional_text("rotateURL", grammar.ROTATION),
        url_overlap=_overlap(spec.child("exposure")),
    )


def _auth(auth: Fields) -> AuthSpec:
    kind = auth.choice("type", AuthType)
    provider = auth.optional_text("provider", grammar.PROVIDER)
    settings = {AuthType.HMAC: _hmac(auth.child("hmac")), AuthType.TOKEN: _token(auth.child("token"))}
    secret = _secret(auth.child("secret"))
    if kind is None:
        return AuthSpec(type=AuthType.NONE)
    for other in settings:
        if other is not kind and auth.has(other):
            auth.refuse(other, OTHER_TYPE.format(type=other))
    if kind is AuthType.NONE:
        if auth.has("provider"):
            auth.refuse("provider", PROVIDER_OF_NOBODY)
        if auth.has("secret"):
            auth.refuse("secret", SECRET_OF_NOBODY)
    elif provider is None and "header" not in settings[kind]:
        auth.refuse("", NO_HEADER.format(type=kind, what=_CARRIED[kind]))
    return AuthSpec(type=kind, provider=provider, settings=MappingProxyType(settings.get(kind, {})), secret=secret)


def _hmac(hmac: Fields) -> dict[str, Any]:
    hmac.text("header", grammar.HEADER)
    hmac.choice("algorithm", _Algorithm, _Algorithm.SHA256)
    hmac.choice("encoding", _Encoding, _Encoding.HEX)
    hmac.text("prefix", grammar.PREFIX)
    return _given(hmac, "header", "algorithm", "encoding", "prefix")


def _token(token: Fields) -> dict[str, Any]:
    token.text("header", grammar.HEADER)
    token.text("prefix", grammar.PREFIX)
    return _given(token, "header", "prefix")


def _given(fields: Fields, *names: str) -> dict[str, Any]:
    return {name: fields.value[name] for name in names if fields.has(name)}


def _secret(secret: Fields) -> SecretPolicy:
    ref = _reference(secret.child("ref")) if secret.has("ref") else None
    previous = tuple(_reference(each) for each in secret.children("previousRefs", most=3))
    rotate = secret.optional_text("rotate", grammar.ROTATION)
    if previous and ref is None:
        secret.refuse("previousRefs", LONE_PREVIOUS)
    if ref is not None and rotate is not None:
        secret.refuse("rotate", ROTATED_REFERENCE)
    return SecretPolicy(ref=ref, previous_refs=previous, rotate=rotate, overlap=_overlap(secret))


def _overlap(fields: Fields) -> int:
    """Whole seconds, as expiries are; a part of one counts as one, so that only 0 revokes at once."""
    return math.ceil(_duration(fields, "overlap", _OVERLAP) / 1_000)


def _reference(ref: Fields) -> SecretKeyRef:
    return SecretKeyRef(
        name=ref.text("name", grammar.SECRET_NAME, required=True),
        key=ref.text("key", grammar.SECRET_KEY, default="secret"),
    )


def _target(target: Fields) -> Target:
    if target.has("service") == target.has("url"):
        target.refuse("", ONE_TARGET)
    return Target(
        service=_service(target.child("service")) if target.has("service") else None,
        url=target.optional_text("url", grammar.URL),
        timeout_ms=_duration(target, "timeout", _TIMEOUT),
    )


def _service(service: Fields) -> ServiceTarget:
    return ServiceTarget(
        name=service.text("name", grammar.SERVICE_NAME, required=True),
        port=service.number("port", 80, required=True, low=1, high=65_535),
        path=service.text("path", grammar.PATH, default="/"),
    )


def _duration(fields: Fields, name: str, span: _Span) -> int:
    if not isinstance(fields.get(name, str, "a string"), str):
        return span.default
    value = grammar.duration_ms(fields.value[name])
    if value is not None and span.low <= value <= span.high:
        return value
    fields.refuse(name, span.message)
    return span.default

"""From a manifest to a `WebhookEndpoint`: the rules that the CRD states in CEL, in Python, with the same messages.

An API server has already applied them to every object that it stores; a folder of manifests has nobody else to do it.
Since an object may have been stored under an older schema, nothing is taken for granted here: whatever the input, the
outcome is an endpoint or an `InvalidSpec` with every error. This module may not know presets, platform policy or any
other object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookgate.model import grammar
from hookgate.model.endpoint import (
    DeletionPolicy,
    EndpointSpec,
    FieldError,
    InvalidSpec,
    Scheme,
    SecretKeyRef,
    ServiceTarget,
    State,
    Target,
    WebhookEndpoint,
    default_secret_name,
)
from hookgate.model.fields import Fields
from hookgate.model.grammar import Span
from hookgate.model.parse_auth import overlap, read_auth
from hookgate.model.rate import Rate
from hookgate.model.replay import ReplayMode, ReplayPolicy

NAME_TOO_LONG = "choose a name of at most 63 characters, because it is used as a label value"
ONE_TARGET = "give exactly one of service and url"
CA_NEEDS_HTTPS = "remove ca, or name an https target: a URL that begins with https://, or a service with scheme https"
NOTHING_REQUIRED = "remove required, or choose another mode than Disabled"

_INACTIVE_RESPONSES = (503, 404, 410)
_TIMEOUT = Span(
    default=10_000,
    low=100,
    high=60_000,
    message="write one number and one unit, such as 10s or 500ms, from 100ms to 60s",
)
_WINDOW = Span(
    default=24 * 3_600_000,
    low=60_000,
    high=168 * 3_600_000,
    message="write one number and one unit, such as 24h or 30m, from 1m to 168h",
)
#: For how long a rate counts.
RATE_PER = Span(
    default=1_000,
    low=1_000,
    high=86_400_000,
    message="write one number and one unit, such as 1s, 5m or 1h, from 1s to 24h",
)
_MOST_CALLS = 1_000_000
_MOST_IN_FLIGHT = 10_000
_MOST_NETWORKS = 128


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
    limits = spec.child("limits")
    return EndpointSpec(
        state=spec.choice("state", State, State.ACTIVE) or State.ACTIVE,
        inactive_response=response,
        deletion_policy=spec.choice("deletionPolicy", DeletionPolicy, DeletionPolicy.DELETE) or DeletionPolicy.DELETE,
        secret_name=spec.text("secretName", grammar.SECRET_NAME, default=default_secret_name(name)),
        auth=read_auth(spec.child("auth", required=True)),
        target=_target(spec.child("target", required=True)),
        max_body_bytes=limits.number("maxBodyBytes", 1_048_576, low=1, high=10_485_760),
        rate=read_rate(limits.child("rate")) if limits.has("rate") else None,
        max_in_flight=limits.number("maxInFlight", 1, low=1, high=_MOST_IN_FLIGHT)
        if limits.has("maxInFlight")
        else None,
        allowed_networks=tuple(limits.each("allowCIDRs", _network, least=1, most=_MOST_NETWORKS)),
        host=spec.child("exposure").optional_text("host", grammar.HOST),
        rotate_url=spec.child("exposure").optional_text("rotateURL", grammar.ROTATION),
        url_overlap=overlap(spec.child("exposure")),
        replay=_replay(spec.child("replay")),
    )


def _replay(replay: Fields) -> ReplayPolicy:
    mode = replay.choice("mode", ReplayMode, ReplayMode.AUTO) or ReplayMode.AUTO
    required = replay.flag("required")
    if required and mode is ReplayMode.OFF:
        replay.refuse("required", NOTHING_REQUIRED)
    return ReplayPolicy(mode=mode, window=replay.duration("window", _WINDOW) // 1_000, required=required)


def read_rate(rate: Fields) -> Rate:
    requests = rate.number("requests", 1, required=True, low=1, high=_MOST_CALLS)
    return Rate(
        requests=requests,
        per_ms=rate.duration("per", RATE_PER),
        burst=rate.number("burst", requests, low=1, high=_MOST_CALLS),
    )


def _network(item: Fields, name: str) -> str:
    return item.text(name, grammar.NETWORK)


def _target(target: Fields) -> Target:
    if target.has("service") == target.has("url"):
        target.refuse("", ONE_TARGET)
    url = target.optional_text("url", grammar.URL)
    service = target.glance("service").value.get("scheme")
    if target.has("ca") and service != "https" and not (url or "").startswith("https://"):
        target.refuse("ca", CA_NEEDS_HTTPS)
    return Target(
        service=_service(target.child("service")) if target.has("service") else None,
        url=url,
        ca=_authority(target.child("ca")) if target.has("ca") else None,
        timeout_ms=target.duration("timeout", _TIMEOUT),
        rotate_signing=target.child("signing").optional_text("rotate", grammar.ROTATION),
        signing_overlap=overlap(target.child("signing")),
    )


def _authority(ca: Fields) -> SecretKeyRef:
    return SecretKeyRef(
        name=ca.text("name", grammar.SECRET_NAME, required=True),
        key=ca.text("key", grammar.SECRET_KEY, default="ca.crt"),
    )


def _service(service: Fields) -> ServiceTarget:
    return ServiceTarget(
        name=service.text("name", grammar.SERVICE_NAME, required=True),
        port=service.number("port", 80, required=True, low=1, high=65_535),
        path=service.text("path", grammar.PATH, default="/"),
        scheme=str(service.choice("scheme", Scheme, Scheme.HTTP) or Scheme.HTTP),
    )

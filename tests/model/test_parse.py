"""parse_endpoint: what values a manifest becomes, and that nothing but InvalidSpec comes of anything else.

Which manifests are refused, and why, is in tests/corpus.
"""

from __future__ import annotations

from typing import Any

import pytest

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
)
from hookgate.model.parse import parse_endpoint
from hookgate.model.rate import Rate


def manifest(**spec: Any) -> dict[str, Any]:
    """Return a manifest with the least that it needs, and ``spec`` over it."""
    least = {"auth": {"type": "hmac", "provider": "github"}, "target": {"service": {"name": "ci", "port": 8080}}}
    return {"metadata": {"name": "push"}, "spec": {**least, **spec}}


def test_what_is_not_given_has_its_default() -> None:
    """A manifest that nobody has filled in means the same as one that an API server has."""
    assert parse_endpoint(manifest()) == WebhookEndpoint(
        namespace="default",
        name="push",
        uid="",
        generation=0,
        deleting=False,
        annotations={},
        spec=EndpointSpec(
            state=State.ACTIVE,
            auth=AuthSpec(type=AuthType.HMAC, provider="github", settings={}, secret=SecretPolicy()),
            target=Target(service=ServiceTarget(name="ci", port=8080, path="/"), timeout_ms=10_000),
            secret_name="push-webhook",
            inactive_response=503,
            deletion_policy=DeletionPolicy.DELETE,
            max_body_bytes=1_048_576,
            host=None,
        ),
    )


def test_what_is_given_is_read() -> None:
    """Every field of the spec arrives where it belongs."""
    spec = parse_endpoint(
        manifest(
            state="absent",
            inactiveResponse=410,
            deletionPolicy="Retain",
            secretName="mine",
            auth={
                "type": "token",
                "token": {"header": "X-Token", "prefix": "Bearer "},
                "secret": {"ref": {"name": "a"}, "previousRefs": [{"name": "b", "key": "c"}], "overlap": "90m"},
            },
            target={"url": "https://ci.example.com/a?b", "timeout": "1500ms"},
            limits={"maxBodyBytes": 7, "rate": {"requests": 5, "per": "1m"}, "maxInFlight": 3, "allowCIDRs": ["::1"]},
            exposure={"host": "hooks.example.com"},
        )
    ).spec
    assert spec == EndpointSpec(
        state=State.ABSENT,
        auth=AuthSpec(
            type=AuthType.TOKEN,
            settings={"header": "X-Token", "prefix": "Bearer "},
            secret=SecretPolicy(
                ref=SecretKeyRef(name="a", key="secret"),
                previous_refs=(SecretKeyRef(name="b", key="c"),),
                overlap=5_400,
            ),
        ),
        target=Target(url="https://ci.example.com/a?b", timeout_ms=1_500),
        secret_name="mine",
        inactive_response=410,
        deletion_policy=DeletionPolicy.RETAIN,
        max_body_bytes=7,
        rate=Rate(requests=5, per_ms=60_000, burst=5),
        max_in_flight=3,
        allowed_networks=("::1",),
        host="hooks.example.com",
    )


def test_metadata_is_read() -> None:
    """Namespace, uid, generation, annotations and a deletion that has begun come from the metadata."""
    given = manifest()
    given["metadata"] |= {
        "namespace": "team-a",
        "uid": "u-1",
        "generation": 3,
        "deletionTimestamp": "2026-11-05T10:00:00Z",
        "annotations": {"hookgate.dev/suspend": "true"},
    }
    endpoint = parse_endpoint(given)
    found = (endpoint.namespace, endpoint.uid, endpoint.generation, endpoint.deleting, dict(endpoint.annotations))
    assert found == ("team-a", "u-1", 3, True, {"hookgate.dev/suspend": "true"})


def test_the_rotation_is_kept() -> None:
    """A generated secret may ask for a rotation."""
    auth = {"type": "hmac", "provider": "github", "secret": {"rotate": "2026-11"}}
    assert parse_endpoint(manifest(auth=auth)).spec.auth.secret == SecretPolicy(rotate="2026-11")


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("0h", 0), ("1ms", 1), ("1001ms", 2), ("720h", 2_592_000)])
def test_an_overlap_is_counted_in_whole_seconds(text: str, seconds: int) -> None:
    """A part of a second counts as one: only nothing at all revokes at once."""
    auth = {"type": "hmac", "provider": "github", "secret": {"overlap": text}}
    assert parse_endpoint(manifest(auth=auth)).spec.auth.secret.overlap == seconds


def test_settings_hold_only_what_was_given() -> None:
    """Presets fill the rest, so neither defaults nor nulls may stand in their way."""
    auth = {"type": "hmac", "provider": "github", "hmac": {"encoding": "hex", "prefix": None}}
    assert dict(parse_endpoint(manifest(auth=auth)).spec.auth.settings) == {"encoding": "hex"}


def test_all_errors_come_at_once() -> None:
    """Whoever corrects a manifest learns of everything, each at its field."""
    with pytest.raises(InvalidSpec) as caught:
        parse_endpoint(manifest(state="on", target={"timeout": "1h"}, limits={"maxBodyBytes": 0}))
    assert caught.value.errors == (
        FieldError(field="spec.state", message="write one of active, inactive, absent"),
        FieldError(field="spec.target", message="give exactly one of service and url"),
        FieldError(
            field="spec.target.timeout",
            message="write one number and one unit, such as 10s or 500ms, from 100ms to 60s",
        ),
        FieldError(field="spec.limits.maxBodyBytes", message="write a number from 1 to 10485760"),
    )


def test_an_error_brings_no_others_along() -> None:
    """Below a part that is missing or of a wrong kind nothing more is demanded."""
    with pytest.raises(InvalidSpec) as caught:
        parse_endpoint(manifest(auth=None, target={"service": "ci"}))
    assert [str(each) for each in caught.value.errors] == [
        "spec.auth: add this field; it is required",
        "spec.target.service: write a mapping",
    ]


def test_no_error_repeats_a_value() -> None:
    """What was pasted into the wrong field may be a secret."""
    secret = "s3cr3t value"
    auth = {"type": secret, "provider": secret, "hmac": {"header": secret, "prefix": f"{secret}\n"}}
    given = manifest(auth={**auth, "secret": {"rotate": secret, "ref": {"name": secret, "key": secret}}}, state=secret)
    given["spec"]["target"] = {"url": secret, "service": {"name": secret, "port": secret, "path": secret}}
    with pytest.raises(InvalidSpec) as caught:
        parse_endpoint(given)
    assert len(caught.value.errors) > 8
    assert secret not in str(caught.value)


@pytest.mark.parametrize("nonsense", [None, 3, "x", [], {}, {"metadata": 3, "spec": []}, {"spec": {"auth": True}}])
def test_nonsense_is_invalid(nonsense: Any) -> None:
    """An object that no schema ever saw is told what it lacks."""
    with pytest.raises(InvalidSpec):
        parse_endpoint(nonsense)


def test_a_float_that_is_whole_is_a_number() -> None:
    """JSON has one kind of number, and an API server takes 8080.0 as a port."""
    given = manifest(target={"service": {"name": "ci", "port": 8080.0}})
    service = parse_endpoint(given).spec.target.service
    assert service is not None
    assert (service.port, type(service.port)) == (8080, int)

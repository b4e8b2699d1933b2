"""load_endpoint and crd(): the CRD as Hookgate's own check. What is refused is in tests/corpus."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookgate.config.manifest import crd, load_endpoint
from hookgate.model.endpoint import FieldError, InvalidSpec
from hookgate.model.parse import parse_endpoint
from tests.config.test_corpus import CASES, read

CRD_FILE = Path(__file__).parents[2] / "crds" / "webhookendpoints.hookgate.dev.yaml"


def least() -> dict[str, Any]:
    """Return the least manifest."""
    return {
        "apiVersion": "hookgate.dev/v1alpha1",
        "kind": "WebhookEndpoint",
        "metadata": {"name": "push"},
        "spec": {"auth": {"type": "hmac", "provider": "github"}, "target": {"url": "https://ci.example.com/"}},
    }


def test_the_crd_is_the_file_in_the_repository() -> None:
    """There is one schema."""
    assert crd() == yaml.safe_load(CRD_FILE.read_text("utf-8"))


def test_the_callers_copy_of_the_crd_is_its_own() -> None:
    """Nobody can change the schema for everybody."""
    crd()["spec"].clear()
    assert crd()["spec"] != {}


def properties(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk over every field of a structural schema."""
    for name, member in schema.get("properties", {}).items():
        yield f"{path}.{name}", member
        yield from properties(member, f"{path}.{name}")
        yield from properties(member.get("items", {}), f"{path}.{name}[]")


FIELDS = dict(properties(crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))


@pytest.mark.parametrize("field", [field for field in FIELDS if not field.startswith(".metadata")])
def test_a_field_is_described(field: str) -> None:
    """`kubectl explain` has a sentence for every field."""
    assert FIELDS[field].get("description", "").endswith((".", '".'))


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_bounded(field: str) -> None:
    """Strings and lists have a longest size, or the cost of rules could not be estimated."""
    member = FIELDS[field]
    bound = {"string": "maxLength", "array": "maxItems"}.get(member["type"])
    bounded = bound is None or bound in member or "enum" in member or member.get("format") == "date-time"
    assert bounded or field in (".apiVersion", ".kind")


def test_defaults_are_filled_in_as_a_server_does() -> None:
    """Whatever a default exists for is there afterwards; a block that is not given stays away."""
    given = least()
    given["spec"]["auth"]["secret"] = {"ref": {"name": "a", "key": None}}
    assert load_endpoint(given)["spec"] == {
        "state": "active",
        "inactiveResponse": 503,
        "deletionPolicy": "Delete",
        "auth": {
            "type": "hmac",
            "provider": "github",
            "secret": {"ref": {"name": "a", "key": "secret"}, "overlap": "24h"},
        },
        "target": {"url": "https://ci.example.com/", "timeout": "10s"},
        "limits": {"maxBodyBytes": 1_048_576},
    }


def test_the_callers_manifest_stays_as_it_is() -> None:
    """Loading gives a copy."""
    given = least()
    load_endpoint(given)
    assert given == least()


def test_a_status_is_dropped() -> None:
    """The status is never the writer's to give."""
    assert "status" not in load_endpoint({**least(), "status": {"url": "https://elsewhere.example/"}})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"apiVersion": "hookgate.dev/v1"}, "apiVersion: write hookgate.dev/v1alpha1"),
        ({"apiVersion": "v1"}, "apiVersion: write hookgate.dev/v1alpha1"),
        ({"apiVersion": None}, "apiVersion: add this field; it is required"),
        ({"kind": "Secret"}, "kind: write WebhookEndpoint"),
        ({"kind": None}, "kind: add this field; it is required"),
        ({"metadata": None}, "metadata: add this field; it is required"),
        ({"metadata": {}}, "metadata.name: add this field; it is required"),
        (
            {"metadata": {"name": "a", "namespace": "A"}},
            'metadata.namespace: write a namespace: lower-case letters, digits and "-", at most 63 characters',
        ),
    ],
)
def test_the_envelope_is_checked(change: dict[str, Any], error: str) -> None:
    """Group, version, kind, name and namespace are what this CRD serves."""
    with pytest.raises(InvalidSpec) as caught:
        load_endpoint({**least(), **change})
    assert [str(each) for each in caught.value.errors] == [error]


def test_what_a_server_adds_to_the_metadata_is_taken() -> None:
    """An object that was read from a cluster can be written into a folder."""
    given = least()
    given["metadata"] |= {
        "uid": "u",
        "generation": 2,
        "resourceVersion": "9",
        "managedFields": [{}],
        "finalizers": ["a/b"],
    }
    assert load_endpoint(given)["metadata"]["uid"] == "u"


def test_an_unknown_field_is_told_what_there_is() -> None:
    """A misspelt field is found by the names beside it."""
    given = least()
    given["spec"]["auth"]["token"] = {"haeder": "X"}
    with pytest.raises(InvalidSpec) as caught:
        load_endpoint(given)
    assert caught.value.errors == (
        FieldError(
            field="spec.auth.token.haeder",
            message="remove this field, or correct its name: there are header, source, prefix, deliveryId, eventType, "
            "successResponse, handshake",
        ),
    )


def endless() -> dict[str, Any]:
    """Return a document that contains itself, as YAML aliases can make one."""
    document: dict[str, Any] = {}
    document["spec"] = document
    return document


def exploding() -> list[Any]:
    """Return a small document that is enormous when it is written out."""
    document: list[Any] = ["x"]
    for _ in range(30):
        document = [document, document]
    return document


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        3,
        "text",
        [],
        {},
        {1: 2},
        {"spec": {None: 1}},
        {"spec": datetime.date(2026, 11, 5)},
        {"spec": b"bytes"},
        {"spec": {1, 2}},
        {"spec": float("nan")},
        {"spec": float("inf")},
        {"spec": "\ud800"},
        {"\udfff": 1},
        {"spec": 10**400},
        endless(),
        exploding(),
    ],
    ids=range(17),
)
def test_what_no_json_can_say_is_invalid(nonsense: Any) -> None:
    """YAML and Python know values that no API server ever sees."""
    with pytest.raises(InvalidSpec):
        load_endpoint(nonsense)


def test_no_error_repeats_a_value() -> None:
    """What was pasted into the wrong field may be a secret."""
    secret = "s3cr3t"
    wrong = {"state": secret, "inactiveResponse": secret, "secretName": secret * 99, "auth": secret, "target": [secret]}
    with pytest.raises(InvalidSpec) as caught:
        load_endpoint({**least(), "kind": secret, "spec": wrong})
    assert len(caught.value.errors) > 5
    assert secret not in str(caught.value)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "a", "hmac", "none", "token", "/", "0s", "10s", "X-A", "https://a/", "\n", "a" * 300])
)
NAMES = st.sampled_from(sorted({field.rsplit(".", 1)[-1] for field in FIELDS})) | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def nearly_endpoints(draw: st.DrawFn, *, below: str | None = None) -> Any:
    """Take a manifest of the corpus and put anything anywhere (or ``below`` one member of it), a few times."""
    cases = [case for case in CASES if not case.is_yaml and (below is None or case.valid)]
    made = read(draw(st.sampled_from(cases)))
    for _ in range(draw(st.integers(1, 4))):
        place = made if below is None else made[below]
        while True:
            inner = [key for key in place if isinstance(place[key], dict) and place[key]] if place else []
            if not inner or draw(st.booleans()):
                break
            place = place[draw(st.sampled_from(inner))]
        known = [str(key) for key in place]
        place[draw(st.sampled_from(known) | NAMES if known else NAMES)] = draw(ANYTHING)
    return made


def loaded_or_none(manifest: Any) -> dict[str, Any] | None:
    """Return what is loaded, if it is an endpoint."""
    try:
        loaded = load_endpoint(manifest)
        parse_endpoint(loaded)
    except InvalidSpec:
        return None
    return loaded


@given(nearly_endpoints())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_near_an_endpoint_does_anything_but_pass_or_be_invalid(manifest: Any) -> None:
    """No manifest can crash whoever reads it; a second reading of the result changes nothing."""
    loaded = loaded_or_none(manifest)
    assert loaded is None or load_endpoint(loaded) == loaded


@given(nearly_endpoints())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_parsing_alone_survives_objects_that_no_schema_saw(manifest: Any) -> None:
    """An object stored under another schema becomes an endpoint or an InvalidSpec."""
    try:
        told: object = parse_endpoint(manifest)
    except InvalidSpec as error:
        told = error.errors
    assert told != ()

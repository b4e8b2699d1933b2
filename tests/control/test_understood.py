"""What is remembered of a spec is what reading it again would say."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.control.understood import understand
from hookgate.model.endpoint import InvalidSpec
from hookgate.model.parse import parse_endpoint
from hookgate.scheme.presets import Presets, Unresolvable, resolve

PRESETS = Presets.builtin()
OURS = PRESETS.with_platform({"ours": {"scheme": {"type": "token", "header": "X-Ours"}}})


def manifest(**spec: Any) -> dict[str, Any]:
    """An endpoint with this spec over a usual one."""
    usual = {"auth": {"type": "hmac", "provider": "github"}, "target": {"url": "https://example.com/"}}
    named = {"name": "ci", "namespace": "team-a", "uid": "u", "generation": 1, "annotations": {"a": "b"}}
    return {"metadata": named, "spec": {**usual, **spec}}


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"uid": "v"},
        {"annotations": {"hookgate.dev/suspend": "true"}},
        {"deletionTimestamp": "2026-01-01T00:00:00Z"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_member_of_the_metadata_that_is_read_tells_endpoints_apart(change: dict[str, Any]) -> None:
    """Also in an object that was changed in place."""
    asked = manifest()
    understand(asked, PRESETS)
    asked["metadata"].update(change)
    assert understand(asked, PRESETS)[0] == parse_endpoint(asked)


def test_a_spec_that_was_changed_in_place_is_read_again() -> None:
    """Down to its last member."""
    asked = manifest()
    understand(asked, PRESETS)
    asked["spec"]["target"]["url"] = "https://example.org/"
    assert understand(asked, PRESETS)[0].spec.target.url == "https://example.org/"


def test_what_the_platform_calls_its_providers_counts() -> None:
    """A new configuration makes new presets of the same spec."""
    asked = manifest(auth={"type": "token", "provider": "ours"})
    assert isinstance(understand(asked, PRESETS)[1], Unresolvable)
    assert understand(asked, OURS)[1] == resolve(parse_endpoint(asked).spec.auth, OURS)


def test_what_is_equal_in_python_and_not_in_json_is_told_apart() -> None:
    """True is not 1."""
    understand(manifest(limits={"maxBodyBytes": 1}), PRESETS)
    with pytest.raises(InvalidSpec):
        understand(manifest(limits={"maxBodyBytes": True}), PRESETS)


def test_an_invalid_spec_stays_invalid() -> None:
    """Nothing is remembered of it."""
    for _ in range(2):
        with pytest.raises(InvalidSpec):
            understand(manifest(state="asleep"), PRESETS)


def test_what_no_json_can_hold_is_judged_all_the_same() -> None:
    """A value of another type reaches the rules, which refuse it."""
    with pytest.raises(InvalidSpec):
        understand(manifest(state=object()), PRESETS)


def test_what_was_understood_is_the_same_object() -> None:
    """Which is the point of it."""
    assert understand(manifest(), PRESETS) is understand(manifest(), PRESETS)

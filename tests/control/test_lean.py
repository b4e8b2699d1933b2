"""Objects as they are kept: the same to every reader, and small."""

from __future__ import annotations

import json
from typing import Any

from hookgate.control.lean import lean_service, shared

SERVICE: dict[str, Any] = {
    "metadata": {"name": "app", "namespace": "team-a", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"}},
    "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"name": "http", "port": 80}, {"port": 81}]},
    "status": {"loadBalancer": {}},
}


def test_a_shared_copy_is_equal() -> None:
    """Whatever JSON can hold."""
    told: dict[str, Any] = {"a": [1, 2.5, True, None, "x" * 500, {"b": []}], "": {}}
    assert shared(told) == told


def test_copies_have_keys_and_short_texts_in_common() -> None:
    """Two objects of one kind differ in little."""
    one, other = (shared(json.loads('{"a key": "a text"}')) for _ in range(2))
    assert [id(part) for item in one.items() for part in item] == [id(part) for item in other.items() for part in item]


def test_of_a_service_its_identity_type_and_ports_are_kept() -> None:
    """That is all that is asked of it."""
    assert lean_service(SERVICE) == {
        "metadata": {"name": "app", "namespace": "team-a", "uid": "u", "resourceVersion": "7"},
        "spec": {"type": "ClusterIP", "ports": [{"port": 80}, {"port": 81}]},
    }


def test_a_service_without_ports_is_kept() -> None:
    """An ExternalName Service may have none."""
    named = {"metadata": {"name": "app"}, "spec": {"type": "ExternalName", "externalName": "example.com"}}
    assert lean_service(named) == {"metadata": {"name": "app"}, "spec": {"type": "ExternalName", "ports": []}}

"""What the baseline applies for an endpoint is what the operator writes for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from hookgate.control import objects
from tests.bench.operator.installation import configuration, namespace_of
from tests.bench.operator.needed import needed
from tests.bench.operator.stages import endpoint, name_of
from tests.control.stage import Stage

#: What a server puts into the metadata of any object.
_SERVERS = ("uid", "resourceVersion", "creationTimestamp", "generation")


def test_the_baseline_writes_what_the_operator_does() -> None:
    """Each object of the baseline has the members of the operator's own, and its size, give or take a tenth."""
    stage, name, namespace = Stage(yaml.safe_dump(configuration("127.0.0.1:1"))), name_of(1), namespace_of(1)
    stage.serve("ci", namespace=namespace)
    stage.store(endpoint(1)["spec"], name, namespace=namespace, checked=True)
    stage.settle(name, namespace)
    made = stage.world.get("WebhookEndpoint", namespace, name)
    assert made is not None
    uid = made["metadata"]["uid"]
    written = (
        {**made, **objects.finalizer(made, present=True), "spec": None, "status": None},
        stage.world.get("Secret", "hookgate-bindings", uid),
        stage.world.get("Secret", namespace, f"{name}-webhook"),
        stage.world.get("Ingress", "hookgate-system", f"hookgate-{uid}"),
        {**objects.finalizer(made, present=False), "status": made["status"]},
    )
    for own, baseline in zip(map(_sent, written), map(_sent, needed(made)), strict=True):
        assert set(_members(own)) == set(_members(baseline))
        assert len(json.dumps(baseline)) == pytest.approx(len(json.dumps(own)), rel=0.1)


def _sent(obj: Any) -> Any:
    """What of an object as it is now there was sent."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVERS}
    return {**{key: value for key, value in obj.items() if value is not None}, "metadata": metadata}


def _members(value: Any, path: str = "") -> Iterator[str]:
    """Every path to a value, and nothing of the values."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _members(member, f"{path}.{key}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _members(member, f"{path}[{index}]")
    else:
        yield path

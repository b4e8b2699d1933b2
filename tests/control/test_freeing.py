"""What frees an endpoint of us where no operator runs, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.control.freeing import freed_status, freeing
from hookgate.control.objects import binding_secret, labels
from hookgate.control.values import Object, Step, Verb
from hookgate.model.endpoint import FINALIZER
from tests.control.kstatus import violations

BINDING = {**binding_secret("u", b"{}", "hookgate-bindings"), "metadata": {"name": "u", "uid": "b", "namespace": "x"}}
ROUTE = {"kind": "Ingress", "metadata": {"name": "hookgate-u", "namespace": "hookgate-system", "uid": "r"}}


def endpoint(**spec: Any) -> dict[str, Any]:
    """An endpoint as read."""
    return {
        "kind": "WebhookEndpoint",
        "metadata": {"name": "push", "namespace": "team-a", "uid": "u", "generation": 3, "finalizers": [FINALIZER]},
        "spec": spec,
        "status": {
            "observedGeneration": 3,
            "url": "https://hooks.example.com/h/x",
            "secretName": "push-webhook",
            "bindingDigest": "d",
            "conditions": [{"type": "Ready", "status": "True", "reason": "Active", "lastTransitionTime": "2026"}],
        },
    }


def connection(owner: str = "u") -> Object:
    """A connection Secret."""
    metadata = {"name": "push-webhook", "namespace": "team-a", "uid": "c", "labels": labels("connection", "u")}
    return {"kind": "Secret", "metadata": {**metadata, "ownerReferences": [{"uid": owner}]}, "data": {}}


def freed(manifest: Object, **more: Any) -> list[tuple[Verb, str]]:
    """What is done to what, in order."""
    usual: dict[str, Any] = {"binding": BINDING, "connections": [connection()], "routes": [ROUTE]}
    steps: tuple[Step, ...] = freeing(manifest, binding_namespace="hookgate-bindings", **{**usual, **more})
    return [(step.verb, str(step.object["metadata"]["name"])) for step in steps]


def test_it_becomes_unreachable_before_it_loses_the_finalizer() -> None:
    """What revokes goes first, and its connection Secret stays with it."""
    assert freed(endpoint()) == [(Verb.DELETE, "u"), (Verb.DELETE, "hookgate-u"), (Verb.APPLY, "push")]


def test_what_is_to_be_retained_is_retained() -> None:
    kept = [(Verb.APPLY, "u"), (Verb.DELETE, "hookgate-u"), (Verb.REPLACE, "push-webhook"), (Verb.APPLY, "push")]
    assert freed(endpoint(deletionPolicy="Retain")) == kept


def test_a_secret_of_somebody_else_is_not_touched() -> None:
    manifest = endpoint(deletionPolicy="Retain")
    assert (Verb.REPLACE, "push-webhook") not in freed(manifest, connections=[connection(owner="v")])


def test_a_second_run_has_nothing_to_do() -> None:
    manifest = endpoint()
    manifest["metadata"]["finalizers"] = ["somebody.else/finalizer"]
    assert freed(manifest, binding=None, routes=[]) == []


@pytest.mark.parametrize("member", ["url", "secretName", "observedGeneration"])
def test_the_status_keeps_what_makes_it_whole_again(member: str) -> None:
    manifest = endpoint()
    assert freed_status(manifest, 0.0)[member] == manifest["status"][member]


def test_the_status_tells_that_nothing_serves_it() -> None:
    status = freed_status(endpoint(), 1_000_000.0)
    told = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    assert told == {
        "Ready": ("False", "Uninstalled"),
        "Programmed": ("False", "Uninstalled"),
        "Stalled": ("True", "Uninstalled"),
    }
    assert violations(3, status) == []
    assert "bindingDigest" not in status

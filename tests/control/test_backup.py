"""What is kept of an endpoint outside its cluster, and that nothing of that cluster is in it."""

from __future__ import annotations

from typing import Any

from hookgate.control.backup import kept_of
from hookgate.control.objects import binding_secret, encode_data, labels, secret_data

UID = "00000000-0000-4000-8000-000000000001"
BINDING = binding_secret(UID, b"{}", "hookgate-bindings")


def connection() -> dict[str, Any]:
    """A connection Secret as read."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": "push-webhook",
            "namespace": "team-a",
            "uid": "c",
            "resourceVersion": "7",
            "creationTimestamp": "2026-11-23T12:00:00Z",
            "managedFields": [{}],
            "labels": {**labels("connection", UID), "team": "a"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "note": "mine"},
            "ownerReferences": [{"uid": UID}, {"uid": "of-somebody-in-that-cluster"}],
            "finalizers": ["somebody/else"],
        },
        "data": encode_data({"secret": b"s"}),
    }


def test_the_binding_is_one_that_no_receiver_reads() -> None:
    kept, _ = kept_of(UID, BINDING, connection(), "hookgate-bindings")
    assert (kept["metadata"]["name"], kept["metadata"]["namespace"]) == (UID, "hookgate-bindings")
    assert kept["metadata"]["labels"]["hookgate.dev/role"] == "retained"
    assert secret_data(kept) == secret_data(BINDING)


def test_the_connection_secret_names_the_endpoint_that_was_and_nothing_else_of_its_cluster() -> None:
    """An owner that is not there would have it collected as garbage."""
    _, secret = kept_of(UID, BINDING, connection(), "hookgate-bindings")
    assert secret["metadata"] == {
        "name": "push-webhook",
        "namespace": "team-a",
        "labels": {"team": "a"},
        "annotations": {"note": "mine", "hookgate.dev/retained-from": UID},
    }
    assert secret_data(secret) == {"secret": b"s"}

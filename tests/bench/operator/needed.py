"""What an endpoint of this bench needs, as the five objects that are applied for it.

They are as large as the operator's own, and name the endpoint as those do, but mean nothing.
"""

from __future__ import annotations

from typing import Any

from hookgate.control import objects
from hookgate.control.routes import ANNOTATION_MADE_FROM
from hookgate.model.endpoint import API_VERSION, KIND

#: No receiver reads bindings of this role, and no operator any of these objects.
_ROLE = "bare"
_HOST, _PATH = "hooks.example.com", "x" * 32
_TOLD = (
    ("Ready", "True", "Active", "Calls are authenticated and delivered."),
    ("Accepted", "True", "Accepted", "The spec is valid and allowed here."),
    ("ResolvedRefs", "True", "ResolvedRefs", "Everything it names exists and may be used."),
    ("Programmed", "True", "Programmed", "Every ready receiver serves it."),
    ("Exposed", "Unknown", "NoAddress", "No ingress controller has given the route an address (some never do)."),
)

Object = dict[str, Any]


def needed(endpoint: Object) -> tuple[Object, ...]:
    """Return finalizer, binding, connection Secret, route and status for an endpoint that is there."""
    uid = endpoint["metadata"]["uid"]
    return (
        objects.finalizer(endpoint, present=True),
        objects.binding_secret(uid, b"b" * 960, "hookgate-bindings", _ROLE),
        _connection(endpoint),
        _ingress(uid),
        _status(endpoint),
    )


def _connection(endpoint: Object) -> Object:
    metadata = endpoint["metadata"]
    owner = {"apiVersion": API_VERSION, "kind": KIND, "name": metadata["name"], "uid": metadata["uid"]}
    labels = {**objects.labels(_ROLE, metadata["uid"]), objects.LABEL_ENDPOINT: metadata["name"]}
    data = {"url": b"u" * 59, "secret": b"s" * 64, "header": b"h" * 19, "forward-secret": b"f" * 50}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": f"{metadata['name']}-webhook",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": False}],
        },
        "data": objects.encode_data(data),
    }


def _ingress(uid: str) -> Object:
    backend = {"service": {"name": "hookgate-receiver", "port": {"number": 80}}}
    # Every endpoint has a path of its own, as controllers expect it.
    path = {"path": f"/h/{uid.replace('-', '')}", "pathType": "Exact", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": f"hookgate-{uid}",
            "namespace": "hookgate-system",
            "labels": objects.labels(_ROLE, uid),
            "annotations": {ANNOTATION_MADE_FROM: "0" * 16},
        },
        "spec": {
            "ingressClassName": "contour",
            "rules": [{"host": _HOST, "http": {"paths": [path]}}],
            "tls": [{"hosts": [_HOST]}],
        },
    }


def _status(endpoint: Object) -> Object:
    dated = {"observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    conditions = [
        {"type": kind, "status": status, "reason": reason, "message": message, **dated}
        for kind, status, reason, message in _TOLD
    ]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {key: endpoint["metadata"][key] for key in ("name", "namespace", "uid")},
        "status": {
            "observedGeneration": 1,
            "url": f"https://{_HOST}/h/{_PATH}",
            "header": "X-Hub-Signature-256",
            "secretName": f"{endpoint['metadata']['name']}-webhook",
            "bindingDigest": "0" * 64,
            "replay": {"protection": "None"},
            "conditions": conditions,
        },
    }

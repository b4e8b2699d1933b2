"""PURE: objects as they are kept: without what nobody here reads, and with every text in memory once.

A parser makes each key and each value anew for every object: ten thousand endpoints with their Secrets and routes
would take five times the memory. It may not know what the objects mean.
"""

from __future__ import annotations

import sys
from typing import Any

from hookgate.control.objects import meta
from hookgate.control.values import Object

#: What the API server and kubectl remember about the fields of an object; larger than the rest of it.
_FIELDS = "managedFields"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
#: Longer texts are data, and no two are the same.
_LONGEST_SHARED = 100


def lean_endpoint(manifest: Object) -> Object:
    """Return an endpoint as kept. Never written back as a whole, so nothing is lost."""
    metadata = {key: value for key, value in meta(manifest).items() if key != _FIELDS}
    if _LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != _LAST_APPLIED}
    kept: Object = shared({**manifest, "metadata": metadata})
    return kept


def lean_service(service: Any) -> Any:
    """Return of a Service what identifies it, its type and its ports: a cluster has many that no endpoint names."""
    metadata, spec = meta(service), service.get("spec") or {}
    identity = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion") if key in metadata}
    ports = [{"port": port.get("port")} for port in spec.get("ports") or ()]
    return shared({"metadata": identity, "spec": {"type": spec.get("type"), "ports": ports}})


def shared(value: Any) -> Any:
    """Return a copy of what a JSON parser made, with keys and short texts that all copies have in common."""
    kind = type(value)
    if kind is str:
        return sys.intern(value) if len(value) <= _LONGEST_SHARED else value
    if kind is dict:
        return {sys.intern(key): shared(member) for key, member in value.items()}
    if kind is list:
        return [shared(member) for member in value]
    return value

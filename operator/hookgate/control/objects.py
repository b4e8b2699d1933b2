"""PURE: the manifests of an endpoint's children, and the few questions asked of objects as read.

Children never inherit the endpoint's labels or annotations: a GitOps tool that tracks by label would prune them.
Children in the endpoint's own namespace carry an owner reference; those elsewhere are found by the uid label.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from hookgate.control.values import Object
from hookgate.model import binding as contract
from hookgate.model.endpoint import (
    ANNOTATION_RETAINED,
    API_VERSION,
    FINALIZER,
    KIND,
    LABEL_UID,
    WebhookEndpoint,
)

FIELD_MANAGER = "hookgate"
LABEL_MANAGED = "app.kubernetes.io/managed-by"
LABEL_ROLE = "hookgate.dev/role"
ROLE_BINDING, ROLE_RETAINED, ROLE_CONNECTION = "binding", "retained", "connection"
ROLE_ROUTE, ROLE_SHARED_ROUTE = "route", "shared-route"
#: Members that are one value to an API server: what others put into them changes what ours mean.
_WHOLE = ("selector", "labelSelector")
#: The connection Secret names its endpoint for people; the uid label is what code goes by.
LABEL_ENDPOINT = "hookgate.dev/endpoint"


def meta(obj: Object) -> Mapping[str, Any]:
    """Return the metadata of an object as read."""
    found: Mapping[str, Any] = obj["metadata"]
    return found


def uid_of(obj: Object) -> str:
    """Return an object's own uid, "" before the server gave one."""
    return str(meta(obj).get("uid") or "")


def version_of(obj: Object) -> int:
    """Return the resourceVersion of an object as the number that it is."""
    return number_of(str(meta(obj).get("resourceVersion") or ""))


def number_of(version: str) -> int:
    """Return a resourceVersion as the number that it is, 0 where it is none."""
    return int(version) if version.isdecimal() else 0


def owned_by(obj: Object, uid: str) -> bool:
    """Tell whether an object carries an owner reference to the endpoint ``uid``."""
    return any(ref.get("uid") == uid for ref in meta(obj).get("ownerReferences") or ())


def controlled_by_another(obj: Object, uid: str) -> bool:
    """Tell whether an object has a controller that is not the endpoint ``uid``: it can have but one."""
    return any(ref.get("controller") and ref.get("uid") != uid for ref in meta(obj).get("ownerReferences") or ())


def belongs_to(obj: Object, uid: str) -> bool:
    """Tell whether a Secret is the connection Secret of ``uid``: by its owner reference or, where that was taken away,
    by our labels. Enough to put it right; to delete a Secret, only the owner reference counts."""
    found = meta(obj).get("labels") or {}
    return owned_by(obj, uid) or (found.get(LABEL_ROLE) == ROLE_CONNECTION and found.get(LABEL_UID) == uid)


def secret_data(obj: Object) -> dict[str, bytes]:
    """Return a Secret's data decoded; members that are not base64 are left out, for their value means nothing."""
    decoded = {}
    for key, value in (obj.get("data") or {}).items():
        try:
            decoded[key] = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError):
            continue
    return decoded


def encode_data(data: Mapping[str, bytes]) -> dict[str, str]:
    """Return ``data`` as a Secret's data member."""
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def labels(role: str, uid: str) -> dict[str, str]:
    """Return the labels of a child: who manages it, what it is for, whose it is."""
    return {LABEL_MANAGED: FIELD_MANAGER, LABEL_ROLE: role, LABEL_UID: uid}


def binding_secret(uid: str, raw: bytes, namespace: str, role: str = ROLE_BINDING) -> dict[str, Any]:
    """Return the binding Secret: named by the endpoint's uid, alone in the namespace that receivers read.

    With the role `ROLE_RETAINED` no receiver reads it: it is kept for an endpoint that may adopt it.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "hookgate.dev/binding",
        "metadata": {"name": uid, "namespace": namespace, "labels": labels(role, uid)},
        "data": encode_data({contract.DATA_KEY: raw}),
    }


def connection_secret(endpoint: WebhookEndpoint, data: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the connection Secret in the endpoint's namespace, owned by the endpoint."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": endpoint.spec.secret_name,
            "namespace": endpoint.namespace,
            "labels": {**labels(ROLE_CONNECTION, endpoint.uid), LABEL_ENDPOINT: endpoint.name},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": endpoint.name,
                    "uid": endpoint.uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "data": encode_data(data),
    }


def finalizer(manifest: Object, *, present: bool) -> dict[str, Any]:
    """Return the part of the endpoint that holds our finalizer, for server-side apply on exactly that object."""
    wanted: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": meta(manifest)["name"],
            "namespace": meta(manifest).get("namespace"),
            "uid": meta(manifest)["uid"],
        },
    }
    if present:
        wanted["metadata"]["finalizers"] = [FINALIZER]
    return wanted


def target_url(endpoint: WebhookEndpoint, service_base: str | None) -> str:
    """Return where authenticated calls go; a Service always in the endpoint's own namespace.

    ``service_base`` stands for the Service's address where there is no cluster to resolve its name.
    """
    service = endpoint.spec.target.service
    if service is None:
        return endpoint.spec.target.url or ""
    base = service_base or f"{service.scheme}://{service.name}.{endpoint.namespace}.svc:{service.port}"
    return base.rstrip("/") + service.path


def at(wanted: Mapping[str, Any], found: Object, *, version: bool = False) -> dict[str, Any]:
    """Return ``wanted`` bound to the very object ``found`` by its uid; with ``version``, to what was read of it too."""
    bound: dict[str, Any] = {"uid": uid_of(found)}
    if version:
        bound["resourceVersion"] = meta(found).get("resourceVersion")
    return {**wanted, "metadata": {**wanted["metadata"], **bound}}


def overwritten(wanted: Mapping[str, Any], found: Object) -> dict[str, Any]:
    """Return ``found`` with the data of ``wanted`` and nothing else in it; labels and references of others stay."""
    labelled = {**(meta(found).get("labels") or {}), **wanted["metadata"]["labels"]}
    return {**found, "data": wanted["data"], "metadata": {**meta(found), "labels": labelled}}


def released(found: Object, uid: str, *, kept: str | None = None) -> dict[str, Any]:
    """Return a connection Secret that is no longer that of the endpoint ``uid``, so that it outlives the endpoint.

    It names the retained binding: that of ``uid``, or else ``kept``. That, and not this Secret, is what an adoption
    believes.
    """
    ours = {LABEL_MANAGED, LABEL_ROLE, LABEL_UID}
    metadata = dict(meta(found))
    metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k not in ours}
    metadata["ownerReferences"] = [r for r in metadata.get("ownerReferences") or () if r.get("uid") != uid]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION_RETAINED: kept or uid}
    return {**found, "metadata": metadata}


def adopted(wanted: Mapping[str, Any], found: Object) -> dict[str, Any]:
    """Return ``found``, which was left behind, as the connection Secret ``wanted`` of its new endpoint."""
    metadata = dict(meta(found))
    metadata["labels"] = {**(metadata.get("labels") or {}), **wanted["metadata"]["labels"]}
    metadata["ownerReferences"] = [*(metadata.get("ownerReferences") or ()), *wanted["metadata"]["ownerReferences"]]
    return {**found, "data": wanted["data"], "metadata": metadata}


def differs(wanted: Object, found: Object) -> bool:
    """Tell whether applying ``wanted`` would change ``found``, looking at what is wanted alone.

    Maps are compared by the wanted keys, except for a Secret's data and for selectors, which are ours as wholes. Lists
    are compared as wholes, member by member in the same way, since the server adds defaults inside them; owner
    references are a set, to which others may add theirs.
    """
    if wanted.get("kind") == "Secret" and dict(wanted.get("data", {})) != dict(found.get("data") or {}):
        return True
    return not _covers(wanted, found)


def _covers(wanted: Any, found: Any) -> bool:
    if wanted == found:
        return True
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(k in found and _agrees(k, v, found[k]) for k, v in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(_covers(w, f) for w, f in zip(wanted, found, strict=True))
        )
    return False


def _agrees(key: str, wanted: Any, found: Any) -> bool:
    if key in _WHOLE:
        return bool(wanted == found)
    return _holds(wanted, found) if key == "ownerReferences" else _covers(wanted, found)


def _holds(wanted: Any, found: Any) -> bool:
    return isinstance(found, list) and all(any(_covers(w, f) for f in found) for w in wanted)

"""PURE: what is kept of an endpoint outside its cluster, so that another can serve it with the same URL and secret.

It is the form in which `Retain` leaves things behind: a retained binding, named by the uid of the endpoint that was,
and a connection Secret that nobody owns and that names that uid. What adopts the one adopts the other.
"""

from __future__ import annotations

from typing import Any

from hookgate.control import objects
from hookgate.control.values import Object
from hookgate.model import binding as contract

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def kept_of(uid: str, binding: Object, connection: Object, namespace: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the retained binding and the released connection Secret of the endpoint ``uid``.

    Nothing in them belongs to this cluster: no owner, whose absence elsewhere would have them collected as garbage, no
    uid and no version. ``namespace`` is where bindings are.
    """
    raw = objects.secret_data(binding).get(contract.DATA_KEY, b"")
    released = objects.released(connection, uid)
    told = released["metadata"]
    annotations = {key: value for key, value in told["annotations"].items() if key != _LAST_APPLIED}
    metadata = {"name": told["name"], "namespace": told["namespace"], "annotations": annotations}
    if told["labels"]:
        metadata["labels"] = told["labels"]
    secret = {"apiVersion": "v1", "kind": "Secret", "type": connection.get("type", "Opaque"), "metadata": metadata}
    kept = objects.binding_secret(uid, raw, namespace, objects.ROLE_RETAINED)
    return kept, {**secret, "data": connection.get("data") or {}}

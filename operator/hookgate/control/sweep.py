"""PURE: what is left over of endpoints that are gone: bindings and routes whose finalizer was forced away.

Orphans are judged against a list of the endpoints that is younger than the sight of the orphan, so that nothing made
in between counts as left over, and one that a binding names is asked for before the binding goes: with it go keys that
nobody could make again. Connection Secrets are not swept: their owner reference hands them to the garbage
collector.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hookgate.control import objects
from hookgate.control.cluster import Request
from hookgate.control.values import Object, Step, Verb
from hookgate.model import binding as contract
from hookgate.model.endpoint import LABEL_UID


def suspects(
    bindings: Iterable[Object], living: Collection[str], namespaces: Collection[str] | None
) -> dict[str, Request]:
    """Return the endpoints that bindings name and that are not among the living, by uid. See `orphans`."""
    named = {str(objects.meta(secret)["name"]): _endpoint(secret, namespaces) for secret in bindings}
    return {uid: request for uid, request in named.items() if request is not None and uid not in living}


def orphans(
    bindings: Iterable[Object],
    routes: Iterable[Object],
    living: Collection[str],
    namespaces: Collection[str] | None,
) -> tuple[Step, ...]:
    """Return the deletions that are due: routes first, since a binding may be all that tells whose a route was.

    ``living`` are the uids of all endpoints in ``namespaces`` (None: in the cluster). A binding of another namespace,
    or one that cannot be read, is somebody else's to judge.
    """
    gone = {
        str(objects.meta(secret)["name"]): secret
        for secret in bindings
        if str(objects.meta(secret)["name"]) not in living and _endpoint(secret, namespaces)
    }
    left = [route for route in routes if _uid(route) not in living and (_uid(route) in gone or namespaces is None)]
    return tuple(Step(verb=Verb.DELETE, object=found) for found in (*left, *gone.values()))


def _uid(obj: Object) -> str:
    return str((objects.meta(obj).get("labels") or {}).get(LABEL_UID))


def _endpoint(secret: Object, namespaces: Collection[str] | None) -> Request | None:
    """Return whose binding that is; None where it is not ours to judge."""
    try:
        found = contract.decode(objects.secret_data(secret).get(contract.DATA_KEY, b""))
    except contract.UndecodableBinding:
        return None
    if isinstance(found, contract.NewerBinding) or (namespaces is not None and found.namespace not in namespaces):
        return None
    return Request(found.namespace, found.name)

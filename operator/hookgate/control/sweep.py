"""PURE: what is left over of endpoints that are gone: bindings and routes whose finalizer was forced away.

Orphans are judged against a list of the endpoints that is younger than the sight of the orphan, so that nothing made
in between counts as left over. Connection Secrets are not swept: their owner reference hands them to the garbage
collector.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hookgate.control import objects
from hookgate.control.values import Object, Step, Verb
from hookgate.model import binding as contract
from hookgate.model.endpoint import LABEL_UID


def orphans(
    bindings: Iterable[Object],
    routes: Iterable[Object],
    living: Collection[str],
    namespaces: Collection[str] | None,
) -> tuple[Step, ...]:
    """Return the deletions that are due: routes first, so that nothing leads to what is no longer served.

    ``living`` are the uids of all endpoints in ``namespaces`` (None: in the cluster). A binding of another namespace,
    or one that cannot be read, is somebody else's to judge.
    """
    gone = {
        str(objects.meta(secret)["name"]): secret
        for secret in bindings
        if str(objects.meta(secret)["name"]) not in living and _ours(secret, namespaces)
    }
    left = [route for route in routes if _uid(route) not in living and (_uid(route) in gone or namespaces is None)]
    return tuple(Step(verb=Verb.DELETE, object=found) for found in (*left, *gone.values()))


def _uid(obj: Object) -> str:
    return str((objects.meta(obj).get("labels") or {}).get(LABEL_UID))


def _ours(secret: Object, namespaces: Collection[str] | None) -> bool:
    try:
        found = contract.decode(objects.secret_data(secret).get(contract.DATA_KEY, b""))
    except contract.UndecodableBinding:
        return False
    if isinstance(found, contract.NewerBinding):
        return False
    return namespaces is None or found.namespace in namespaces

"""The endpoints that exist, as last seen, and the three questions about them that take an index. Effect free."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator

from hookgate.control.cluster import Request
from hookgate.control.lean import lean_endpoint
from hookgate.control.names import names_of
from hookgate.control.objects import meta, number_of, uid_of, version_of
from hookgate.control.status import ready_of
from hookgate.control.values import Object
from hookgate.model.endpoint import ANNOTATION_SUSPEND

_Seniority = tuple[str, str]


class Population:
    """All endpoints. ``wake`` is called with every request for which something changed."""

    def __init__(self, wake: Callable[[Request], None]) -> None:
        self._wake = wake
        self._manifests: dict[Request, Object] = {}
        self._by_uid: dict[str, Request] = {}
        self._naming: dict[tuple[str, str, str], set[Request]] = {}
        self._ranks: dict[str, list[_Seniority]] = {}  # by namespace; absent endpoints do not count
        self._removed: dict[str, str] = {}  # uids that are gone since the last complete list, with the namespace

    def get(self, request: Request) -> Object | None:
        """Return an endpoint as last seen."""
        return self._manifests.get(request)

    def by_uid(self, uid: str) -> Request | None:
        """Return whose uid that is."""
        return self._by_uid.get(uid)

    def uids(self) -> frozenset[str]:
        """Return the uids of all endpoints."""
        return frozenset(self._by_uid)

    def pressing(self, request: Request) -> bool:
        """Tell whether an endpoint that is in use is asked to be otherwise, such as to be used no more."""
        found = self._manifests.get(request)
        status = (found or {}).get("status") or {}
        if found is None or not status:
            return False
        metadata = meta(found)
        if metadata.get("deletionTimestamp") or status.get("observedGeneration") != metadata.get("generation"):
            return True
        suspended = (metadata.get("annotations") or {}).get(ANNOTATION_SUSPEND) == "true"
        return suspended and ready_of(status)[1] == "Active"

    def naming(self, namespace: str, kind: str, name: str) -> frozenset[Request]:
        """Return the endpoints that name the Secret or Service ``name``."""
        return frozenset(self._naming.get((namespace, kind, name), ()))

    def elders(self, manifest: Object) -> int:
        """Count the endpoints of the namespace, absent ones aside, that were created before ``manifest``."""
        ranks = self._ranks.get(str(meta(manifest).get("namespace")), [])
        return bisect_left(ranks, seniority(manifest))

    def __iter__(self) -> Iterator[Request]:
        return iter(tuple(self._manifests))

    def __len__(self) -> int:
        return len(self._manifests)

    def put(self, manifest: Object, *, ours: bool = False) -> None:
        """Take an endpoint as seen; an older version than known is passed over.

        ``ours``: it is the answer to our own write or question, which needs no waking, unless it brings somebody else's
        change: the watch, when it tells of that one, will say nothing new. What was removed meanwhile stays so.
        """
        request = request_of(manifest)
        known, makes_room = self._manifests.get(request), False
        if ours and (known is None or version_of(manifest) <= version_of(known)):
            return
        if known is not None and uid_of(known) == uid_of(manifest):
            if version_of(manifest) <= version_of(known):
                return
            self._forget(request, known)
            makes_room = _counts(known) and not _counts(manifest)
        elif known is not None:
            self.remove(known)
            known = None
        manifest = self._manifests[request] = lean_endpoint(manifest)
        self._by_uid[uid_of(manifest)] = request
        for key in _named(manifest):
            self._naming.setdefault(key, set()).add(request)
        if _counts(manifest):
            insort(self._ranks.setdefault(request.namespace, []), seniority(manifest))
        if not ours or known is None or _asked(manifest) != _asked(known):
            self._wake(request)
        if makes_room:
            self._wake_refused(request.namespace)

    def remove(self, manifest: Object) -> None:
        """Take note that this very endpoint is gone, which may make room for its juniors."""
        request = request_of(manifest)
        known = self._manifests.get(request)
        if known is None or uid_of(known) != uid_of(manifest):
            return
        self._forget(request, known)
        del self._manifests[request]
        self._removed[uid_of(known)] = request.namespace
        self._wake(request)
        self._wake_refused(request.namespace)

    def replace(self, manifests: list[Object], namespace: str | None = None, *, version: str = "") -> None:
        """Take a complete list, of one namespace or of all: what it lacks was deleted without our seeing it.

        A list takes its time. What was made after its ``version`` is not missing, and what was deleted meanwhile stays
        so. Without a version it is as of now.
        """
        listed, latest = {(request_of(m), uid_of(m)) for m in manifests}, number_of(version)
        for request, known in list(self._manifests.items()):
            here = namespace in (None, request.namespace) and not (latest and version_of(known) > latest)
            if here and (request, uid_of(known)) not in listed:
                self.remove(known)
        for manifest in manifests:
            if uid_of(manifest) not in self._removed:
                self.put(manifest)
        self._removed = {uid: place for uid, place in self._removed.items() if namespace not in (None, place)}

    def _wake_refused(self, namespace: str) -> None:
        for other in [r for r in self._manifests if r.namespace == namespace and _refused(self._manifests[r])]:
            self._wake(other)

    def _forget(self, request: Request, known: Object) -> None:
        self._by_uid.pop(uid_of(known), None)
        for key in _named(known):
            requests = self._naming.get(key, set())
            requests.discard(request)
            if not requests:
                self._naming.pop(key, None)
        ranks = self._ranks.get(request.namespace, [])
        place = bisect_left(ranks, seniority(known))
        if place < len(ranks) and ranks[place] == seniority(known):
            del ranks[place]


def request_of(manifest: Object) -> Request:
    """Return the request that reconciles an endpoint as read."""
    return Request(str(meta(manifest).get("namespace") or "default"), str(meta(manifest)["name"]))


def _named(manifest: Object) -> set[tuple[str, str, str]]:
    names, namespace = names_of(manifest), request_of(manifest).namespace
    named = {(namespace, "Secret", name) for name in names.referenced | {names.connection}}
    return named | ({(namespace, "Service", names.service)} if names.service else set())


def seniority(manifest: Object) -> _Seniority:
    """Return what orders the endpoints of a namespace by age."""
    return str(meta(manifest).get("creationTimestamp") or ""), str(meta(manifest)["name"])


def _asked(manifest: Object) -> tuple[object, object]:
    """Return what changes with everything that users ask of an endpoint, and with nothing that we write."""
    return meta(manifest).get("generation"), meta(manifest).get("annotations")


def _counts(manifest: Object) -> bool:
    return (manifest.get("spec") or {}).get("state") != "absent"


def _refused(manifest: Object) -> bool:
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    return any(c.get("reason") == "TooManyEndpoints" for c in conditions)

"""The world of a reconciliation in memory: a cluster with an API server's rules, and receivers that may lag.

`World` keeps the `Cluster` protocol; what it promises is stated in `contract`, which other clusters can be held to as
well. It tells the story of all writes in a few words each, fails or crashes on demand, and watches over what must hold
for every write whatever the test is about: kstatus, no secret in a status or an Event, no foreign namespace.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

from hookgate.control.cluster import ClusterError, Request
from hookgate.control.objects import secret_data
from hookgate.control.status import rfc3339
from hookgate.control.values import Object, Routing, Served, Step, Verb
from hookgate.model import binding as contract
from hookgate.model.endpoint import FINALIZER, LABEL_REFERABLE, LABEL_UID
from tests.control.kstatus import violations
from tests.control.watchman import Watchman

Key = tuple[str, str, str]
#: Called with the number of a write and whether it is done ("before", "after"); raises what is to happen there.
Fault = Callable[[int, str], None]

ENDPOINT = "WebhookEndpoint"


class Crash(BaseException):
    """The process is gone. Nothing can catch it."""


class World:
    """See `hookgate.control.cluster.Cluster`. ``hidden`` are objects that caches do not show yet.

    ``outdated`` are objects that caches show as they were. ``refused`` are writes that are not permitted, in the
    words of `describe`.
    """

    system_namespace = "hookgate-system"
    binding_namespace = "hookgate-bindings"

    def __init__(self, clock: Callable[[], float]) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.hidden: set[Key] = set()
        self.outdated: dict[Key, Object] = {}
        self.refused: set[str] = set()
        self.classes: dict[str, bool] | None = None
        self.forwards: dict[tuple[str, str], str] = {}
        self.story: list[str] = []
        self.events: list[tuple[str, str]] = []
        self.writes = 0
        self.fault: Fault = lambda _number, _when: None
        self.watchman = Watchman(self.system_namespace, self.binding_namespace)
        self._clock = clock
        self._taken: set[Key] = set()
        self._applied: dict[Key, Any] = {}
        self._version = 0

    # What users and other controllers do ---------------------------------------------------------------------------

    def put(self, obj: Object) -> dict[str, Any]:
        """Create or overwrite an object with all rights, as it stands; server-made metadata is kept or made."""
        key = _key(obj)
        before = self.objects.get(key)
        kept = {k: v for k, v in (before or {"metadata": {}})["metadata"].items() if k in ("uid", "creationTimestamp")}
        new = copy.deepcopy(dict(obj))
        new["metadata"] = {**self._born(), **kept, **new["metadata"]}
        if key[0] == "Secret":
            self.watchman.keep_from_status(new)
        return self._store(key, new)

    def drop(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object as `kubectl delete` does: marked only, while it has finalizers."""
        key = (kind, namespace, name)
        found = self.objects[key]
        if not found["metadata"].get("finalizers"):
            self._vanish(key)
        elif not found["metadata"].get("deletionTimestamp"):
            found["metadata"]["deletionTimestamp"] = rfc3339(self._clock())
            self._store(key, found)

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return an object as it is, caches or not."""
        return self.objects.get((kind, namespace, name))

    def of_kind(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the objects of some kinds in the order of their names."""
        return [obj for key, obj in sorted(self.objects.items()) if key[0] in kinds]

    # What reconciliation sees --------------------------------------------------------------------------------------

    def endpoint(self, request: Request) -> Object | None:
        key = (ENDPOINT, request.namespace, request.name)
        return copy.deepcopy(self.outdated.get(key)) or self._seen(*key)

    async def refresh(self, manifest: Object) -> None:
        self.outdated.pop(_key(manifest), None)

    def elders(self, manifest: Object) -> int:
        def age(m: Object) -> tuple[str, str]:
            return m["metadata"]["creationTimestamp"], m["metadata"]["name"]

        return sum(
            m["metadata"]["namespace"] == manifest["metadata"]["namespace"]
            and m["spec"].get("state") != "absent"
            and age(m) < age(manifest)
            for m in self.of_kind(ENDPOINT)
        )

    async def binding(self, uid: str, *, sure: bool) -> Object | None:
        found = self._seen("Secret", self.binding_namespace, uid, sure=sure)
        hidden = found is None or _role(found) == "retained" or not (sure or _role(found) == "binding")
        return None if hidden else found

    async def connections(self, namespace: str, uid: str, name: str, *, sure: bool) -> tuple[Object, ...]:
        found = {}
        for key, secret in sorted(self.objects.items()):
            if key[:2] != ("Secret", namespace):
                continue
            cached = _role(secret) == "connection" and key not in self.hidden
            ours = cached and secret["metadata"]["labels"].get(LABEL_UID) == uid
            if ours or (key[2] == name and (cached or sure or key in self._taken)):
                found[key] = copy.deepcopy(secret)
        return tuple(found.values())

    async def retained(self, uid: str) -> Object | None:
        found = self._seen("Secret", self.binding_namespace, uid, sure=True)
        return found if found is not None and _role(found) == "retained" else None

    def referenced(self, namespace: str, name: str) -> Object | None:
        found = self._seen("Secret", namespace, name)
        labels = ((found or {}).get("metadata") or {}).get("labels") or {}
        return found if labels.get(LABEL_REFERABLE) == "true" else None

    def service(self, namespace: str, name: str) -> Object | None:
        return self._seen("Service", namespace, name)

    def service_base(self, namespace: str, name: str) -> str | None:
        return self.forwards.get((namespace, name))

    async def routes(self, uid: str, *, sure: bool) -> tuple[Object, ...]:
        return tuple(
            copy.deepcopy(r)
            for r in self.of_kind("Ingress", "HTTPRoute")
            if (r["metadata"].get("labels") or {}).get(LABEL_UID) == uid and (sure or _key(r) not in self.hidden)
        )

    @property
    def routing(self) -> Routing:
        shared = [r for r in self.of_kind("Ingress", "HTTPRoute") if _role(r) == "shared-route"]
        return Routing(classes=self.classes, shared={(r["kind"], r["metadata"]["name"]): r for r in shared})

    def segment_taken(self, segment: str, uid: str) -> bool:
        return any(other != uid and path == segment for other, path in self._paths())

    # What reconciliation does --------------------------------------------------------------------------------------

    async def execute(self, step: Step) -> None:
        await asyncio.sleep(0)  # whoever else is worked on has a turn before each write
        key = _key(step.object)
        self.watchman.see_step(step)
        words = describe(step, self.binding_namespace)
        self._permitted(words)
        with _Counted(self, words):
            found = self.objects.get(key)
            self.hidden.discard(key)  # what is written is seen, and after a conflict the next look is a live one
            try:
                self._carry_out(step, key, found)
                if key[:2] == ("Secret", self.binding_namespace) and step.verb is not Verb.DELETE:
                    self.watchman.see_written(key[2], secret_data(step.object).get(contract.DATA_KEY, b""))
                self.outdated.pop(key, None)  # the answer to a write tells what is so
            except ClusterError as error:
                if error.conflict:
                    self._taken.add(key)
                raise

    async def write_status(self, manifest: Object, status: Object) -> None:
        key = _key(manifest)
        ready = next(c for c in status["conditions"] if c["type"] == "Ready")
        self.outdated.pop(key, None)  # done or refused, the answer tells what is so
        words = f"status {ready['status']} {ready['reason']}"
        self._permitted(words)
        with _Counted(self, words):
            found = self._expected("write the status of", key, {"uid": manifest["metadata"]["uid"]})
            assert violations(found["metadata"]["generation"], status) == []
            self.watchman.see_text(repr(status))
            self._store(key, {**found, "status": copy.deepcopy(dict(status))})

    async def post_event(self, manifest: Object, *, normal: bool, reason: str, message: str) -> None:
        self.watchman.see_event(message)
        self.events.append(("Normal" if normal else "Warning", reason))

    # An API server's rules -----------------------------------------------------------------------------------------

    def _permitted(self, words: str) -> None:
        if words in self.refused:
            raise ClusterError(f"{words}: 403 Forbidden", refused=True)

    def _carry_out(self, step: Step, key: Key, found: dict[str, Any] | None) -> None:
        wanted = copy.deepcopy(dict(step.object))
        if step.verb is Verb.CREATE:
            if found is not None:
                raise ClusterError(f"create {key}: it exists", conflict=True)
            self._store(key, {**wanted, "metadata": {**self._born(), **wanted["metadata"]}})
        elif step.verb is Verb.DELETE:
            if found is not None:
                self._expected("delete", key, {"uid": wanted["metadata"].get("uid")})
                self.drop(*key)
        elif step.verb is Verb.APPLY and found is None and not wanted["metadata"].get("uid"):
            self._store(key, {**wanted, "metadata": {**self._born(), **wanted["metadata"]}})
            self._applied[key] = wanted
        else:
            found = self._expected(step.verb.value, key, wanted["metadata"])
            new = wanted if step.verb is Verb.REPLACE else _merged(self._applied.get(key), wanted, found)
            if step.verb is Verb.APPLY:
                self._applied[key] = wanted
            _keep_fixed(found, new)
            self._store(key, new)

    def _expected(self, verb: str, key: Key, preconditions: Object) -> dict[str, Any]:
        found = self.objects.get(key)
        if found is None:
            raise ClusterError(f"{verb} {key}: it is gone", conflict=True)
        for name in ("uid", "resourceVersion"):
            if preconditions.get(name) not in (None, found["metadata"][name]):
                raise ClusterError(f"{verb} {key}: another {name}", conflict=True)
        return copy.deepcopy(found)

    def _store(self, key: Key, obj: dict[str, Any]) -> dict[str, Any]:
        before = self.objects.get(key)
        if before is not None and obj == before:
            return before  # a write that changes nothing makes no new version
        metadata = obj["metadata"]
        if key[0] == ENDPOINT:
            respecified = before is None or before["spec"] != obj["spec"]
            metadata["generation"] = (before["metadata"]["generation"] if before else 0) + respecified
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        self.objects[key] = obj
        if key[:2] == ("Secret", self.binding_namespace):
            self.watchman.see_binding(secret_data(obj).get(contract.DATA_KEY, b""))
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self._vanish(key)
        return obj

    def _vanish(self, key: Key) -> None:
        del self.objects[key]
        self._applied.pop(key, None)
        self._taken.discard(key)

    def _born(self) -> dict[str, Any]:
        uid = f"00000000-0000-4000-8000-{self._version + 1:012d}"
        return {"uid": uid, "creationTimestamp": rfc3339(self._clock())}

    def _seen(self, kind: str, namespace: str, name: str, *, sure: bool = False) -> Object | None:
        key = (kind, namespace, name)
        return copy.deepcopy(self.objects.get(key)) if sure or key not in self.hidden else None

    def _paths(self) -> list[tuple[str, str | None]]:
        return [(uid, contract.decode(raw).segment) for uid, raw in self.bindings().items()]

    def bindings(self) -> dict[str, bytes]:
        """Return the bytes of every binding by its uid, as receivers read them."""
        secrets = [s for s in self.of_kind("Secret") if _role(s) == "binding"]
        return {s["metadata"]["name"]: secret_data(s).get(contract.DATA_KEY, b"") for s in secrets}


class FakeReceivers:
    """See `hookgate.control.cluster.Receivers`: ``ready`` receivers that serve what there is, unless one lags."""

    def __init__(self, world: World, *, ready: int = 2) -> None:
        self.ready = ready
        self._world = world
        self._behind: dict[int, dict[str, str]] = {}

    def lag(self, receiver: int = 0) -> None:
        """Let one receiver go on serving what it serves now."""
        self._behind[receiver] = self._table()

    def catch_up(self) -> None:
        """Let all receivers serve what there is."""
        self._behind.clear()

    async def served(self, uid: str, digest: str | None) -> Served:
        now = self._table()
        agreeing = sum(self._behind.get(i, now).get(uid) == digest for i in range(self.ready))
        what = "nothing" if digest is None else "it"
        self._world.story.append(f"({agreeing} of {self.ready} receivers serve {what})")
        return Served(digest=digest, ready=self.ready, agreeing=agreeing)

    def _table(self) -> dict[str, str]:
        return {uid: contract.digest(raw) for uid, raw in self._world.bindings().items()}


class _Counted:
    """One write: it is counted and told, and may fail or crash before or after it is done."""

    def __init__(self, world: World, words: str) -> None:
        self._world, self._words = world, words

    def __enter__(self) -> None:
        self._world.writes += 1
        self._world.fault(self._world.writes, "before")
        self._world.story.append(self._words)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._world.fault(self._world.writes, "after")


def describe(step: Step, binding_namespace: str) -> str:
    """Tell a step in a few words, such as "create binding" or "apply Secret ci-webhook"."""
    obj = step.object
    if obj["kind"] == ENDPOINT:
        return "hold finalizer" if obj["metadata"].get("finalizers") else "drop finalizer"
    if obj["metadata"].get("namespace") == binding_namespace:
        return f"{step.verb.value} binding"
    name = f" {obj['metadata']['name']}" if obj["kind"] == "Secret" else ""
    return f"{step.verb.value} {obj['kind']}{name}"


def _key(obj: Object) -> Key:
    return str(obj["kind"]), str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"])


def _role(obj: Object) -> str | None:
    role = (obj["metadata"].get("labels") or {}).get("hookgate.dev/role")
    return str(role) if role else None


def _merged(before: Any, wanted: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Server-side apply by one manager: its fields are set, those that it no longer wants go, all others stay."""
    new: dict[str, Any] = _joined(before or {}, wanted, found)
    metadata = new["metadata"]
    metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
    theirs = [f for f in found["metadata"].get("finalizers") or () if f != FINALIZER]
    metadata["finalizers"] = [*theirs, *(wanted["metadata"].get("finalizers") or ())]
    if not metadata["finalizers"]:
        del metadata["finalizers"]
    if "ownerReferences" in wanted["metadata"]:
        ours = {ref["uid"]: ref for ref in wanted["metadata"]["ownerReferences"]}
        kept = [ref for ref in found["metadata"].get("ownerReferences") or () if ref["uid"] not in ours]
        metadata["ownerReferences"] = [*ours.values(), *kept]
    return new


def _joined(before: Any, wanted: Any, found: Any) -> Any:
    if not isinstance(wanted, dict) or not isinstance(found, dict):
        return wanted
    before = before if isinstance(before, dict) else {}
    kept = {k: v for k, v in found.items() if k in wanted or k not in before}
    return {**kept, **{k: _joined(before.get(k), v, found.get(k)) for k, v in wanted.items()}}


def _keep_fixed(found: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuse what an API server lets nobody change."""
    if found["kind"] != "Secret":
        return
    if found.get("type") != new.get("type"):
        raise ClusterError("a Secret's type cannot change", refused=True)
    if found.get("immutable") and (found.get("data") != new.get("data") or not new.get("immutable")):
        raise ClusterError("an immutable Secret cannot change", refused=True)

"""The `Cluster` of standalone mode: objects declared by files, kept in a state folder, under an API server's rules.

What an API server does between a manifest and a controller is done here: uid, generation, resourceVersion, timestamps,
finalizers, preconditions, and the removal of what an endpoint owned. There are no routes: nothing outside listens to
them. This module may not know where the declarations come from nor what any step is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hookgate.control.cluster import ClusterError, Request, request_of
from hookgate.control.names import names_of
from hookgate.control.objects import (
    LABEL_ROLE,
    ROLE_BINDING,
    ROLE_RETAINED,
    binding_secret,
    meta,
    owned_by,
    secret_data,
    uid_of,
    version_of,
)
from hookgate.control.population import seniority
from hookgate.control.preconditions import hold, hold_write, unwritten
from hookgate.control.state import BINDINGS, ENDPOINTS, RETAINED, SECRETS, Record, StateFolder
from hookgate.control.status import rfc3339
from hookgate.control.values import Object, Routing, Step, Verb
from hookgate.model import binding as contract
from hookgate.model.endpoint import KIND, LABEL_REFERABLE, LABEL_UID

#: What a manifest's writer decides about metadata; the rest is the server's.
_GIVEN = ("labels", "annotations")

Declarations = Mapping[Request, Record]


class DirectoryCluster:
    """One state folder as a cluster. All methods belong to one event loop.

    ``forwards`` maps a Service's namespace and name to the URL that stands for it. The three callables may be set
    before anything is declared: ``wake`` hears which endpoint to look at, ``bound`` of a binding's new bytes (None:
    it is gone), ``told`` of Events.
    """

    system_namespace = "hookgate-system"
    routing = Routing()

    def __init__(
        self,
        state: StateFolder,
        *,
        forwards: Mapping[tuple[str, str], str],
        clock: Callable[[], float],
        new_uid: Callable[[], str],
    ) -> None:
        """Load an opened folder. Raises `StateError`."""
        self._state, self._forwards, self._clock, self._new_uid = state, forwards, clock, new_uid
        # No namespace can be called like this, so bindings never meet a tenant's Secret.
        self.binding_namespace = str(state.folder / BINDINGS)
        self.wake: Callable[[Request], None] = lambda _: None
        self.bound: Callable[[str, bytes | None], None] = lambda _uid, _raw: None
        self.told: Callable[[Object, bool, str, str], None] = lambda *_: None
        self._endpoints, self._secrets = state.objects(ENDPOINTS), state.objects(SECRETS)
        self._bindings = state.bindings()
        self._retained = state.bindings(RETAINED)
        self._wanted: tuple[Declarations, Declarations] = ({}, {})
        self._version = max((version_of(r.object) for r in self._records()), default=0)
        self._sweep()

    # What there is, for those who serve and show it ----------------------------------------------------------------

    @property
    def endpoints(self) -> Mapping[Request, Record]:
        """Every endpoint with the file that declares it, those being deleted included."""
        return self._endpoints

    @property
    def declared_secrets(self) -> Mapping[Request, Record]:
        """The Secrets that files declare."""
        return {request: record for request, record in self._secrets.items() if record.source is not None}

    @property
    def bindings(self) -> Mapping[str, bytes]:
        """Every binding's bytes by uid."""
        return self._bindings

    # What files declare --------------------------------------------------------------------------------------------

    def declare(self, endpoints: Declarations, secrets: Declarations) -> tuple[str, ...]:
        """Make the declared objects what `kubectl apply --prune` would make them; return what was refused, as texts.

        Raises `ClusterError` when the state cannot be written; the same call again resumes.
        """
        self._wanted = (endpoints, secrets)
        try:
            refused = self._declare_secrets(secrets)
            for request in sorted(self._endpoints.keys() | endpoints.keys()):
                if self._declare_endpoint(request, endpoints.get(request)):
                    self.wake(request)
        except OSError as error:
            raise unwritten("declare", KIND, "", error) from None
        return refused

    def _declare_endpoint(self, request: Request, wanted: Record | None) -> bool:
        """Bring one endpoint to its declaration; tell whether there is something to reconcile."""
        found = self._endpoints.get(request)
        if found is None:
            return wanted is not None and self._create_endpoint(request, wanted)
        if meta(found.object).get("deletionTimestamp"):
            return False  # declared anew, it comes back when its deletion is through
        if wanted is None:
            return self._delete_endpoint(request, found)
        given = _given(wanted.object)
        before = {key: meta(found.object).get(key) for key in _GIVEN if key in meta(found.object)}
        same_spec = wanted.object["spec"] == found.object["spec"]
        if same_spec and given == before and wanted.source == found.source:
            return False
        kept = {key: value for key, value in meta(found.object).items() if key not in _GIVEN}
        generation = int(kept["generation"]) + (not same_spec)
        changed = {
            **found.object,
            "metadata": {**kept, **given, "generation": generation},
            "spec": wanted.object["spec"],
        }
        self._put(ENDPOINTS, request, changed, wanted.source)
        return True

    def _create_endpoint(self, request: Request, wanted: Record) -> bool:
        metadata = {
            "namespace": request.namespace,
            "name": request.name,
            "uid": self._new_uid(),
            "generation": 1,
            "creationTimestamp": rfc3339(self._clock()),
            **_given(wanted.object),
        }
        self._put(ENDPOINTS, request, {**wanted.object, "metadata": metadata}, wanted.source)
        return True

    def _delete_endpoint(self, request: Request, found: Record) -> bool:
        if not meta(found.object).get("finalizers"):
            self._vanish(request)
            return False
        marked = {**meta(found.object), "deletionTimestamp": rfc3339(self._clock())}
        self._put(ENDPOINTS, request, {**found.object, "metadata": marked}, found.source)
        return True

    def _vanish(self, request: Request) -> None:
        """Forget an endpoint and what it owned; if it is declared again by now, begin anew."""
        gone = self._endpoints[request]
        self._state.drop_object(ENDPOINTS, request)
        del self._endpoints[request]
        for other, record in list(self._secrets.items()):
            if owned_by(record.object, uid_of(gone.object)):
                self._drop_secret(other)
        self.declare(*self._wanted)

    def _declare_secrets(self, secrets: Declarations) -> tuple[str, ...]:
        refused = []
        for request in sorted(self._secrets.keys() | secrets.keys()):
            found, wanted = self._secrets.get(request), secrets.get(request)
            if found is not None and found.source is None:
                if wanted is not None:
                    refused.append(
                        f"{wanted.source}: Secret {request}: metadata.name: there is a connection Secret of this name; "
                        "choose another name"
                    )
            elif wanted is None:
                self._drop_secret(request)
            elif found is None or wanted.source != found.source or not _same_secret(wanted.object, found.object):
                uid = uid_of(found.object) if found else self._new_uid()
                metadata = {**meta(wanted.object), "uid": uid}
                self._put(SECRETS, request, {**wanted.object, "metadata": metadata}, wanted.source)
                self._wake_users(request)
        return tuple(refused)

    def _wake_users(self, secret: Request) -> None:
        for request, record in self._endpoints.items():
            names = names_of(record.object)
            if request.namespace == secret.namespace and secret.name in (names.connection, *names.referenced):
                self.wake(request)

    # The Cluster protocol ------------------------------------------------------------------------------------------

    def endpoint(self, request: Request) -> Object | None:
        """See `Cluster`."""
        return found.object if (found := self._endpoints.get(request)) else None

    async def refresh(self, manifest: Object) -> None:
        """See `Cluster`. There is no cache in between."""

    def elders(self, manifest: Object) -> int:
        """See `Cluster`."""
        mine = seniority(manifest)
        return sum(
            request.namespace == meta(manifest)["namespace"]
            and record.object["spec"].get("state") != "absent"
            and seniority(record.object) < mine
            for request, record in self._endpoints.items()
        )

    async def binding(self, uid: str, *, sure: bool) -> Object | None:
        """See `Cluster`. The bytes themselves are the version: a binding has no other history."""
        raw = self._bindings.get(uid)
        return None if raw is None else self._binding_object(uid, raw)

    async def connections(self, namespace: str, uid: str, name: str, *, sure: bool) -> tuple[Object, ...]:
        """See `Cluster`."""
        return tuple(
            record.object
            for request, record in sorted(self._secrets.items())
            if request.namespace == namespace
            and (request.name == name or (meta(record.object).get("labels") or {}).get(LABEL_UID) == uid)
        )

    async def retained(self, uid: str) -> Object | None:
        """See `Cluster`."""
        raw = self._retained.get(uid)
        return None if raw is None else self._binding_object(uid, raw, ROLE_RETAINED)

    def referenced(self, namespace: str, name: str) -> Object | None:
        """See `Cluster`."""
        found = self._secrets.get(Request(namespace, name))
        if found is None or (meta(found.object).get("labels") or {}).get(LABEL_REFERABLE) != "true":
            return None
        return found.object

    def service(self, namespace: str, name: str) -> Object | None:
        """See `Cluster`. A forwarded Service has whatever ports endpoints ask it for."""
        if (namespace, name) not in self._forwards:
            return None
        targets = (r.object["spec"]["target"].get("service") for q, r in self._endpoints.items() if q[0] == namespace)
        ports = sorted({int(t["port"]) for t in targets if t is not None and t["name"] == name})
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"type": "ClusterIP", "ports": [{"port": port} for port in ports]},
        }

    def service_base(self, namespace: str, name: str) -> str | None:
        """See `Cluster`."""
        return self._forwards.get((namespace, name))

    async def routes(self, uid: str, *, sure: bool) -> tuple[Object, ...]:
        """See `Cluster`. There are none in a folder."""
        return ()

    def segment_taken(self, segment: str, uid: str) -> bool:
        """See `Cluster`."""
        return any(other != uid and segment in contract.segments_in(raw) for other, raw in self._bindings.items())

    async def execute(self, step: Step) -> None:
        """See `Cluster`."""
        kind, request = str(step.object.get("kind")), request_of(step.object)
        try:
            match kind:
                case "WebhookEndpoint" if step.verb is Verb.APPLY:
                    self._apply_endpoint(request, step.object)
                case "Secret" if request.namespace == self.binding_namespace:
                    self._execute_binding(step.verb, request.name, step.object)
                case "Secret":
                    self._execute_secret(step.verb, request, step.object)
                case _:
                    raise ClusterError(f"{step.verb.value} {kind} {request}: a folder keeps no such objects")
        except OSError as error:
            raise unwritten(step.verb.value, kind, str(request), error) from None

    async def write_status(self, manifest: Object, status: Object) -> None:
        """See `Cluster`."""
        request = request_of(manifest)
        found = self._endpoints.get(request)
        hold("status", KIND, request, {"uid": uid_of(manifest)}, found.object if found else None)
        assert found is not None
        try:
            self._put(ENDPOINTS, request, {**found.object, "status": dict(status)}, found.source)
        except OSError as error:
            raise unwritten("status", KIND, str(request), error) from None

    async def post_event(self, manifest: Object, *, normal: bool, reason: str, message: str) -> None:
        """See `Cluster`."""
        self.told(manifest, normal, reason, message)

    # Writes --------------------------------------------------------------------------------------------------------

    def _apply_endpoint(self, request: Request, wanted: Object) -> None:
        """Set or take away the one field of an endpoint that is not its declaration's: the finalizers."""
        found = self._endpoints.get(request)
        hold("apply", KIND, request, meta(wanted), found.object if found else None)
        assert found is not None
        finalizers = meta(wanted).get("finalizers") or []
        metadata = {**meta(found.object), "finalizers": list(finalizers)}
        if not finalizers:
            del metadata["finalizers"]
            if metadata.get("deletionTimestamp"):
                self._vanish(request)
                return
        self._put(ENDPOINTS, request, {**found.object, "metadata": metadata}, found.source)

    def _execute_binding(self, verb: Verb, uid: str, wanted: Object) -> None:
        raw, request = self._bindings.get(uid), Request(self.binding_namespace, uid)
        found = None if raw is None else self._binding_object(uid, raw)
        retained = meta(wanted)["labels"][LABEL_ROLE] == ROLE_RETAINED
        new = secret_data(wanted)[contract.DATA_KEY]
        if verb is Verb.DELETE and retained:
            self._state.drop_binding(uid, RETAINED)
            self._retained.pop(uid, None)
        elif verb is Verb.DELETE:
            if found is not None:
                hold(verb.value, "Secret", request, meta(wanted), found)
                self._drop_binding(uid)
        elif retained:
            hold_write(verb, request, wanted, found)
            if self._retained.get(uid) != new:  # the first half of a move that a crash may have cut
                self._state.put_binding(uid, new, RETAINED)
                self._retained[uid] = new
            self._drop_binding(uid)
        else:
            hold_write(verb, request, wanted, found)
            self._state.put_binding(uid, new)
            self._bindings[uid] = new
            self.bound(uid, new)

    def _drop_binding(self, uid: str) -> None:
        self._state.drop_binding(uid)
        del self._bindings[uid]
        self.bound(uid, None)

    def _execute_secret(self, verb: Verb, request: Request, wanted: Object) -> None:
        record = self._secrets.get(request)
        found = record.object if record else None
        if verb is Verb.DELETE:
            if found is not None:
                hold(verb.value, "Secret", request, meta(wanted), found)
                self._drop_secret(request)
            return
        hold_write(verb, request, wanted, found)
        if found is None or record is None:
            metadata = {**meta(wanted), "uid": self._new_uid(), "creationTimestamp": rfc3339(self._clock())}
            self._put(SECRETS, request, {**wanted, "metadata": metadata}, None)
        elif verb is Verb.REPLACE:
            self._put(SECRETS, request, wanted, record.source)
        else:
            labels = {**(meta(found).get("labels") or {}), **(meta(wanted).get("labels") or {})}
            self._put(
                SECRETS,
                request,
                {**found, **wanted, "metadata": {**meta(found), **meta(wanted), "labels": labels}},
                record.source,
            )

    def _put(self, plural: str, request: Request, obj: Object, source: str | None) -> None:
        """Write an object in its next version, unless it is as it was; the folder first, then the memory."""
        known = self._endpoints if plural == ENDPOINTS else self._secrets
        before = known.get(request)
        version = meta(before.object).get("resourceVersion") if before else None
        obj = {**obj, "metadata": {**meta(obj), "resourceVersion": version}}
        if before is not None and before.object == obj and before.source == source:
            return
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        record = Record(source=source, object=obj)
        self._state.put_object(plural, request, record)
        known[request] = record

    def _drop_secret(self, request: Request) -> None:
        self._state.drop_object(SECRETS, request)
        del self._secrets[request]
        self._wake_users(request)

    def _binding_object(self, uid: str, raw: bytes, role: str = ROLE_BINDING) -> dict[str, Any]:
        found = binding_secret(uid, raw, self.binding_namespace, role)
        found["metadata"] |= {"uid": f"binding-{uid}", "resourceVersion": contract.digest(raw)}
        return found

    def _records(self) -> list[Record]:
        return [*self._endpoints.values(), *self._secrets.values()]

    def _sweep(self) -> None:
        """Remove what belongs to no endpoint: bindings, and Secrets whose owner is gone."""
        uids = {uid_of(record.object) for record in self._endpoints.values()}
        for uid in self._bindings.keys() - uids:
            self._state.drop_binding(uid)
            del self._bindings[uid]
        for request, record in list(self._secrets.items()):
            owners = {str(ref.get("uid")) for ref in meta(record.object).get("ownerReferences") or ()}
            if owners and not owners & uids:
                self._state.drop_object(SECRETS, request)
                del self._secrets[request]


def _given(manifest: Object) -> dict[str, Any]:
    return {key: meta(manifest)[key] for key in _GIVEN if meta(manifest).get(key)}


def _same_secret(wanted: Object, found: Object) -> bool:
    return wanted.get("data") == found.get("data") and _given(wanted) == _given(found)

"""The `Cluster` kept by a Kubernetes API server: mirrors fed by watches, and writes that land in the mirrors at once.

It may not know decisions. Every update of an existing object carries its uid, so that a name that was deleted and taken
anew is never touched by mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from hookgate.control.cluster import ClusterError, Request
from hookgate.control.exposed import route_state
from hookgate.control.mirror import Mirror
from hookgate.control.objects import (
    LABEL_ROLE,
    ROLE_BINDING,
    ROLE_CONNECTION,
    ROLE_RETAINED,
    ROLE_ROUTE,
    ROLE_SHARED_ROUTE,
    meta,
    secret_data,
    uid_of,
)
from hookgate.control.population import Population
from hookgate.control.values import Object, Routing, Step, Verb
from hookgate.kube import events
from hookgate.kube.api import Api, ApiError
from hookgate.kube.resources import HTTPROUTES, INGRESSES, SECRETS, WEBHOOKENDPOINTS, Resource
from hookgate.model import binding as contract
from hookgate.model.endpoint import API_VERSION, KIND, LABEL_REFERABLE, LABEL_UID

SELECT_BINDINGS = f"{LABEL_ROLE}={ROLE_BINDING}"
SELECT_CONNECTIONS = f"{LABEL_ROLE}={ROLE_CONNECTION}"
SELECT_ROUTES = f"{LABEL_ROLE}={ROLE_ROUTE}"
SELECT_SHARED_ROUTES = f"{LABEL_ROLE}={ROLE_SHARED_ROUTE}"
ANNOTATION_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
SELECT_REFERABLE = f"{LABEL_REFERABLE}=true"
_ROUTES = {"Ingress": INGRESSES, "HTTPRoute": HTTPROUTES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrors:
    """One mirror for each kind that is watched. ``http_routes`` is None where the cluster has no Gateway API.

    ``shared`` are the routes of whole hosts, by kind.
    """

    bindings: Mirror
    connections: Mirror
    referable: Mirror
    services: Mirror
    ingresses: Mirror
    http_routes: Mirror | None
    shared: Mapping[str, Mirror]
    classes: Mirror


def make_mirrors(population: Population, wake: Callable[[Request], None], *, gateway: bool) -> Mirrors:
    """Return empty mirrors that wake the endpoints which a changed object belongs to or is named by."""

    def everybody(_: Object) -> None:
        for request in population:
            wake(request)

    def owner(obj: Object) -> None:
        uid = (meta(obj).get("labels") or {}).get("hookgate.dev/endpoint-uid")
        request = population.by_uid(str(uid))
        if request is not None:
            wake(request)

    def namers(kind: str) -> Callable[[Object], None]:
        def wake_namers(obj: Object) -> None:
            for request in population.naming(str(meta(obj).get("namespace")), kind, str(meta(obj)["name"])):
                wake(request)

        return wake_namers

    def connection(obj: Object) -> None:
        owner(obj)
        namers("Secret")(obj)

    kinds = ("Ingress", *(("HTTPRoute",) if gateway else ()))
    return Mirrors(
        bindings=Mirror(owner),
        connections=Mirror(connection),
        referable=Mirror(namers("Secret")),
        services=Mirror(namers("Service")),
        ingresses=Mirror(owner),
        http_routes=Mirror(owner) if gateway else None,
        # Thousands of endpoints tell of one: not for every time that a controller notes down.
        shared={kind: Mirror(everybody, alike=_tell_the_same) for kind in kinds},
        classes=Mirror(everybody),
    )


def _tell_the_same(known: Object, obj: Object) -> bool:
    """Tell whether endpoints tell the same of two versions of the route that they share."""
    return meta(known).get("generation") == meta(obj).get("generation") and (
        route_state(known, None) == route_state(obj, None)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the operator and the bindings live; ``instance`` names this process in Events."""

    system_namespace: str
    binding_namespace: str
    instance: str


class ApiServerCluster:
    """See `hookgate.control.cluster.Cluster`."""

    def __init__(
        self,
        api: Api,
        population: Population,
        mirrors: Mirrors,
        place: Place,
    ) -> None:
        self.system_namespace = place.system_namespace
        self.binding_namespace = place.binding_namespace
        self._api = api
        self._population = population
        self._mirrors = mirrors
        self._instance = place.instance
        #: Names of connection Secrets that turned out to be somebody else's: nothing tells when they are given up.
        self._taken: set[tuple[str, str]] = set()
        #: Writes that the API server took, by verb and kind.
        self.writes: Counter[tuple[str, str]] = Counter()

    def endpoint(self, request: Request) -> Object | None:
        return self._population.get(request)

    async def refresh(self, manifest: Object) -> None:
        found = await self._get(WEBHOOKENDPOINTS, str(meta(manifest).get("namespace")), str(meta(manifest)["name"]))
        if found is None:
            self._population.remove(manifest)
        else:
            self._population.put(found, ours=True)  # whoever asks looks again

    def elders(self, manifest: Object) -> int:
        return self._population.elders(manifest)

    async def retained(self, uid: str) -> Object | None:
        found = await self._get(SECRETS, self.binding_namespace, uid)
        return found if found is not None and _role(found) == ROLE_RETAINED else None

    def referenced(self, namespace: str, name: str) -> Object | None:
        return self._mirrors.referable.get(namespace, name)

    def service(self, namespace: str, name: str) -> Object | None:
        return self._mirrors.services.get(namespace, name)

    def service_base(self, namespace: str, name: str) -> str | None:
        return None

    async def binding(self, uid: str, *, sure: bool) -> Object | None:
        found = self._mirrors.bindings.get(self.binding_namespace, uid)
        if found is None and sure:
            # One that merely lost its labels is still the authority, and gets them back.
            found = await self._live(SECRETS, self._mirrors.bindings, self.binding_namespace, uid, but=ROLE_RETAINED)
        return found

    async def connections(self, namespace: str, uid: str, name: str, *, sure: bool) -> tuple[Object, ...]:
        mirror = self._mirrors.connections
        found = {str(meta(s)["name"]): s for s in mirror.of(uid) if meta(s).get("namespace") == namespace}
        named = found.get(name) or mirror.get(namespace, name)
        if named is None and (sure or (namespace, name) in self._taken or self._told_taken(uid)):
            # One without our labels is not in the mirror, and must not get in: the watch would never take it out.
            named = await self._connection(namespace, uid, name)
            if named is None:
                self._taken.discard((namespace, name))
        return tuple({**found, **({name: named} if named else {})}.values())

    async def _connection(self, namespace: str, uid: str, name: str) -> Object | None:
        """Look for a connection Secret live; one that is out of our reach is nothing to wait for."""
        try:
            return await self._api.get(SECRETS, name, namespace)
        except ApiError as error:
            if error.forbidden and self._is_going(uid):
                return None
            raise _translated(error) from None

    def _is_going(self, uid: str) -> bool:
        """Tell whether an endpoint is being deleted.

        The deletion of its namespace takes our rights there along, where they are given there, at any moment. Then its
        connection Secret is left to that, or to the garbage collector.
        """
        request = self._population.by_uid(uid)
        manifest = self._population.get(request) if request else None
        return manifest is not None and bool(meta(manifest).get("deletionTimestamp"))

    def _told_taken(self, uid: str) -> bool:
        """Tell whether an endpoint's status says that the name is taken: what an operator before this one found out."""
        request = self._population.by_uid(uid)
        status = ((self._population.get(request) if request else None) or {}).get("status") or {}
        return any(c.get("reason") == "SecretNameTaken" for c in status.get("conditions") or ())

    async def routes(self, uid: str, *, sure: bool) -> tuple[Object, ...]:
        found: list[Object] = []
        for resource, mirror in self._route_kinds():
            ours = mirror.of(uid)
            if not ours and sure:
                live = await self._live(resource, mirror, self.system_namespace, f"hookgate-{uid}")
                ours = (live,) if live else ()
            found.extend(ours)
        return tuple(found)

    @property
    def routing(self) -> Routing:
        classes = self._mirrors.classes
        known = {str(meta(c)["name"]): _is_default(c) for c in classes}
        shared = {(kind, str(meta(r)["name"])): r for kind, mirror in self._mirrors.shared.items() for r in mirror}
        return Routing(classes=known if classes.filled else None, shared=shared)

    def segment_taken(self, segment: str, uid: str) -> bool:
        others = (secret for secret in self._mirrors.bindings if meta(secret)["name"] != uid)
        return any(segment in contract.segments_in(secret_data(s).get(contract.DATA_KEY, b"")) for s in others)

    async def execute(self, step: Step) -> None:
        resource, mirror = self._kind(step.object)
        name, namespace = str(meta(step.object)["name"]), str(meta(step.object).get("namespace") or "")
        if mirror is None and resource is not WEBHOOKENDPOINTS:
            # What cannot be seen would be written again and again, and never be taken away.
            told = f"{step.verb.value} {resource.kind} {namespace}/{name}: the cluster does not serve this kind"
            raise ClusterError(told, refused=True)
        with mirror.asking(namespace, name) if mirror is not None else nullcontext():
            await self._write(step, resource, mirror)
        self.writes[step.verb.value, str(step.object["kind"])] += 1

    async def _write(self, step: Step, resource: Resource, mirror: Mirror | None) -> None:
        obj = step.object
        try:
            match step.verb:
                case Verb.CREATE:
                    self._wrote(mirror, await self._api.create(resource, obj))
                case Verb.APPLY:
                    self._wrote(mirror, await self._api.apply(resource, obj))
                case Verb.REPLACE:
                    self._wrote(mirror, await self._api.replace(resource, obj))
                case Verb.DELETE:
                    await self._api.delete(
                        resource, str(meta(obj)["name"]), meta(obj).get("namespace"), uid=uid_of(obj)
                    )
                    if mirror is not None:
                        mirror.deleted(obj)
        except ApiError as error:
            if error.forbidden and mirror is self._mirrors.connections:
                self._out_of_reach(obj)
            # Without a uid nothing is meant that was there before: namespace or kind is missing.
            homeless = error.not_found and not meta(obj).get("uid")
            if not homeless:
                await self._outdated(resource, mirror, obj, error)
            raise _translated(error, refused=error.forbidden or error.invalid or homeless) from None

    def _out_of_reach(self, obj: Object) -> None:
        """Forget a connection Secret that we may not write, if its endpoint is being deleted."""
        known = self._mirrors.connections.get(str(meta(obj).get("namespace")), str(meta(obj)["name"]))
        if known is not None and self._is_going(str((meta(known).get("labels") or {}).get(LABEL_UID))):
            self._mirrors.connections.deleted(known)

    async def write_status(self, manifest: Object, status: Object) -> None:
        identity = {k: meta(manifest).get(k) for k in ("name", "namespace", "uid")}
        whole = {"apiVersion": API_VERSION, "kind": KIND, "metadata": identity, "status": status}
        try:
            written = await self._api.apply(WEBHOOKENDPOINTS, whole, subresource="status")
            self._population.put(written, ours=True)
        except ApiError as error:
            await self._outdated(WEBHOOKENDPOINTS, None, manifest, error)
            raise _translated(error) from None
        self.writes["apply", f"{KIND}/status"] += 1

    async def post_event(self, manifest: Object, *, normal: bool, reason: str, message: str) -> None:
        told = events.event(
            {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta(manifest)},
            kind="Normal" if normal else "Warning",
            reason=reason,
            action="Reconcile",
            note=message,
            instance=self._instance,
            now=datetime.now(UTC),
        )
        await events.post(self._api, told)
        self.writes["create", "Event"] += 1

    def _kind(self, obj: Object) -> tuple[Resource, Mirror | None]:
        """Return where an object of this kind lives, and the mirror that shows it; endpoints have none."""
        match obj["kind"]:
            case "Secret" if meta(obj).get("namespace") == self.binding_namespace:
                return SECRETS, self._mirrors.bindings
            case "Secret":
                return SECRETS, self._mirrors.connections
            case "Ingress" | "HTTPRoute" as kind if _role(obj) == ROLE_SHARED_ROUTE:
                return _ROUTES[kind], self._mirrors.shared.get(kind)
            case "Ingress":
                return INGRESSES, self._mirrors.ingresses
            case "HTTPRoute":
                return HTTPROUTES, self._mirrors.http_routes
            case "WebhookEndpoint":
                return WEBHOOKENDPOINTS, None
            case other:
                raise ValueError(f"no place for kind {other}")

    def _route_kinds(self) -> list[tuple[Resource, Mirror]]:
        kinds = [(INGRESSES, self._mirrors.ingresses)]
        if self._mirrors.http_routes is not None:
            kinds.append((HTTPROUTES, self._mirrors.http_routes))
        return kinds

    def _wrote(self, mirror: Mirror | None, obj: Object) -> None:
        if mirror is self._mirrors.bindings and _role(obj) != ROLE_BINDING:
            mirror.deleted(obj)  # the watch tells of it as a deletion, too
        elif mirror is not None:
            mirror.wrote(obj)
        elif meta(obj).get("deletionTimestamp") and not meta(obj).get("finalizers"):
            self._population.remove(obj)
        else:
            self._population.put(obj, ours=True)

    async def _get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        try:
            return await self._api.get(resource, name, namespace)
        except ApiError as error:
            raise _translated(error) from None

    async def _live(
        self, resource: Resource, mirror: Mirror, namespace: str, name: str, *, but: str | None = None
    ) -> Object | None:
        """Look for what a mirror lacks; of the role ``but`` it counts as missing."""
        with mirror.asking(namespace, name):
            found = await self._get(resource, namespace, name)
            if found is None or (but is not None and _role(found) == but):
                return None
            mirror.wrote(found)
        return found

    async def _outdated(self, resource: Resource, mirror: Mirror | None, obj: Object, error: ApiError) -> None:
        """Where a refusal tells that we saw an old state, look at the new one before deciding again."""
        if not (error.conflict or error.already_exists or error.not_found):
            return
        name, namespace = str(meta(obj)["name"]), str(meta(obj).get("namespace"))
        found = await self._get(resource, namespace, name)
        if mirror is None:
            if found is None:
                self._population.remove(obj)
            else:
                self._population.put(found, ours=True)  # as after every refusal it is looked at again
        elif found is not None and mirror is self._mirrors.connections and _role(found) != ROLE_CONNECTION:
            self._taken.add((namespace, name))
        elif found is not None:
            mirror.wrote(found)
        else:
            mirror.deleted(obj)


def _is_default(ingress_class: Object) -> bool:
    return (meta(ingress_class).get("annotations") or {}).get(ANNOTATION_DEFAULT_CLASS) == "true"


def _role(obj: Object) -> str | None:
    role = (meta(obj).get("labels") or {}).get(LABEL_ROLE)
    return str(role) if role else None


def _translated(error: ApiError, *, refused: bool = False) -> ClusterError:
    outdated = not refused and (error.conflict or error.already_exists or error.not_found)
    # Whoever is asked for time has nothing to tell yet, and may not write it either.
    final = refused and error.retry_after is None
    told = f"{error}, as there is no such namespace or kind" if refused and error.not_found else str(error)
    return ClusterError(told, conflict=outdated, retry_after=error.retry_after, refused=final)

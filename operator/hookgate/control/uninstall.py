"""Frees all endpoints where no operator is to look after them any more, so that everything can be deleted.

It holds the Lease meanwhile: no operator acts at the same time. A second run goes on where the first ended. It may not
know who asks, nor how to tell people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hookgate.control.apiserver import SELECT_BINDINGS, SELECT_CONNECTIONS, SELECT_ROUTES
from hookgate.control.freeing import freed_status, freeing
from hookgate.control.objects import FIELD_MANAGER, LABEL_MANAGED, meta, uid_of
from hookgate.control.sweep import orphans
from hookgate.control.values import Object, Step, Verb
from hookgate.kube.api import Api, ApiError
from hookgate.kube.lease import Elector
from hookgate.kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    HTTPROUTES,
    INGRESSES,
    LEASES,
    NAMESPACES,
    POD_DISRUPTION_BUDGETS,
    SECRETS,
    SERVICES,
    WEBHOOKENDPOINTS,
    Resource,
)
from hookgate.model.endpoint import API_VERSION, KIND, LABEL_UID

LEASE = "hookgate-operator"
#: How long an operator that died may still hold its Lease, and somewhat more, in seconds.
PATIENCE = 30.0
#: How often it is looked whether somebody renews the Lease, in seconds.
_INTERVAL = 0.5
#: How often what changed meanwhile is looked at anew, before its error is told.
_LOOKS = 5

#: Kinds of what is made for receivers: first what would bring others of them back.
_RECEIVERS = (
    INGRESSES,
    HTTPROUTES,
    HORIZONTAL_POD_AUTOSCALERS,
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    CONFIGMAPS,
)
_RESOURCES = {"Secret": SECRETS, "Ingress": INGRESSES, "HTTPRoute": HTTPROUTES, "WebhookEndpoint": WEBHOOKENDPOINTS}


class OperatorRuns(Exception):  # noqa: N818 -- what it says
    """An operator holds the Lease and renews it; the text is its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What to free: all endpoints, or those of ``namespaces``.

    ``installation``: what was made for it goes as well, receivers and leftovers. ``patient``: an operator that is
    still there has been told to end.
    """

    system_namespace: str
    binding_namespace: str
    namespaces: tuple[str, ...] = ()
    installation: bool = True
    patient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """What was done: ``endpoints`` freed, ``swept`` objects of endpoints that were gone before. ``left`` bindings stay.

    Of those the names: they are retained, or cannot be read, or belong to other namespaces. ``stranded`` endpoints are
    unreachable, too, and keep our finalizer: in a namespace that is no more nothing can be changed. ``receivers`` are
    the objects of receivers that were deleted, ``refused`` the kinds of which none might be.
    """

    endpoints: int
    swept: int
    left: tuple[str, ...]
    stranded: tuple[str, ...]
    receivers: int = 0
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One look at everything; ``bindings`` by uid."""

    bindings: Mapping[str, Object]
    routes: Sequence[Object]
    connections: Sequence[Object]
    endpoints: Sequence[Object]


async def uninstall(api: Api, scope: Scope, *, identity: str, now: Callable[[], float]) -> Freed:
    """Free what is in ``scope``. ``now`` gives unix seconds. Raises `OperatorRuns` and ApiError."""
    if await api.get(NAMESPACES, scope.system_namespace) is None:
        return await _free(api, scope, now)  # nowhere to have a Lease, and nowhere for an operator to run
    elector = Elector(api, namespace=scope.system_namespace, name=LEASE, identity=identity)
    await _acquire(api, elector, scope, identity)
    result: list[Freed] = []

    async def work() -> None:
        result.append(await _free(api.fenced(elector.leading), scope, now))

    await elector.lead(work)
    return result[0]


async def _acquire(api: Api, elector: Elector, scope: Scope, identity: str) -> None:
    """Wait for the Lease of an operator that has ended.

    Raises `OperatorRuns` as soon as somebody renews it, or with patience, when somebody still does after a while.
    """
    leading = asyncio.create_task(elector.acquire())
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    try:
        before = await _record(api, scope.system_namespace)
        while not leading.done():
            await asyncio.wait((leading,), timeout=_INTERVAL)
            now = await _record(api, scope.system_namespace)
            renewed = now != before and not scope.patient
            if now[0] != identity and (renewed or loop.time() > end):
                raise OperatorRuns(now[0])
        leading.result()
    finally:
        leading.cancel()


async def _record(api: Api, namespace: str) -> tuple[str, str]:
    """Return who holds the Lease, and when they last renewed it."""
    spec = (await api.get(LEASES, LEASE, namespace) or {}).get("spec") or {}
    return str(spec.get("holderIdentity") or ""), str(spec.get("renewTime") or "")


async def _free(api: Api, scope: Scope, now: Callable[[], float]) -> Freed:
    """Free everything, looking anew where something changed or went meanwhile, as when its namespace is deleted."""
    freed: set[str] = set()
    for looks in range(_LOOKS, -1, -1):
        seen = await _see(api, scope)
        stranded: list[str] = []
        changed: ApiError | None = None
        for manifest in seen.endpoints:
            try:
                await _free_one(api, scope, seen, manifest, now())
                freed.add(uid_of(manifest))
            except ApiError as error:
                if not (error.conflict or error.not_found):
                    raise
                if error.not_found and await _has_no_namespace(api, manifest):
                    stranded.append(f"{meta(manifest)['namespace']}/{meta(manifest)['name']}")
                else:
                    changed = error
        if changed is None:
            break
        if not looks:
            raise changed
        await asyncio.sleep(_INTERVAL)
    swept, receivers, refused = 0, 0, tuple[str, ...]()
    if scope.installation:
        swept = await _sweep(api, scope, seen)
        receivers, refused = await remove_receivers(api, scope.system_namespace)
    left, _ = await api.list(SECRETS, scope.binding_namespace, labels=LABEL_UID)
    names = tuple(sorted(str(meta(secret)["name"]) for secret in left))
    return Freed(
        endpoints=len(freed),
        swept=swept,
        left=names,
        stranded=tuple(sorted(stranded)),
        receivers=receivers,
        refused=refused,
    )


async def remove_receivers(api: Api, namespace: str) -> tuple[int, tuple[str, ...]]:
    """Delete what operators made for receivers, which no manifest and no chart knows of: shared routes among it.

    Return how many objects that were, and the kinds of which the API server lets us delete none.
    """
    deleted, refused = 0, list[str]()
    for resource in _RECEIVERS:
        try:
            found, _ = await api.list(resource, namespace, labels=f"{LABEL_MANAGED}={FIELD_MANAGER}")
            for obj in found:
                deleted += await api.delete(resource, str(meta(obj)["name"]), namespace, uid=uid_of(obj))
        except ApiError as error:
            if error.not_found:
                continue  # a cluster need not have the Gateway API
            if not error.forbidden:
                raise
            refused.append(resource.plural)
    return deleted, tuple(refused)


async def _see(api: Api, scope: Scope) -> _Seen:
    bindings, _ = await api.list(SECRETS, scope.binding_namespace, labels=SELECT_BINDINGS)
    routes = await _routes(api, scope.system_namespace)
    connections: list[Object] = []
    endpoints: list[Object] = []
    for namespace in scope.namespaces or (None,):
        connections += (await api.list(SECRETS, namespace, labels=SELECT_CONNECTIONS))[0]
        endpoints += (await api.list(WEBHOOKENDPOINTS, namespace))[0]
    held = {str(meta(secret)["name"]): secret for secret in bindings}
    return _Seen(bindings=held, routes=routes, connections=connections, endpoints=endpoints)


async def _free_one(api: Api, scope: Scope, seen: _Seen, manifest: Object, now: float) -> None:
    uid = uid_of(manifest)
    steps = freeing(
        manifest,
        binding=seen.bindings.get(uid),
        connections=[c for c in seen.connections if _owner(c) == uid],
        routes=[r for r in seen.routes if _owner(r) == uid],
        binding_namespace=scope.binding_namespace,
    )
    for step in steps:
        await _execute(api, step)
    if not meta(manifest).get("deletionTimestamp"):
        await _write_status(api, manifest, now)


async def _has_no_namespace(api: Api, manifest: Object) -> bool:
    """Tell whether an endpoint has outlived its namespace, as it may after an outage: it can be seen, not changed."""
    return await api.get(NAMESPACES, str(meta(manifest)["namespace"])) is None


async def _sweep(api: Api, scope: Scope, seen: _Seen) -> int:
    """Take away what belongs to no endpoint; return how many objects that were."""
    living = {uid_of(manifest) for manifest in seen.endpoints}
    left = orphans(seen.bindings.values(), seen.routes, living, scope.namespaces or None)
    for step in left:
        await _execute(api, step)
    return len(left)


async def _routes(api: Api, namespace: str) -> list[Object]:
    found: list[Object] = []
    for resource in (INGRESSES, HTTPROUTES):
        try:
            found += (await api.list(resource, namespace, labels=SELECT_ROUTES))[0]
        except ApiError as error:
            if not error.not_found:  # a cluster need not have the Gateway API
                raise
    return found


async def _write_status(api: Api, manifest: Object, now: float) -> None:
    identity = {key: meta(manifest)[key] for key in ("name", "namespace", "uid")}
    whole = {"apiVersion": API_VERSION, "kind": KIND, "metadata": identity, "status": freed_status(manifest, now)}
    await api.apply(WEBHOOKENDPOINTS, whole, subresource="status")


async def _execute(api: Api, step: Step) -> None:
    resource: Resource = _RESOURCES[step.object["kind"]]
    match step.verb:
        case Verb.DELETE:
            uid, told = uid_of(step.object), meta(step.object)
            await api.delete(resource, str(told["name"]), str(told["namespace"]), uid=uid)
        case Verb.APPLY:
            await api.apply(resource, step.object)
        case Verb.REPLACE:
            await api.replace(resource, step.object)
        case Verb.CREATE:
            raise ValueError("nothing is made here")


def _owner(obj: Object) -> str:
    return str((meta(obj).get("labels") or {}).get(LABEL_UID))

"""The operator's caches: one mirror for each kind that is watched beside endpoints, and the reflectors that fill them.

It may not know what the objects mean, nor who asks the mirrors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain

from hookgate.control.apiserver import (
    SELECT_BINDINGS,
    SELECT_CONNECTIONS,
    SELECT_REFERABLE,
    SELECT_ROUTES,
    SELECT_SHARED_ROUTES,
    Mirrors,
    Place,
)
from hookgate.control.lean import lean_service, shared
from hookgate.control.mirror import Mirror
from hookgate.control.preflight import REFUSAL_PATIENCE, CannotRun, explain
from hookgate.kube.api import Api
from hookgate.kube.reflector import Reflector
from hookgate.kube.resources import (
    ENDPOINTSLICES,
    HTTPROUTES,
    INGRESSCLASSES,
    INGRESSES,
    SECRETS,
    SERVICES,
    Resource,
)

_Watched = tuple[Resource, Reflector]

#: How often it is looked whether a cache is full, in seconds.
_INTERVAL = 0.1


class Caches:
    """``mirrors`` and ``slices`` (the EndpointSlices beside the operator), kept full while `run` runs."""

    def __init__(  # noqa: PLR0913 - what they are, whom they ask, how far they reach
        self,
        api: Api,
        mirrors: Mirrors,
        slices: Mirror,
        place: Place,
        *,
        namespaces: Sequence[str] = (),
        resync_s: float,
    ) -> None:
        """Read through ``api``; nothing is asked before `run`. ``resync_s``: how often everything is listed again.

        Of what belongs to tenants only that in ``namespaces`` is read, unless they are empty.
        """
        self._api = api
        self._resync_s = resync_s
        self._ours = list(self._made(mirrors, slices, place))
        #: What the operator does without where it has no right to it.
        self._spare = [self._reflector(INGRESSCLASSES, mirrors.classes, None, None)]
        self._tenants = {each: list(self._made_in(each, mirrors)) for each in namespaces or (None,)}

    def _made(self, mirrors: Mirrors, slices: Mirror, place: Place) -> Iterator[_Watched]:
        system = place.system_namespace
        yield self._reflector(SECRETS, mirrors.bindings, place.binding_namespace, SELECT_BINDINGS)
        yield self._reflector(INGRESSES, mirrors.ingresses, system, SELECT_ROUTES)
        yield self._reflector(INGRESSES, mirrors.shared["Ingress"], system, SELECT_SHARED_ROUTES)
        yield self._reflector(ENDPOINTSLICES, slices, system, None)
        if mirrors.http_routes is not None:
            yield self._reflector(HTTPROUTES, mirrors.http_routes, system, SELECT_ROUTES)
            yield self._reflector(HTTPROUTES, mirrors.shared["HTTPRoute"], system, SELECT_SHARED_ROUTES)

    def _made_in(self, namespace: str | None, mirrors: Mirrors) -> Iterator[_Watched]:
        yield self._reflector(SECRETS, mirrors.connections, namespace, SELECT_CONNECTIONS)
        yield self._reflector(SECRETS, mirrors.referable, namespace, SELECT_REFERABLE)
        yield self._reflector(SERVICES, mirrors.services, namespace, None)

    def _reflector(self, resource: Resource, mirror: Mirror, namespace: str | None, labels: str | None) -> _Watched:
        reflector = Reflector(
            self._api,
            resource,
            namespace=namespace,
            labels=labels,
            on_change=mirror.observe,
            on_replace=partial(mirror.replace, namespace=namespace),
            transform=lean_service if resource is SERVICES else shared,
            resync_s=self._resync_s,
        )
        return resource, reflector

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _, reflector in self._everything():
                group.create_task(reflector.run())

    async def filled(self, stop: asyncio.Event) -> bool:
        """Wait until every cache is full; False: stopped meanwhile. Raises `CannotRun` where rights are missing.

        A single namespace in which they are missing is not waited for: see `know`. Nor is what can be done without.
        """
        needed = [self._ours, *(watched for namespace, watched in self._tenants.items() if namespace is None)]
        others = [self._spare, *(watched for namespace, watched in self._tenants.items() if namespace is not None)]
        groups = [*needed, *others]
        ends = await asyncio.gather(*(_filled(watched, stop) for watched in groups), return_exceptions=True)
        for place, end in enumerate(ends):
            if end is not None and not (place >= len(needed) and isinstance(end, CannotRun)):
                raise end
        return not stop.is_set()

    def still(self, now: float) -> float:
        """Return for how many seconds the stillest reflector has neither heard of the API server nor tried to."""
        return max(now - reflector.last_turn for _, reflector in self._everything())

    def _everything(self) -> Iterator[_Watched]:
        return chain(self._ours, self._spare, *self._tenants.values())

    def know(self, namespace: str) -> bool:
        """Tell whether a namespace was ever seen whole. Before, "there is none" means nothing there."""
        watched = self._tenants.get(namespace) or self._tenants.get(None) or ()
        return bool(watched) and all(reflector.synced.is_set() for _, reflector in watched)


async def _filled(watched: Sequence[_Watched], stop: asyncio.Event) -> None:
    """Wait until some caches are full, or ``stop`` is set. Raises `CannotRun` for a refusal that lasts."""
    loop = asyncio.get_running_loop()
    refused: float | None = None
    for resource, reflector in watched:
        while not reflector.synced.is_set() and not stop.is_set():
            failure = reflector.failure
            if failure is None or not failure.forbidden:
                refused = None
            elif refused is None:
                refused = loop.time()
            if failure is not None and (refused is None or loop.time() - refused > REFUSAL_PATIENCE):
                explain(failure, resource)
            with suppress(TimeoutError):
                async with asyncio.timeout(_INTERVAL):
                    await reflector.synced.wait()

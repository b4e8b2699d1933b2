"""The operator's caches: one mirror for each kind that is watched beside endpoints, and the reflectors that fill them.

It may not know what the objects mean, nor who asks the mirrors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

from hookgate.control.apiserver import (
    SELECT_BINDINGS,
    SELECT_CONNECTIONS,
    SELECT_REFERABLE,
    SELECT_ROUTES,
    Mirrors,
    Place,
)
from hookgate.control.mirror import Mirror
from hookgate.control.preflight import explain
from hookgate.kube.api import Api
from hookgate.kube.reflector import Reflector
from hookgate.kube.resources import (
    ENDPOINTSLICES,
    HTTPROUTES,
    INGRESSES,
    SECRETS,
    SERVICES,
    Resource,
)

#: How often it is looked whether a cache is full, in seconds.
_INTERVAL = 0.1


class Caches:
    """``mirrors`` and ``slices`` (the EndpointSlices beside the operator), kept full while `run` runs."""

    def __init__(self, api: Api, mirrors: Mirrors, slices: Mirror, place: Place, *, resync_s: float) -> None:
        """Read through ``api``; nothing is asked before `run`. ``resync_s``: how often everything is listed again."""
        self._api = api
        self._resync_s = resync_s
        self._reflectors = list(self._made(mirrors, slices, place))

    def _made(self, mirrors: Mirrors, slices: Mirror, place: Place) -> Iterator[tuple[Resource, Reflector]]:
        system = place.system_namespace
        yield self._reflector(SECRETS, mirrors.bindings, place.binding_namespace, SELECT_BINDINGS)
        yield self._reflector(SECRETS, mirrors.connections, None, SELECT_CONNECTIONS)
        yield self._reflector(SECRETS, mirrors.referable, None, SELECT_REFERABLE)
        yield self._reflector(SERVICES, mirrors.services, None, None)
        yield self._reflector(INGRESSES, mirrors.ingresses, system, SELECT_ROUTES)
        yield self._reflector(ENDPOINTSLICES, slices, system, None)
        if mirrors.http_routes is not None:
            yield self._reflector(HTTPROUTES, mirrors.http_routes, system, SELECT_ROUTES)

    def _reflector(
        self, resource: Resource, mirror: Mirror, namespace: str | None, labels: str | None
    ) -> tuple[Resource, Reflector]:
        reflector = Reflector(
            self._api,
            resource,
            namespace=namespace,
            labels=labels,
            on_change=mirror.observe,
            on_replace=mirror.replace,
            resync_s=self._resync_s,
        )
        return resource, reflector

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _, reflector in self._reflectors:
                group.create_task(reflector.run())

    async def filled(self, stop: asyncio.Event) -> bool:
        """Wait until every cache is full; False: stopped meanwhile. Raises `CannotRun` where rights are missing."""
        for resource, reflector in self._reflectors:
            while not reflector.synced.is_set():
                if stop.is_set():
                    return False
                if reflector.failure is not None:
                    explain(reflector.failure, resource)
                with suppress(TimeoutError):
                    await asyncio.wait_for(reflector.synced.wait(), _INTERVAL)
        return True

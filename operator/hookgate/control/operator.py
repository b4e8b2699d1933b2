"""The operator's process: connect, look whether everything needed is there, wire the parts, run until stopped.

Whatever ends it is one clear line that says what to do. It may not know decisions; those are in `decide`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import socket
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from hookgate.config.load import InvalidConfig
from hookgate.config.platform import FixedReceivers
from hookgate.control.apiserver import (
    SELECT_BINDINGS,
    SELECT_CONNECTIONS,
    SELECT_REFERABLE,
    SELECT_ROUTES,
    ApiServerCluster,
    Mirrors,
    Place,
    make_mirrors,
)
from hookgate.control.cluster import Request
from hookgate.control.deployer import Deployer
from hookgate.control.fleet import Fleet
from hookgate.control.health import Health
from hookgate.control.mirror import Mirror
from hookgate.control.population import Population
from hookgate.control.queue import Queue
from hookgate.control.reconcile import Reconciler
from hookgate.control.settings import SettingsFile
from hookgate.control.values import Object
from hookgate.kube.api import Api, ApiError, ClusterConfigError
from hookgate.kube.reflector import Reflector
from hookgate.kube.resources import (
    ENDPOINTSLICES,
    HTTPROUTES,
    INGRESSES,
    SECRETS,
    SERVICES,
    WEBHOOKENDPOINTS,
    Resource,
)

logger = logging.getLogger(__name__)

_Watched = tuple[Resource, Reflector]

#: Private port of receivers that the operator runs.
PRIVATE_PORT = 8081
#: How often all endpoints are listed and looked at again, in seconds, plus up to as much jitter.
RESYNC = 300.0
#: How often receivers are looked for while endpoints wait for one, in seconds.
FLEET_INTERVAL = 1.0


class CannotRun(Exception):  # noqa: N818 -- what it says
    """The operator cannot do its work; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run. ``namespaces`` empty: all. ``health`` is (host, port). ``image`` is the operator's own image."""

    config: Path | None
    kubeconfig: str | None = None
    system_namespace: str = "hookgate-system"
    binding_namespace: str = "hookgate-bindings"
    health: tuple[str, int] = ("0.0.0.0", 8082)  # noqa: S104 -- probes come from outside the pod
    image: str = ""
    workers: int = 20


async def run_operator(options: Options) -> None:
    """Run until SIGTERM or SIGINT. Raises `CannotRun` with one clear line."""
    if options.kubeconfig:
        os.environ["KUBECONFIG"] = options.kubeconfig  # kopf finds its own way and must end at the same server
    try:
        settings = SettingsFile(options.config)
        async with await Api.connect(kubeconfig=options.kubeconfig) as api, aiohttp.ClientSession() as session:
            await _Operator(options, settings, api, session).run()
    except (InvalidConfig, ClusterConfigError) as error:
        raise CannotRun(str(error)) from None
    except OSError as error:
        raise CannotRun(f"{error.filename or 'cannot start'}: {error.strerror}") from None


class _Operator:
    """The parts, wired. One instance is one run."""

    def __init__(self, options: Options, settings: SettingsFile, api: Api, session: aiohttp.ClientSession) -> None:
        self._options = options
        self._settings = settings
        self._api = api
        self._session = session
        self._stop = asyncio.Event()
        self._population = Population(self._wake)
        self._slices = Mirror(lambda _: None)
        self._fleet = Fleet(session, self._addresses)
        self._health = Health()
        self._queue: Queue | None = None

    async def run(self) -> None:
        """Come up in order: what is needed exists, caches are full, then work starts."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop.set)
        manifests = await self._endpoints_exist()
        if manifests is None:
            return
        gateway = await self._is_served(HTTPROUTES)
        mirrors = make_mirrors(self._population, self._wake, gateway=gateway)
        self._queue = self._make_queue(mirrors)
        async with asyncio.TaskGroup() as group:
            reflectors = self._reflectors(mirrors)
            tasks = [group.create_task(r.run()) for _, r in reflectors]
            tasks.append(group.create_task(self._health.serve(*self._options.health)))
            if await self._filled(reflectors):
                self._population.replace(manifests)
                tasks += self._start(group, self._queue)
                self._health.ready = True
                logger.info("ready: %d endpoints", len(self._population))
                await self._stop.wait()
            for task in tasks:
                task.cancel()

    def _start(self, group: asyncio.TaskGroup, queue: Queue) -> list[asyncio.Task[None]]:
        work = [
            queue.run(),
            self._settings.watch(self._wake_all),
            self._resync(),
            self._watch_fleet(),
            self._watch_endpoints(),
            Deployer(
                self._api,
                lambda: self._settings.current.config,
                namespace=self._options.system_namespace,
                binding_namespace=self._options.binding_namespace,
                image=self._options.image,
            ).run(),
        ]
        return [group.create_task(each) for each in work]

    def _make_queue(self, mirrors: Mirrors) -> Queue:
        place = Place(
            system_namespace=self._options.system_namespace,
            binding_namespace=self._options.binding_namespace,
            instance=socket.gethostname(),
        )
        cluster = ApiServerCluster(self._api, self._population, mirrors, place)
        reconciler = Reconciler(
            cluster, self._fleet, settings=lambda: self._settings.current, clock=time.time, entropy=os.urandom
        )
        return Queue(reconciler.reconcile, workers=self._options.workers, jitter=random.random)

    async def _endpoints_exist(self) -> list[Object] | None:
        """Return all endpoints; wait while the API server is away. Raises `CannotRun`. None: stopped meanwhile."""
        pause = 0.5
        while not self._stop.is_set():
            try:
                return list((await self._api.list(WEBHOOKENDPOINTS))[0])
            except ApiError as error:
                _explain(error, WEBHOOKENDPOINTS)
                logger.warning("%s; trying again in %.0f s", error, pause)
            await _first(self._stop.wait(), pause)
            pause = min(15.0, pause * 2)
        return None

    async def _is_served(self, resource: Resource) -> bool:
        """Tell whether the cluster has a kind that it need not have."""
        try:
            await self._api.list(resource, self._options.system_namespace)
        except ApiError as error:
            if error.not_found:
                return False
            _explain(error, resource)
        return True

    def _reflectors(self, mirrors: Mirrors) -> list[_Watched]:
        system, bindings = self._options.system_namespace, self._options.binding_namespace

        def reflect(resource: Resource, mirror: Mirror, namespace: str | None, labels: str | None) -> _Watched:
            reflector = Reflector(
                self._api,
                resource,
                namespace=namespace,
                labels=labels,
                on_change=mirror.observe,
                on_replace=mirror.replace,
            )
            return resource, reflector

        watched = [
            reflect(SECRETS, mirrors.bindings, bindings, SELECT_BINDINGS),
            reflect(SECRETS, mirrors.connections, None, SELECT_CONNECTIONS),
            reflect(SECRETS, mirrors.referable, None, SELECT_REFERABLE),
            reflect(SERVICES, mirrors.services, None, None),
            reflect(INGRESSES, mirrors.ingresses, system, SELECT_ROUTES),
            reflect(ENDPOINTSLICES, self._slices, system, None),
        ]
        if mirrors.http_routes is not None:
            watched.append(reflect(HTTPROUTES, mirrors.http_routes, system, SELECT_ROUTES))
        return watched

    async def _filled(self, reflectors: Iterable[_Watched]) -> bool:
        """Wait until every cache is full; False: stopped meanwhile. Raises `CannotRun` where rights are missing."""
        for resource, reflector in reflectors:
            while not reflector.synced.is_set():
                if self._stop.is_set():
                    return False
                if reflector.failure is not None:
                    _explain(reflector.failure, resource)
                await _first(reflector.synced.wait(), 0.1)
        return True

    async def _watch_endpoints(self) -> None:
        from hookgate.control.handlers import watch_endpoints  # noqa: PLC0415 -- kopf takes a second to import

        try:
            await watch_endpoints(self._seen, namespaces=(), stop=self._stop)
        finally:
            # kopf takes the process's signals to itself and ends on them; without it there is nothing to do anyway.
            self._stop.set()

    def _seen(self, kind: str | None, manifest: Object) -> None:
        if kind == "DELETED":
            self._population.remove(manifest)
        else:
            self._population.put(manifest)

    def _wake(self, request: Request) -> None:
        if self._queue is not None:
            self._queue.add(request)

    def _wake_all(self) -> None:
        for request in self._population:
            self._wake(request)

    async def _resync(self) -> None:
        """List the endpoints now and then, which finds the deletions that the watch missed, and look at each again."""
        while True:
            await asyncio.sleep(RESYNC * (1 + random.random()))  # noqa: S311 -- jitter
            try:
                manifests, _ = await self._api.list(WEBHOOKENDPOINTS)
            except ApiError as error:
                logger.warning("%s; the endpoints as last seen stay in force", error)
                continue
            self._population.replace(list(manifests))
            self._wake_all()

    async def _watch_fleet(self) -> None:
        """Wake the endpoints that wait for receivers when other receivers are ready than before."""
        before: frozenset[str] = frozenset()
        while True:
            now = await self._fleet.answering()
            if now != before:
                before = now
                for request in self._population:
                    if _waits(self._population.get(request)):
                        self._wake(request)
            await asyncio.sleep(FLEET_INTERVAL)

    def _addresses(self) -> list[str]:
        """Return the private addresses of receivers that may be asked now."""
        config = self._settings.current.config
        if isinstance(config.receivers, FixedReceivers):
            return list(config.receivers.addresses)
        addresses = []
        for found in self._slices:
            labels = found["metadata"].get("labels") or {}
            if labels.get("kubernetes.io/service-name") != config.service_name:
                continue
            for endpoint in found.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready"):
                    addresses += [_private(address) for address in endpoint["addresses"]]
        return sorted(set(addresses))


def _private(address: str) -> str:
    return f"http://[{address}]:{PRIVATE_PORT}" if ":" in address else f"http://{address}:{PRIVATE_PORT}"


def _waits(manifest: Object | None) -> bool:
    conditions = ((manifest or {}).get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Programmed" and c.get("status") != "True" for c in conditions)


async def _first(what: Awaitable[object], seconds: float) -> None:
    """Wait for ``what``, at most ``seconds``."""
    try:
        await asyncio.wait_for(what, seconds)
    except TimeoutError:
        return


def _explain(error: ApiError, resource: Resource) -> None:
    """Raise `CannotRun` for a failure that waiting does not mend."""
    plural = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    if error.not_found and resource is WEBHOOKENDPOINTS:
        raise CannotRun(
            f"the CustomResourceDefinition {plural} is not installed; apply the folder crds, then start again"
        )
    if error.forbidden:
        raise CannotRun(
            f"no permission to list {plural} ({error}); apply the roles in manifests/base, or check which service "
            "account this runs as"
        )
    if error.status == 401:
        raise CannotRun("the API server does not accept this operator's credentials; check the token or kubeconfig")

"""The operator's process: connect, look whether everything needed is there, wire the parts, run until stopped.

Whatever ends it is one clear line that says what to do. It may not know decisions; those are in `decide`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from hookgate.config.load import InvalidConfig
from hookgate.config.platform import FixedReceivers
from hookgate.control.apiserver import ApiServerCluster, Mirrors, Place, make_mirrors
from hookgate.control.caches import Caches
from hookgate.control.cluster import Request
from hookgate.control.deployer import Deployer
from hookgate.control.endpoints import Endpoints
from hookgate.control.fleet import Fleet
from hookgate.control.health import Health
from hookgate.control.jwks import KeySets
from hookgate.control.metrics import Sources, render
from hookgate.control.mirror import Mirror
from hookgate.control.population import Population
from hookgate.control.preflight import ASK_AGAIN, CannotRun, WrongInput, is_served, until_changed
from hookgate.control.queue import Queue
from hookgate.control.reconcile import Reconciler
from hookgate.control.settings import SettingsFile
from hookgate.control.shared import SharedRoutes
from hookgate.control.sweep import orphans, suspects
from hookgate.control.sweeping import sweep_up
from hookgate.control.values import Object, Step
from hookgate.control.watch_calls import CallWatch
from hookgate.kube.api import Api, ApiError, ClusterConfigError
from hookgate.kube.lease import Elector, LeadershipLost, Timing
from hookgate.kube.resources import HTTPROUTES

logger = logging.getLogger(__name__)

#: Private port of receivers that the operator runs.
PRIVATE_PORT = 8081
#: How often all endpoints are listed and looked at again unless told otherwise, in seconds.
RESYNC = 300.0
#: How long an endpoint waits while what its namespace holds may not be read, in seconds.
UNKNOWN_AGAIN = 5.0
#: How often it is asked whether the cluster has come to serve a kind, or no longer does, in seconds.
KIND_INTERVAL = 60.0
#: How often receivers are looked for while endpoints wait for one, in seconds.
FLEET_INTERVAL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run. ``health`` is (host, port); ``image`` the operator's own; without ``lease`` nobody else may run.

    ``resync`` is how often everything is looked at again, in seconds, plus up to as much jitter. ``namespaces``, unless
    empty, are the only ones whose endpoints are looked at, and the only ones of tenants in which rights are needed.
    """

    config: Path | None
    kubeconfig: str | None = None
    system_namespace: str = "hookgate-system"
    binding_namespace: str = "hookgate-bindings"
    health: tuple[str, int] = ("0.0.0.0", 8082)  # noqa: S104 -- probes come from outside the pod
    image: str = ""
    workers: int = 20
    lease: Timing | None = field(default_factory=Timing)
    resync: float = RESYNC
    namespaces: tuple[str, ...] = ()


async def run_operator(options: Options) -> None:
    """Run until SIGTERM or SIGINT. Raises `CannotRun` with one clear line, `WrongInput` for what the options name."""
    if options.kubeconfig:
        os.environ["KUBECONFIG"] = options.kubeconfig  # kopf finds its own way and must end at the same server
    try:
        settings = SettingsFile(options.config)
        async with await Api.connect(kubeconfig=options.kubeconfig) as api, aiohttp.ClientSession() as session:
            await _Operator(options, settings, api, session).run()
    except ExceptionGroup as group:
        raise _told(_first_of(group)) from None
    except (InvalidConfig, ClusterConfigError, OSError) as error:
        raise _told(error) from None
    except UnicodeDecodeError:
        raise WrongInput(f"{options.config}: not UTF-8") from None


class _Operator:
    """The parts, wired. One instance is one run."""

    def __init__(self, options: Options, settings: SettingsFile, api: Api, session: aiohttp.ClientSession) -> None:
        self._options = options
        self._settings = settings
        self._api = api
        self._stop = asyncio.Event()
        self._place = Place(
            system_namespace=options.system_namespace,
            binding_namespace=options.binding_namespace,
            instance=socket.gethostname(),
        )
        self._elector = _elector(options, api)
        self._writer = api.fenced(self._elector.leading) if self._elector else api
        self._population = Population(self._wake)
        self._endpoints = Endpoints(api, self._population, options.namespaces, self._stop)
        self._slices = Mirror(lambda _: None)
        self._fleet = Fleet(session, self._addresses)
        self._calls = CallWatch(self._fleet.calls, self._known, self._wake, clock=time.time)
        self._key_sets = KeySets(self._wake, private=lambda: settings.current.config.private_issuers)
        self._metrics = Sources(endpoints=lambda: (manifest for _, manifest in self._known()))
        self._health = Health(lambda: render(self._metrics), self._still)
        self._caches: Caches | None = None
        self._queue: Queue | None = None

    async def run(self) -> None:
        """Come up in order: what is needed exists, caches are full, this is the one that acts, then work starts."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop.set)
        async with asyncio.TaskGroup() as group:
            # Who stands by knows the configuration, too: the one of its start may be long out of date when it leads.
            beside = (self._health.serve(*self._options.health), self._settings.watch(self._wake_all))
            running = [group.create_task(each) for each in beside]
            if await self._endpoints.visible():
                await self._come_up()
            for task in running:
                task.cancel()

    async def _come_up(self) -> None:
        """Fill the caches, and work from then on."""
        gateway = await is_served(self._api, HTTPROUTES, self._options.system_namespace)
        mirrors = make_mirrors(self._population, self._wake, gateway=gateway)
        async with asyncio.TaskGroup() as group:
            caches = self._caches = Caches(
                self._api,
                mirrors,
                self._slices,
                self._place,
                namespaces=self._options.namespaces,
                resync_s=self._options.resync,
            )
            beside = [group.create_task(each) for each in (caches.run(), self._watch_gateway_api(served=gateway))]
            if await caches.filled(self._stop):
                self._health.ready = True
                await self._lead(mirrors, caches)
            for task in beside:
                task.cancel()

    async def _watch_gateway_api(self, *, served: bool) -> None:
        """End when what the caches were made for is no longer so: the next process goes by what is so then."""
        namespace, every = self._options.system_namespace, min(KIND_INTERVAL, self._options.resync)
        await until_changed(self._api, HTTPROUTES, namespace, served=served, every=every)
        logger.warning("the cluster %s HTTPRoutes: ending, to be started anew", "has no more" if served else "now has")
        self._stop.set()

    async def _lead(self, mirrors: Mirrors, caches: Caches) -> None:
        """Work as the leader until stopped; until then stand by with full caches."""

        async def work() -> None:
            await self._work(mirrors, caches)

        leading = asyncio.ensure_future(self._elector.lead(work) if self._elector else work())
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((leading, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        leading.cancel()
        try:
            await leading
        except asyncio.CancelledError:
            return
        except LeadershipLost as error:
            raise CannotRun(f"{error}; another operator may act now, so this one ends") from None

    async def _work(self, mirrors: Mirrors, caches: Caches) -> None:
        """Everything that only the leader does."""
        cluster = ApiServerCluster(self._writer, self._population, mirrors, self._place)
        reconciler = Reconciler(
            cluster,
            self._fleet,
            settings=lambda: self._settings.current,
            clock=time.time,
            entropy=os.urandom,
            calls=self._calls.report,
            published=self._key_sets.published,
        )

        async def look(request: Request) -> float | None:
            # Where a namespace was not seen whole, "there is none" could cost a key. A deletion asks before it acts.
            if caches.know(request.namespace) or _is_going(self._population.get(request)):
                return await reconciler.reconcile(request)
            return UNKNOWN_AGAIN

        self._queue = Queue(
            look, workers=self._options.workers, jitter=random.random, pressing=self._population.pressing
        )
        self._metrics.queue, self._metrics.writes = self._queue, cluster.writes
        await self._settings.look(self._wake_all)
        left = await self._look_first(mirrors)
        _spare_collector()
        logger.info("working on %d endpoints, configuration %s in force", len(self._population), self._settings.version)
        deployer = Deployer(
            self._writer,
            lambda: self._settings.current.config,
            namespace=self._options.system_namespace,
            binding_namespace=self._options.binding_namespace,
            image=self._options.image,
            clock=time.time,
        )
        shared = SharedRoutes(
            cluster, mirrors, lambda: self._settings.current.config, changed=self._wake_all, clock=time.time
        )
        async with asyncio.TaskGroup() as group:
            for part in (
                self._queue.run(),
                self._resync(mirrors, cluster, left),
                self._watch_fleet(),
                self._calls.run(),
                self._key_sets.run(),
                self._watch_endpoints(),
                deployer.run(),
                shared.run(),
            ):
                group.create_task(part)

    async def _watch_endpoints(self) -> None:
        await self._endpoints.watch()
        # It ended by itself: without it this process is blind, and the next one sees again. (Cancelled, it is not what
        # ends the process: whoever lost the lease has to be able to say so.)
        self._stop.set()

    def _still(self) -> dict[str, float]:
        """Return for how many seconds each part that must not stand still has done so."""
        return {
            "a watch": self._caches.still(time.monotonic()) if self._caches else 0.0,
            "a request of the work queue": self._queue.longest if self._queue else 0.0,
        }

    def _wake(self, request: Request) -> None:
        if self._queue is not None:
            self._queue.add(request)

    def _known(self) -> Iterator[tuple[Request, Object]]:
        return ((request, found) for request in self._population if (found := self._population.get(request)))

    def _wake_all(self) -> None:
        for request in self._population:
            self._wake(request)

    async def _resync(self, mirrors: Mirrors, cluster: ApiServerCluster, left: Sequence[Step]) -> None:
        """Sweep up what is left, and look at everything again now and then, which finds what the watch missed."""
        while True:
            await sweep_up(cluster, left)
            await asyncio.sleep(self._options.resync * (1 + random.random()))  # noqa: S311 -- jitter
            try:
                left = await self._look_at_all(mirrors)
            except ApiError as error:
                logger.warning("%s; the endpoints as last seen stay in force", error)
                left = ()

    async def _look_first(self, mirrors: Mirrors) -> Sequence[Step]:
        """Look at everything before any work, as often as it takes: an error may be gone the next time."""
        while True:
            try:
                return await self._look_at_all(mirrors)
            except ApiError as error:
                logger.warning("%s; looking again before any work", error)
                await asyncio.sleep(max(ASK_AGAIN, error.retry_after or 0.0))

    async def _look_at_all(self, mirrors: Mirrors) -> Sequence[Step]:
        """List the endpoints, look at each, and return what is left of those that are gone. Raises ApiError."""
        bindings, routes = tuple(mirrors.bindings), (*mirrors.ingresses, *(mirrors.http_routes or ()))
        living, namespaces = await self._endpoints.look()
        self._wake_all()
        living |= await self._endpoints.alive(suspects(bindings, living, namespaces))
        return orphans(bindings, routes, living, namespaces)

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


def _spare_collector() -> None:
    """Take what is kept for good out of the garbage collector's rounds, and let there be fewer of them.

    Objects as read hold no cycles, so that they are freed without it, also when they are frozen. Going through those of
    ten thousand endpoints again and again would stop everything else for a good part of a second each time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _told(error: Exception) -> Exception:
    """Return what ended the process as one clear line; an unforeseen error stays what it is."""
    if isinstance(error, OSError) and error.filename:
        return WrongInput(f"{error.filename}: {error.strerror or error}")
    if isinstance(error, OSError):
        return CannotRun(f"cannot listen or read: {error.strerror or error}")
    return WrongInput(str(error)) if isinstance(error, InvalidConfig | ClusterConfigError) else error


def _first_of(group: ExceptionGroup[Exception]) -> Exception:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first


def _elector(options: Options, api: Api) -> Elector | None:
    if options.lease is None:
        return None
    identity = f"{socket.gethostname()}_{os.urandom(6).hex()}"
    return Elector(
        api, namespace=options.system_namespace, name="hookgate-operator", identity=identity, timing=options.lease
    )


def _private(address: str) -> str:
    return f"http://[{address}]:{PRIVATE_PORT}" if ":" in address else f"http://{address}:{PRIVATE_PORT}"


def _is_going(manifest: Object | None) -> bool:
    return bool(manifest is not None and manifest["metadata"].get("deletionTimestamp"))


def _waits(manifest: Object | None) -> bool:
    conditions = ((manifest or {}).get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Programmed" and c.get("status") != "True" for c in conditions)

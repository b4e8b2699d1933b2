"""Keeps the routes that all endpoints of a host share, where the platform wants such routes.

Whether they are right is judged on what mirrors show, so that a look costs no request. It may not know endpoints beyond
how far the route of its own is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

from hookgate.config.platform import PlatformConfig
from hookgate.control.apiserver import ApiServerCluster, Mirrors
from hookgate.control.cluster import ClusterError
from hookgate.control.exposed import route_state
from hookgate.control.objects import meta, secret_data
from hookgate.control.repairs import Repairs, fingerprint, reference
from hookgate.control.routes import may_go, shared_name, shared_steps
from hookgate.control.values import Object, Step, Verb
from hookgate.model import binding as contract
from hookgate.model.conditions import Truth

logger = logging.getLogger(__name__)

#: How often it is looked whether the routes are right, and how long after a failure it is tried again, in seconds.
INTERVAL = 1.0
AGAIN = 5.0


class SharedRoutes:
    """``changed`` is called after every change that was made or found: endpoints tell of the route that they share.

    ``clock`` gives unix seconds.
    """

    def __init__(
        self,
        cluster: ApiServerCluster,
        mirrors: Mirrors,
        config: Callable[[], PlatformConfig],
        *,
        changed: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._cluster, self._mirrors, self._config = cluster, mirrors, config
        self._changed, self._clock = changed, clock
        self._repairs = Repairs()
        self._right: tuple[object, ...] | None = None  # what was found right; a thousand hosts are not judged each time
        self._logged = ""

    async def run(self) -> None:
        """Look again and again until cancelled; a failure is told once and tried again."""
        while True:
            try:
                await self.once()
                pause = INTERVAL
            except ClusterError as error:
                self._log(f"shared routes: {error}; trying again")
                pause = max(AGAIN, error.retry_after or 0.0)
            await asyncio.sleep(pause)

    async def once(self) -> int:
        """Bring the routes to what is wanted and return how many writes that took.

        One that is refused holds up no other. Raises the first `ClusterError` once all were tried.
        """
        config, found = self._config(), [obj for mirror in self._mirrors.shared.values() for obj in mirror]
        seen = (config, *((meta(obj).get("uid"), meta(obj).get("resourceVersion")) for obj in found))
        if seen == self._right:
            return 0
        waiting = self._waiting(found) if found and not config.shared_routes else frozenset()
        steps = shared_steps(config, found, waiting, self._cluster.system_namespace)
        if not steps and (config.shared_routes or not found):
            self._right = seen
            self._log("")
        return await self._execute_all(steps)

    async def _execute_all(self, steps: Sequence[Step]) -> int:
        writes, errors = 0, list[ClusterError]()
        for step in steps:
            try:
                writes += await self._execute(step)
            except ClusterError as error:
                errors.append(error)
                if error.retry_after is not None:
                    break  # the server asks for time, whatever the next request is about
        # What is there instead is known from a refusal, too, and then the watch has no news of it.
        if writes or any(error.conflict for error in errors):
            self._changed()
        if errors:
            raise errors[0]
        return writes

    async def _execute(self, step: Step) -> int:
        if step.verb is Verb.DELETE:
            await self._cluster.execute(step)
            self._repairs = Repairs()  # what is wanted again afterwards is no repair
            return 1
        wanted = fingerprint(step.object, step.object)
        if self._repairs.wait(wanted, self._clock()):
            name = reference(step.object)
            self._log(f"shared routes: somebody changes {name} again and again; it is put right only now and then")
            return 0
        await self._cluster.execute(step)
        self._repairs.note(wanted, self._clock())
        return 1

    def _waiting(self, found: Iterable[Object]) -> frozenset[str]:
        """Return the hosts on which an endpoint that is served cannot do without the route that it shares yet."""
        classes, waiting = self._cluster.routing.classes, set[str]()
        shared: dict[str, list[Object]] = {}
        for obj in found:
            shared.setdefault(str(meta(obj)["name"]), []).append(obj)
        for secret in self._mirrors.bindings:
            if len(waiting) == len(shared):
                break  # ten thousand others would be read each second for nothing
            own = self._own(str(meta(secret)["name"]))
            if any(route_state(route, classes)[0] is Truth.TRUE for route in own):
                continue
            host = _host(secret)
            if host is None or host in waiting:
                continue
            if not all(any(may_go(old, new, classes) for new in own) for old in shared.get(shared_name(host), ())):
                waiting.add(host)
        return frozenset(waiting)

    def _own(self, uid: str) -> tuple[Object, ...]:
        """Return the routes of an endpoint's own."""
        http_routes = self._mirrors.http_routes
        return (*self._mirrors.ingresses.of(uid), *(http_routes.of(uid) if http_routes is not None else ()))

    def _log(self, text: str) -> None:
        if text and text != self._logged:
            logger.warning("%s", text)
        self._logged = text


def _host(secret: Object) -> str | None:
    """Return the host of a binding that is to be reached."""
    try:
        found = contract.decode(secret_data(secret).get(contract.DATA_KEY, b""))
    except contract.UndecodableBinding:
        return None
    if isinstance(found, contract.NewerBinding) or found.closed or found.url is None:
        return None
    return urlsplit(found.url).hostname

"""The endpoints that this operator is for, in the whole cluster or in some namespaces: whether it may see them, a watch
that fills the population, and lists that find what the watch missed.

With namespaces each is watched on its own, because rights are given in each on its own: where they are missing, or are
taken away, the others must not suffer. It may not know what endpoints are for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from http import HTTPStatus

from hookgate.control.cluster import Request
from hookgate.control.lean import lean_endpoint
from hookgate.control.objects import uid_of
from hookgate.control.population import Population
from hookgate.control.preflight import REFUSAL_PATIENCE, CannotRun, explain
from hookgate.control.values import Object
from hookgate.kube.api import Api, ApiError
from hookgate.kube.resources import WEBHOOKENDPOINTS

logger = logging.getLogger(__name__)

#: How often it is tried again to see the endpoints of a namespace that may not be seen, in seconds.
FORBIDDEN_AGAIN = 10.0
_HELP = ", see manifests/namespaced"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


class Endpoints:
    """``namespaces`` empty means: those of the whole cluster. What is seen goes into the population."""

    def __init__(self, api: Api, population: Population, namespaces: Sequence[str], stop: asyncio.Event) -> None:
        """Read through ``api``; everything ends soon after ``stop`` is set."""
        self._api = api
        self._population = population
        self._namespaces = tuple(namespaces)
        self._stop = stop
        self._refused: set[str | None] = set()

    async def visible(self) -> bool:
        """Wait until endpoints can be listed; False: stopped meanwhile. Raises `CannotRun` where they may not be.

        Of several namespaces one is enough. An API server that has just started refuses everybody for a moment.
        """
        loop = asyncio.get_running_loop()
        pause, asked = _FIRST_PAUSE, loop.time()
        while not self._stop.is_set():
            try:
                if any([await self._may_list(namespace) for namespace in self._namespaces or (None,)]):
                    return True
                if loop.time() - asked > REFUSAL_PATIENCE:
                    raise CannotRun(f"no permission to list endpoints in any of {', '.join(self._namespaces)}{_HELP}")
                await self._sleep(_FIRST_PAUSE)
            except ApiError as error:
                if error.forbidden and loop.time() - asked > REFUSAL_PATIENCE:
                    explain(error, WEBHOOKENDPOINTS)
                if not error.forbidden:
                    asked = loop.time()
                    logger.warning("%s; trying again", error)
                await self._sleep(max(pause, error.retry_after or 0.0))
                pause = min(_LONGEST_PAUSE, pause * 2)
        return False

    async def watch(self) -> None:
        """Keep the population up to date until stopped. Raises what ends the watch for good."""
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces or (None,):
                group.create_task(self._watch_on(namespace))

    async def look(self) -> tuple[set[str], Collection[str] | None]:
        """List everything again and bring the population up to date.

        Returns the uids of all endpoints, and the namespaces that this is true of; None for the whole cluster. What a
        list that is old does not know of yet, and the watch does, lives as well. Raises ApiError, but leaves a
        namespace out whose endpoints may not be seen.
        """
        if not self._namespaces:
            found, version = await self._listed(None)
            self._population.replace(found, version=version)
            return _uids(found) | self._population.uids(), None
        living, listed = set[str](), list[str]()
        for namespace in self._namespaces:
            try:
                found, version = await self._listed(namespace)
            except ApiError as error:
                if not error.forbidden:
                    raise
                continue
            self._population.replace(found, namespace, version=version)
            living |= _uids(found)
            listed.append(namespace)
        return living | self._population.uids(), listed

    async def alive(self, asked: Mapping[str, Request]) -> set[str]:
        """Look for endpoints live, by name and uid; return the uids of all that are not known for sure to be gone."""
        alive = set(asked)
        for uid, request in asked.items():
            try:
                found = await self._api.get(WEBHOOKENDPOINTS, request.name, request.namespace)
            except ApiError as error:
                logger.warning("%s; what belongs to it is kept for now", error)
                if error.transient:
                    break  # whoever is asked for time asks nothing more
            else:
                if found is None or uid_of(found) != uid:
                    alive.discard(uid)
        return alive

    async def _listed(self, namespace: str | None) -> tuple[list[Object], str]:
        """Return all endpoints there and their list's version; once more from the start if it takes too long."""
        try:
            return await self._paged(namespace)
        except ApiError as error:
            if not error.gone:
                raise
        return await self._paged(namespace)

    async def _paged(self, namespace: str | None) -> tuple[list[Object], str]:
        """List page by page, so that no more than one page is ever held in full."""
        found, version = list[Object](), ""
        async with aclosing(self._api.pages(WEBHOOKENDPOINTS, namespace)) as pages:
            async for page, version in pages:  # noqa: B007 -- it is the same of all pages
                found += map(lean_endpoint, page)
        return found, version

    async def _may_list(self, namespace: str | None) -> bool:
        """Tell whether endpoints can be listed there; of the whole cluster a refusal raises, too.

        Raises ApiError for what may pass, and `CannotRun` for what does not.
        """
        try:
            async with aclosing(self._api.pages(WEBHOOKENDPOINTS, namespace)) as pages:
                await anext(pages)
        except ApiError as error:
            if not error.forbidden:
                explain(error, WEBHOOKENDPOINTS)
            if namespace is None or not error.forbidden:
                raise
            if namespace not in self._refused:
                logger.error("%s: %s; left alone until permitted%s", namespace, error, _HELP)
            self._refused.add(namespace)
            return False
        self._refused.discard(namespace)
        return True

    async def _watch_on(self, namespace: str | None) -> None:
        """Watch one namespace, or all, whenever it may be seen; begin again where a watch breaks."""
        from hookgate.control.handlers import WatchBroken, watch_endpoints  # noqa: PLC0415 -- kopf takes long to import

        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            began = asyncio.get_running_loop().time()
            try:
                watched = () if namespace is None else (namespace,)
                await watch_endpoints(self._seen, namespaces=watched, stop=self._stop)
                return
            except WatchBroken as error:
                steady = asyncio.get_running_loop().time() - began > _LONGEST_PAUSE
                pause = _FIRST_PAUSE if steady else min(_LONGEST_PAUSE, pause * 2)
                logger.warning("watching endpoints broke off (%s); again in %.0f s", error, pause)
                await self._sleep(pause)
                with suppress(ApiError):
                    await self.look()  # a new watch does not tell what was deleted meanwhile
                continue
            except Exception as error:
                # kopf's own exceptions cannot be named; whatever else ended the watch would end the next one, too.
                if getattr(error, "status", None) != HTTPStatus.FORBIDDEN:
                    raise
            # It is told anew: the watch may have come by itself to the rights that were missing before.
            self._refused.discard(namespace)
            await self._permitted(namespace)

    async def _permitted(self, namespace: str | None) -> None:
        """Wait until endpoints may be seen again. Raises `CannotRun` where that is all there is to see."""
        if namespace is None:
            await self.visible()
            return
        while not self._stop.is_set():
            pause = FORBIDDEN_AGAIN
            try:
                if await self._may_list(namespace):
                    return
            except ApiError as error:
                pause = max(pause, error.retry_after or 0.0)
            await self._sleep(pause)

    def _seen(self, kind: str | None, manifest: Object) -> None:
        if kind == "DELETED":
            self._population.remove(manifest)
        else:
            self._population.put(manifest)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


def _uids(manifests: Collection[Object]) -> set[str]:
    return {uid_of(manifest) for manifest in manifests}

"""Whoever is told by the API server to wait waits: what comes up, and what is kept beside the endpoints.

Work on endpoints is tried with the queue, watches with the reflector.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import cast

import pytest

from hookgate.config.load import parse_config
from hookgate.control.apiserver import ApiServerCluster, Place, make_mirrors
from hookgate.control.deployer import Deployer
from hookgate.control.endpoints import Endpoints
from hookgate.control.population import Population
from hookgate.control.preflight import is_served
from hookgate.control.shared import SharedRoutes
from hookgate.kube.api import Api, ApiError
from hookgate.kube.resources import HTTPROUTES
from tests.control.faketime import now, run
from tests.control.stage import GATEWAY, platform

WAIT_S = 30.0
CONFIG = parse_config(platform(GATEWAY, more="exposure: {granularity: shared}\n"), source="hookgate.yaml")
SYSTEM, BINDINGS = "hookgate-system", "hookgate-bindings"


class Busy:
    """An API server that asks everybody for time, and notes when it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def refuse(self, *_: object) -> None:
        self.asked.append(now())
        raise ApiError("list HTTPRoute", status=429, reason="TooManyRequests", retry_after=WAIT_S)

    get = apply = list = refuse

    async def pages(self, *_: object, **__: object) -> AsyncGenerator[None, None]:
        await self.refuse()
        yield


def comes_up(api: Api) -> Awaitable[object]:
    return Endpoints(api, Population(lambda _: None), (), asyncio.Event()).visible()


def asks_for_a_kind(api: Api) -> Awaitable[object]:
    return is_served(api, HTTPROUTES, SYSTEM)


def keeps_receivers(api: Api) -> Awaitable[object]:
    return Deployer(
        api, lambda: CONFIG, namespace=SYSTEM, binding_namespace=BINDINGS, image="hookgate:1", clock=time.time
    ).run()


def keeps_shared_routes(api: Api) -> Awaitable[object]:
    population = Population(lambda _: None)
    mirrors = make_mirrors(population, lambda _: None, gateway=True)
    place = Place(system_namespace=SYSTEM, binding_namespace=BINDINGS, instance="x")
    cluster = ApiServerCluster(api, population, mirrors, place)
    return SharedRoutes(cluster, mirrors, lambda: CONFIG, changed=lambda: None, clock=time.time).run()


@pytest.mark.parametrize("part", [comes_up, asks_for_a_kind, keeps_receivers, keeps_shared_routes])
def test_a_server_that_asks_for_time_is_not_asked_before(part: Callable[[Api], Awaitable[object]]) -> None:
    """Neither again nor for anything else in the same look."""
    busy = Busy()

    async def for_a_while() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(3.5 * WAIT_S):
                await part(cast("Api", busy))

    run(for_a_while())
    assert busy.asked == [0.0, WAIT_S, 2 * WAIT_S, 3 * WAIT_S]

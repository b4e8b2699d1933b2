"""Which endpoints count as living, whatever the API server's lists know of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from hookgate.control.cluster import Request
from hookgate.control.endpoints import Endpoints
from hookgate.control.population import Population
from hookgate.control.values import Object
from hookgate.kube.api import Api, ApiError

PUSH = Request("team-a", "push")


def endpoint(uid: str = "u", version: int = 10) -> dict[str, Any]:
    """The endpoint as the API server tells of it."""
    metadata = {"namespace": PUSH.namespace, "name": PUSH.name, "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {}}


class Server:
    """An API server's part: lists of one version, and what is found one by one."""

    def __init__(self, listed: list[Object], version: str, *found: Object | ApiError | None) -> None:
        self._listed, self._version, self._found = listed, version, list(found)

    async def pages(self, *_: object) -> AsyncGenerator[tuple[list[Object], str], None]:
        yield self._listed, self._version

    async def get(self, *_: object) -> Object | None:
        found = self._found.pop(0)
        if isinstance(found, ApiError):
            raise found
        return found


def endpoints(server: Server, known: Object, namespaces: tuple[str, ...] = ()) -> Endpoints:
    """Endpoints of which the watch has told one."""
    population = Population(lambda _: None)
    population.put(known)
    return Endpoints(cast("Api", server), population, namespaces, asyncio.Event())


@pytest.mark.parametrize("namespaces", [(), (PUSH.namespace,)], ids=["the whole cluster", "one namespace"])
def test_an_endpoint_that_is_younger_than_the_list_lives(namespaces: tuple[str, ...]) -> None:
    """What belongs to it would be swept up otherwise, and its keys with it."""
    living, _ = asyncio.run(endpoints(Server([], "5"), endpoint(version=10), namespaces).look())
    assert living == {"u"}


def test_an_endpoint_that_a_younger_list_lacks_does_not_live() -> None:
    """Its deletion was missed."""
    living, _ = asyncio.run(endpoints(Server([], "15"), endpoint(version=10)).look())
    assert living == set()


NO_ANSWER = ApiError("get WebhookEndpoint", status=503, reason="ServiceUnavailable")
FORBIDDEN = ApiError("get WebhookEndpoint", status=403, reason="Forbidden")


@pytest.mark.parametrize(
    ("found", "alive"),
    [
        ((endpoint("u"), endpoint("v")), {"u", "v"}),
        ((endpoint("w"), None), set()),
        ((FORBIDDEN, None), {"u"}),
        ((None, NO_ANSWER), {"v"}),
        ((NO_ANSWER,), {"u", "v"}),
    ],
    ids=["there", "made anew, and gone", "not permitted", "gone, and no answer", "no answer, and not asked again"],
)
def test_before_a_binding_goes_its_endpoint_is_asked_for(
    found: tuple[Object | ApiError | None, ...], alive: set[str]
) -> None:
    """Nothing is taken away on a guess, and a server that has no time is left alone."""
    asked = {"u": PUSH, "v": PUSH}
    assert asyncio.run(endpoints(Server([], "15", *found), endpoint()).alive(asked)) == alive

"""When the endpoints on a shared route look again: what its controller says must reach them all, however it comes.

The server's answers and the watch race each other; here the order is given, with the API server's part played.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from hookgate.config.load import parse_config
from hookgate.config.platform import PlatformConfig
from hookgate.control.apiserver import ApiServerCluster, Place, make_mirrors
from hookgate.control.cluster import ClusterError, Request
from hookgate.control.population import Population
from hookgate.control.repairs import MOST
from hookgate.control.shared import SharedRoutes
from hookgate.control.values import Object
from hookgate.kube.api import Api, ApiError
from hookgate.kube.resources import Resource
from tests.control.stage import GATEWAY, Stage, platform

SYSTEM = "hookgate-system"
NAME = "hookgate-host-hooks.example.com"
PUSH = Request("team-a", "push")
SHARING = parse_config(platform(GATEWAY, more="exposure: {granularity: shared}\n"), source="hookgate.yaml")
OWN = parse_config(platform(GATEWAY), source="hookgate.yaml")
ENDPOINT = {
    "kind": "WebhookEndpoint",
    "metadata": {"namespace": "team-a", "name": "push", "uid": "1", "resourceVersion": "1"},
    "spec": {"state": "active"},
}


def accepting(parent: Object, status: str, note: str = "") -> Object:
    """Return what a parent says of a route."""
    said = {"type": "Accepted", "status": status, "reason": "Why", "lastTransitionTime": note}
    return {"parentRef": parent, "conditions": [said]}


class Server:
    """An API server's part: one HTTPRoute, whose versions count up, and which somebody else may change."""

    def __init__(self) -> None:
        self.route: dict[str, Any] | None = None
        self.fails: int = 0  # the HTTP status of the next write
        self._version = 1

    def changed(self, route: Object, **more: Any) -> dict[str, Any]:
        """Store the route as changed and return it."""
        self._version += 1
        before = self.route["metadata"] if self.route else {"uid": f"uid-{self._version}", "generation": 1}
        metadata = {**before, **route["metadata"], "resourceVersion": str(self._version)}
        self.route = {**(self.route or {}), **route, "metadata": metadata, **more}
        return self.route

    def says(self, status: str, note: str = "") -> dict[str, Any]:
        """Let the gateway say whether it accepts the route."""
        assert self.route is not None
        parents = [accepting(ref, status, note) for ref in self.route["spec"]["parentRefs"]]
        return self.changed(self.route, status={"parents": parents})

    async def apply(self, _: Resource, obj: Object) -> Object:
        if self.fails:
            refused, self.fails = self.fails, 0
            raise ApiError("apply HTTPRoute", status=refused, reason="Refused")
        return self.changed(obj)

    async def delete(self, *_: object, **__: object) -> None:
        self.route = None

    async def get(self, *_: object) -> Object | None:
        return self.route


class Particular(Server):
    """One that answers ``status`` to what is written for the host a.example.com; ``written`` has the other hosts."""

    def __init__(self, status: int, retry_after: float | None) -> None:
        super().__init__()
        self._status, self._retry_after = status, retry_after
        self.written: list[str] = []

    async def apply(self, _: Resource, obj: Object) -> Object:
        (host,) = obj["spec"]["hostnames"]
        if host == "a.example.com":
            raise ApiError("apply HTTPRoute", status=self._status, reason="Refused", retry_after=self._retry_after)
        self.written.append(host)
        self._version += 1
        return {**obj, "metadata": {**obj["metadata"], "uid": host, "resourceVersion": str(self._version)}}


class Scene:
    """The shared routes of one platform, one endpoint, and which endpoints were asked to look again."""

    def __init__(self, server: Server | None = None, config: PlatformConfig = SHARING) -> None:
        self.server = server or Server()
        self.config = config
        self.now = 0.0
        self._woken: list[Request] = []
        population = Population(self._woken.append)
        population.put(ENDPOINT)
        mirrors = make_mirrors(population, self._woken.append, gateway=True)
        self.mirrors = mirrors
        self.mirror = mirrors.shared["HTTPRoute"]
        place = Place(system_namespace=SYSTEM, binding_namespace="hookgate-bindings", instance="x")
        cluster = ApiServerCluster(cast("Api", self.server), population, mirrors, place)
        self._routes = SharedRoutes(
            cluster,
            mirrors,
            lambda: self.config,
            changed=lambda: self._woken.extend(population),
            clock=lambda: self.now,
        )
        self.woken()

    def woken(self) -> list[Request]:
        """Return who was asked to look again since the last question."""
        found = sorted(set(self._woken))
        self._woken.clear()
        return found

    def keep(self) -> None:
        """Let the routes be looked at once, and the watch tell of what was written."""
        before = self.server.route
        asyncio.run(self._routes.once())
        if before is not None and self.server.route is None:
            self.mirror.observe("DELETED", before)
        self.tell(self.server.route)

    def tell(self, route: Object | None) -> None:
        """Let the watch tell of the route."""
        if route is not None:
            self.mirror.observe("MODIFIED", route)

    def own_route(self, status: str | None = None) -> None:
        """Let the endpoint be served, with a route of its own of which the gateway says this."""
        stage = Stage(platform(GATEWAY))
        stage.declare()
        stage.settle()
        (route,) = stage.routes()
        parents = [accepting(route["spec"]["parentRefs"][0], status)] if status else []
        self.mirrors.bindings.replace([s for s in stage.world.of_kind("Secret") if "binding" in s["data"]])
        assert self.mirrors.http_routes is not None
        self.mirrors.http_routes.replace([{**route, "status": {"parents": parents}}])


@pytest.fixture
def scene() -> Scene:
    """A platform with a shared route that the gateway has accepted."""
    scene = Scene()
    scene.keep()
    scene.tell(scene.server.says("True"))
    scene.woken()
    return scene


def test_a_word_of_the_gateway_wakes_everybody_and_its_repetition_nobody(scene: Scene) -> None:
    scene.tell(scene.server.says("False"))
    assert scene.woken() == [PUSH]
    scene.tell(scene.server.says("False", note="later"))
    assert scene.woken() == []


def test_what_was_said_of_a_route_that_is_gone_does_not_count_for_its_successor(scene: Scene) -> None:
    """Both are accepted, but in between endpoints saw one that was not yet."""
    scene.config = OWN
    scene.keep()
    scene.config = SHARING
    scene.keep()
    assert scene.woken() == [PUSH]
    scene.tell(scene.server.says("True"))
    assert scene.woken() == [PUSH]


def test_what_was_said_before_a_repair_does_not_count_for_what_is_said_after_it(scene: Scene) -> None:
    """The answer to our own write takes back what was said, as an API server does when the route is another."""
    assert scene.server.route is not None
    scene.tell(scene.server.changed(scene.server.route, spec={**scene.server.route["spec"], "rules": []}))
    scene.server.route["status"] = {}
    scene.keep()
    scene.woken()
    scene.tell(scene.server.says("True"))
    assert scene.woken() == [PUSH]


def test_what_a_refusal_shows_is_told_too(scene: Scene) -> None:
    """It is in the mirror before the watch tells of it, for which it then is nothing new."""
    assert scene.server.route is not None
    broken = scene.server.changed(scene.server.route, spec={**scene.server.route["spec"], "rules": []})
    scene.tell(broken)
    scene.woken()
    told = scene.server.says("False")
    scene.server.fails = 409
    with pytest.raises(ClusterError):
        scene.keep()
    scene.tell(told)
    assert scene.woken() == [PUSH]


def test_a_server_that_fails_wakes_nobody(scene: Scene) -> None:
    """Else thousands of endpoints would look again with every attempt."""
    assert scene.server.route is not None
    scene.tell(scene.server.changed(scene.server.route, spec={**scene.server.route["spec"], "rules": []}))
    scene.woken()
    scene.server.fails = 500
    with pytest.raises(ClusterError):
        scene.keep()
    assert scene.woken() == []


@pytest.mark.parametrize(("status", "retry_after", "others"), [(403, None, 2), (422, None, 2), (429, 30.0, 0)])
def test_a_host_that_is_refused_holds_up_no_other(status: int, retry_after: float | None, others: int) -> None:
    """Only a server that asks for time is left alone at once."""
    server = Particular(status, retry_after)
    hosts = [GATEWAY.replace("hooks.", f"{name}.") for name in "abc"]
    config = parse_config(platform(*hosts, more="exposure: {granularity: shared}\n"), source="hookgate.yaml")
    scene = Scene(server, config)
    for _ in range(2):
        with pytest.raises(ClusterError):
            scene.keep()
    assert server.written == [f"{name}.example.com" for name in "bc"][:others]


def test_a_platform_that_changes_its_mind_often_is_no_fight(scene: Scene) -> None:
    """A route that we took away ourselves is made again at once, however often."""
    for _ in range(MOST + 1):
        scene.config = OWN
        scene.keep()
        assert scene.server.route is None
        scene.config = SHARING
        scene.keep()
        assert scene.server.route is not None


@pytest.mark.parametrize("status", [None, "False"])
def test_the_shared_route_stays_until_the_gateway_has_accepted_the_endpoints_own(
    scene: Scene, status: str | None
) -> None:
    scene.config = OWN
    scene.own_route(status)
    scene.keep()
    assert scene.server.route is not None
    scene.own_route("True")
    scene.keep()
    assert scene.server.route is None


def test_a_shared_route_that_is_no_more_in_force_than_the_endpoints_own_goes(scene: Scene) -> None:
    """Nothing is lost with it, and a gateway that accepts neither must not keep it for ever."""
    scene.tell(scene.server.says("False"))
    scene.config = OWN
    scene.own_route("False")
    scene.keep()
    assert scene.server.route is None

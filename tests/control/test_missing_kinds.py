"""What the cluster lacks: a namespace, or the Gateway API, which may come later or go. The API server is played."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from hookgate.config.manifest import load_endpoint
from hookgate.control.apiserver import ApiServerCluster, Place, make_mirrors
from hookgate.control.cluster import ClusterError, Request
from hookgate.control.population import Population
from hookgate.control.preflight import REFUSAL_PATIENCE, until_changed
from hookgate.control.reconcile import Reconciler
from hookgate.control.settings import settings_of
from hookgate.control.values import Object, Served
from hookgate.kube.api import Api, ApiError
from hookgate.kube.resources import HTTPROUTES, Resource
from tests.control.faketime import now, run
from tests.control.stage import GATEWAY, OFFER, SPEC, platform

SYSTEM, BINDINGS = "hookgate-system", "hookgate-bindings"
CI = Request("team-a", "ci")
SERVICE: dict[str, Any] = {
    "kind": "Service",
    "metadata": {"name": "app", "namespace": "team-a", "uid": "s", "resourceVersion": "1"},
    "spec": {"type": "ClusterIP", "ports": [{"port": 8080}]},
}


class Server:
    """Keeps what is written, but for what is to stand in the namespace ``missing``."""

    def __init__(self, endpoint: Object, missing: str = "") -> None:
        self.written: list[str] = []
        self._missing = missing
        self._objects: dict[tuple[str, str, str], Any] = {("WebhookEndpoint", CI.namespace, CI.name): endpoint}

    async def get(self, resource: Resource, name: str, namespace: str) -> Object | None:
        return cast("Object | None", self._objects.get((resource.kind, namespace, name)))

    async def create(self, resource: Resource, obj: Any, verb: str = "create") -> Object:
        metadata = obj["metadata"]
        if metadata["namespace"] == self._missing:
            raise ApiError(f"{verb} {resource.kind} {self._missing}", status=404, reason="NotFound")
        self.written.append(resource.kind)
        key = (resource.kind, metadata["namespace"], metadata.get("name", ""))
        known = self._objects.get(key, {"metadata": {"uid": f"uid-{len(self.written)}"}})
        made = {**known["metadata"], **metadata, "resourceVersion": str(len(self.written) + 1)}
        self._objects[key] = {**known, **obj, "metadata": made}
        return cast("Object", self._objects[key])

    async def apply(self, resource: Resource, obj: Any, **_: object) -> Object:
        return await self.create(resource, obj, "apply")


class Ready:
    """Receivers that serve whatever there is."""

    async def served(self, _: str, digest: str | None) -> Served:
        return Served(digest=digest, ready=2, agreeing=2)


class Scene:
    """One endpoint, in a cluster without the Gateway API."""

    def __init__(self, host: str, missing: str = "") -> None:
        metadata = {"name": CI.name, "namespace": CI.namespace}
        given = {"apiVersion": "hookgate.dev/v1alpha1", "kind": "WebhookEndpoint", "metadata": metadata, "spec": SPEC}
        endpoint = load_endpoint(given)
        endpoint["metadata"] |= {"uid": "1", "resourceVersion": "1", "generation": 1}
        endpoint["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
        self.server = Server(endpoint, missing)
        self._population = Population(lambda _: None)
        mirrors = make_mirrors(self._population, lambda _: None, gateway=False)
        self._population.put(endpoint)
        mirrors.services.observe("ADDED", SERVICE)
        settings = settings_of(platform(host), source="hookgate.yaml")
        place = Place(system_namespace=SYSTEM, binding_namespace=BINDINGS, instance="x")
        self._reconciler = Reconciler(
            ApiServerCluster(cast("Api", self.server), self._population, mirrors, place),
            Ready(),
            settings=lambda: settings,
            clock=time.time,
            entropy=os.urandom,
        )

    def look(self) -> ClusterError | None:
        """Look at the endpoint and return what did not happen."""
        try:
            asyncio.run(self._reconciler.reconcile(CI))
        except ClusterError as error:
            return error
        return None

    def known(self) -> set[Request]:
        """What is taken for an endpoint."""
        return set(self._population)

    def message(self) -> str:
        """What the endpoint says, where it says that a write is refused."""
        status = (self._population.get(CI) or {}).get("status") or {}
        ready = [c for c in status.get("conditions") or () if (c["type"], c["reason"]) == ("Ready", "WriteRefused")]
        return str(ready[0]["message"]) if ready else ""


@pytest.mark.parametrize("looks", [1, 7])
def test_without_the_gateway_api_an_endpoint_tells_that_its_route_cannot_be_made(looks: int) -> None:
    """However often, and also where it was installed meanwhile: what is written and not seen is never taken away."""
    scene = Scene(GATEWAY)
    errors = [scene.look() for _ in range(looks)]
    assert [(error.refused, error.conflict) for error in errors if error] == [(True, False)] * looks
    assert "apply HTTPRoute hookgate-system/hookgate-1: the cluster does not serve this kind" in scene.message()
    assert "HTTPRoute" not in scene.server.written
    assert scene.known() == {CI}


@pytest.mark.parametrize(("missing", "kind"), [(BINDINGS, "create Secret"), (SYSTEM, "apply Ingress")])
def test_a_namespace_that_is_missing_is_told(missing: str, kind: str) -> None:
    """It is no matter of an old state: looking again would find nothing else."""
    scene = Scene(OFFER, missing)
    error = scene.look()
    assert error is not None
    assert (error.refused, error.conflict) == (True, False)
    assert f"{kind} {missing}: 404 NotFound, as there is no such namespace or kind" in scene.message()


# Kinds that come and go -----------------------------------------------------------------------------------------------


class Asked:
    """An API server that lists what it has, or answers with these statuses one after the other, the last for ever."""

    def __init__(self, *statuses: int) -> None:
        self.asked: list[float] = []
        self._statuses = [*statuses]

    async def pages(self, *_: object, **__: object) -> AsyncGenerator[tuple[list[Object], str], None]:
        self.asked.append(now())
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if status != 200:
            raise ApiError("list HTTPRoute", status=status, reason="Why")
        yield [], "1"


@pytest.mark.parametrize(("served", "answers"), [(False, (404, 404, 200)), (True, (200, 200, 404))])
def test_a_kind_that_comes_or_goes_is_noticed_when_it_lasts(served: bool, answers: tuple[int, ...]) -> None:
    server = Asked(*answers)

    run(until_changed(cast("Api", server), HTTPROUTES, SYSTEM, served=served, every=60.0))
    assert server.asked == [60.0, 120.0, 180.0, 180.0 + REFUSAL_PATIENCE]


@pytest.mark.parametrize("status", [0, 403, 429, 500, 503])
def test_what_is_no_answer_changes_nothing(status: int) -> None:
    """Nor does a single word of a server that is only coming up."""
    server = Asked(status, 404, 200, status, 404, status, 404)

    run(until_changed(cast("Api", server), HTTPROUTES, SYSTEM, served=True, every=60.0))
    assert len(server.asked) == 8

"""What an answer of the API server brings into the caches when the watch tells something newer before it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from hookgate.control.apiserver import ApiServerCluster, Place, make_mirrors
from hookgate.control.cluster import Request
from hookgate.control.objects import ROLE_BINDING, labels
from hookgate.control.population import Population
from hookgate.control.values import Object
from hookgate.kube.api import Api

BINDING: dict[str, Any] = {
    "kind": "Secret",
    "metadata": {
        "namespace": "hookgate-bindings",
        "name": "1",
        "uid": "b",
        "resourceVersion": "10",
        "labels": labels(ROLE_BINDING, "1"),
    },
}
ENDPOINT = {"metadata": {"namespace": "team-a", "name": "push", "uid": "1", "resourceVersion": "1"}}


class Server:
    """Answers every read with the binding, and lets something happen before the answer arrives."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], None] = lambda: None

    async def get(self, *_: object) -> Object | None:
        self.meanwhile()
        return BINDING


def test_what_was_asked_for_and_is_deleted_before_the_answer_is_not_kept() -> None:
    """The answer counts for whoever asked; who looks again finds nothing, and is woken to do so."""
    woken: list[Request] = []
    server, population = Server(), Population(woken.append)
    mirrors = make_mirrors(population, woken.append, gateway=False)
    place = Place(system_namespace="hookgate-system", binding_namespace="hookgate-bindings", instance="x")
    cluster = ApiServerCluster(cast("Api", server), population, mirrors, place)
    population.put(ENDPOINT)
    woken.clear()

    def come_and_go() -> None:
        mirrors.bindings.observe("ADDED", BINDING)
        mirrors.bindings.observe("DELETED", BINDING)

    server.meanwhile = come_and_go
    assert asyncio.run(cluster.binding("1", sure=True)) == BINDING
    assert mirrors.bindings.get("hookgate-bindings", "1") is None
    assert woken == [Request("team-a", "push")]

"""What the operator learns from the answers to its own writes, and when it must look again because of them.

The server's answer and the watch race each other; here the order is given, with the API server's part played.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from hookgate.control.apiserver import ApiServerCluster, Place, make_mirrors
from hookgate.control.cluster import Request
from hookgate.control.population import Population
from hookgate.kube.api import Api

Object = dict[str, Any]
PUSH = Request("team-a", "push")


def endpoint(version: int, state: str = "active", generation: int = 1, **metadata: Any) -> Object:
    """An endpoint as the server shows it at a resourceVersion."""
    metadata |= {"resourceVersion": str(version), "generation": generation}
    return {
        "apiVersion": "hookgate.dev/v1alpha1",
        "kind": "WebhookEndpoint",
        "metadata": {"namespace": "team-a", "name": "push", "uid": "1", **metadata},
        "spec": {"state": state},
    }


class Answering:
    """An API server that answers every apply with one object."""

    def __init__(self, answer: Object) -> None:
        self._answer = answer

    async def apply(self, *_: object, **__: object) -> Object:
        return self._answer


def woken_by_answer(answer: Object) -> list[Request]:
    """Which endpoints are looked at again after a status write with that answer, the watch's echoes included."""
    woken: list[Request] = []
    population = Population(woken.append)
    reconciled = endpoint(1, "inactive")
    population.put(reconciled)
    woken.clear()
    place = Place(system_namespace="hookgate-system", binding_namespace="hookgate-bindings", instance="x")
    mirrors = make_mirrors(population, woken.append, gateway=False)
    cluster = ApiServerCluster(cast("Api", Answering(answer)), population, mirrors, place)
    asyncio.run(cluster.write_status(reconciled, {"observedGeneration": 1}))
    for seen in (endpoint(2, answer["spec"]["state"]), answer):
        population.put(seen)
    return woken


def test_the_echo_of_our_own_status_wakes_nobody() -> None:
    """Else every look would lead to another."""
    assert woken_by_answer(endpoint(3, "inactive")) == []


@pytest.mark.parametrize(
    "answer",
    [
        endpoint(3, "active", 2),
        endpoint(3, "inactive", annotations={"hookgate.dev/suspend": "true"}),
        endpoint(3, "inactive", 2, deletionTimestamp="2026-01-01T00:00:00Z"),
    ],
    ids=["spec", "annotation", "deletion"],
)
def test_a_change_that_came_between_our_look_and_our_status_is_looked_at(answer: Object) -> None:
    """It stands in the answer, and the watch, which tells of it later, is passed over as old."""
    assert PUSH in woken_by_answer(answer)

"""The endpoints as last seen: whom a change wakes, and what is never overlooked."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.control.cluster import Request
from hookgate.control.population import Population

PUSH = Request("team-a", "push")


@pytest.fixture
def woken() -> list[Request]:
    """Who was woken, in order."""
    return []


@pytest.fixture
def population(woken: list[Request]) -> Population:
    """A population that knows one endpoint."""
    made = Population(woken.append)
    made.put(seen(version=10))
    woken.clear()
    return made


def seen(*, version: int, generation: int = 1, uid: str = "u", **more: Any) -> dict[str, Any]:
    """The endpoint as the API server tells of it."""
    named = {"name": PUSH.name, "namespace": PUSH.namespace}
    return {"metadata": {**named, "uid": uid, "resourceVersion": str(version), "generation": generation, **more}}


def test_a_change_wakes(population: Population, woken: list[Request]) -> None:
    """Whatever the watch brings is looked at."""
    population.put(seen(version=11))
    assert woken == [PUSH]


def test_the_answer_to_our_own_write_wakes_nobody(population: Population, woken: list[Request]) -> None:
    """Neither the answer nor its echo in the watch."""
    population.put(seen(version=11), ours=True)
    population.put(seen(version=11))
    assert woken == []


def test_an_older_version_is_passed_over(population: Population, woken: list[Request]) -> None:
    """What is known stays."""
    population.put(seen(version=9, generation=0))
    assert (woken, population.get(PUSH)) == ([], seen(version=10))


@pytest.mark.parametrize(
    "change", [{"generation": 2}, {"annotations": {"hookgate.dev/suspend": "true"}}], ids=["spec", "annotation"]
)
def test_a_change_that_our_own_write_brings_along_wakes(
    population: Population, woken: list[Request], change: dict[str, Any]
) -> None:
    """A status that is written right after a user's change is answered with that change, before the watch tells it."""
    population.put(seen(version=12, **change), ours=True)
    population.put(seen(version=11, **change))
    assert woken == [PUSH]


def test_an_object_made_anew_under_the_same_name_wakes(population: Population, woken: list[Request]) -> None:
    """Another uid is another endpoint."""
    population.put(seen(version=11, uid="v"))
    assert (population.by_uid("u"), population.by_uid("v"), set(woken)) == (None, PUSH, {PUSH})

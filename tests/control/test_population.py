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


@pytest.mark.parametrize("listed", [False, True], ids=["told by the watch", "told by a list"])
def test_an_answer_of_ours_brings_nothing_back(population: Population, woken: list[Request], listed: bool) -> None:
    """The endpoint was removed while we wrote, or made anew: the answer tells of what was before."""
    if listed:
        population.replace([], version="12")
    else:
        population.remove(seen(version=12))
    woken.clear()
    population.put(seen(version=11), ours=True)
    assert (population.get(PUSH), woken) == (None, [])
    population.put(seen(version=15, uid="v"))
    population.put(seen(version=11), ours=True)
    assert population.by_uid("v") == PUSH


def test_an_object_made_anew_under_the_same_name_wakes(population: Population, woken: list[Request]) -> None:
    """Another uid is another endpoint."""
    population.put(seen(version=11, uid="v"))
    assert (population.by_uid("u"), population.by_uid("v"), set(woken)) == (None, PUSH, {PUSH})


# Indexes --------------------------------------------------------------------------------------------------------------


def endpoint(
    name: str, created: int = 0, *, namespace: str = "team-a", version: int = 1, **spec: Any
) -> dict[str, Any]:
    """An endpoint that was created at second ``created``."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": f"2026-01-01T00:00:{created:02d}Z",
    }
    return {"metadata": metadata, "spec": spec}


def too_many(manifest: dict[str, Any]) -> dict[str, Any]:
    """The endpoint as one that was refused for its number."""
    return {**manifest, "status": {"conditions": [{"type": "Ready", "reason": "TooManyEndpoints"}]}}


@pytest.fixture
def everybody(woken: list[Request]) -> Population:
    """An empty population."""
    return Population(woken.append)


def test_whoever_names_a_secret_or_a_service_is_found_by_it(everybody: Population) -> None:
    """By the connection Secret's name, every reference and the target, in the own namespace only."""
    refs = {"ref": {"name": "mine"}, "previousRefs": [{"name": "old"}]}
    everybody.put(endpoint("ci", auth={"secret": refs}, target={"service": {"name": "app"}}))
    everybody.put(endpoint("chat", secretName="mine"))
    ci, chat = Request("team-a", "ci"), Request("team-a", "chat")
    assert everybody.naming("team-a", "Secret", "mine") == {ci, chat}
    assert everybody.naming("team-a", "Secret", "old") == {ci}
    assert everybody.naming("team-a", "Secret", "ci-webhook") == {ci}
    assert everybody.naming("team-a", "Service", "app") == {ci}
    assert everybody.naming("team-b", "Secret", "mine") == frozenset()


def test_a_name_that_is_no_longer_given_is_forgotten(everybody: Population) -> None:
    """After a change as after a deletion."""
    everybody.put(endpoint("ci", secretName="one"))
    everybody.put(endpoint("ci", secretName="two", version=2))
    assert everybody.naming("team-a", "Secret", "one") == frozenset()
    everybody.remove(endpoint("ci"))
    assert everybody.naming("team-a", "Secret", "two") == frozenset()
    assert (len(everybody), everybody.by_uid("uid-ci")) == (0, None)


@pytest.mark.parametrize(
    "spec", [{"secretName": 5}, {"auth": []}, {"auth": {"secret": {"previousRefs": {}}}}, {"target": 1}]
)
def test_a_spec_of_wrong_types_names_only_its_own_secret(everybody: Population, spec: dict[str, Any]) -> None:
    """No object may stop the others."""
    everybody.put(endpoint("ci", **spec))
    assert everybody.naming("team-a", "Secret", "ci-webhook") == {Request("team-a", "ci")}


def test_elders_are_those_of_the_namespace_that_were_created_before(everybody: Population) -> None:
    """Those of one second are told apart by their names; absent ones do not count."""
    a, b, c = endpoint("a", 1), endpoint("b", 1), endpoint("c", 0, state="absent")
    for each in (a, b, c, endpoint("d", 0, namespace="team-b")):
        everybody.put(each)
    assert [everybody.elders(each) for each in (a, b)] == [0, 1]
    everybody.put(endpoint("c", 0, version=2))
    assert [everybody.elders(each) for each in (a, b)] == [1, 2]


def test_room_that_is_made_wakes_those_who_were_refused(everybody: Population, woken: list[Request]) -> None:
    """By a deletion, and by an elder one that is declared absent."""
    for each in (endpoint("a", 1), endpoint("b", 2), too_many(endpoint("c", 3))):
        everybody.put(each)
    woken.clear()
    everybody.put(endpoint("a", 1, version=2, state="absent"))
    assert woken == [Request("team-a", "a"), Request("team-a", "c")]
    woken.clear()
    everybody.remove(endpoint("b", 2))
    assert woken == [Request("team-a", "b"), Request("team-a", "c")]


def test_a_deletion_of_an_earlier_object_does_not_remove_the_later_one(everybody: Population) -> None:
    """A late event tells of another uid."""
    everybody.put(endpoint("ci"))
    everybody.remove({"metadata": {**endpoint("ci")["metadata"], "uid": "an-earlier-one"}})
    assert everybody.by_uid("uid-ci") == Request("team-a", "ci")


def test_a_complete_list_tells_of_deletions_that_nobody_saw(everybody: Population, woken: list[Request]) -> None:
    """What stays as it was wakes nobody."""
    for each in (endpoint("a"), endpoint("b")):
        everybody.put(each)
    woken.clear()
    everybody.replace([endpoint("b"), endpoint("c")])
    assert set(everybody) == {Request("team-a", "b"), Request("team-a", "c")}
    assert woken == [Request("team-a", "a"), Request("team-a", "c")]


def test_what_is_made_while_a_list_is_read_is_not_missing(everybody: Population, woken: list[Request]) -> None:
    """The watch told of it; the list is as of a version before."""
    everybody.put(endpoint("a", version=11))
    everybody.replace([], version="10")
    assert set(everybody) == {Request("team-a", "a")}


def test_what_is_deleted_while_a_list_is_read_stays_deleted(everybody: Population) -> None:
    """The list still has it, and nothing would ever take it out again before the next one."""
    everybody.put(endpoint("a"))
    everybody.remove(endpoint("a"))
    everybody.replace([endpoint("a")], version="10")
    assert set(everybody) == set()


def test_an_endpoint_is_kept_without_what_nobody_reads(everybody: Population) -> None:
    """Field managers and what kubectl remembers are larger than all the rest."""
    told = endpoint("a")
    noted = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "a"}
    everybody.put({**told, "metadata": {**told["metadata"], "managedFields": [{}], "annotations": noted}})
    assert everybody.get(Request("team-a", "a")) == {
        **told,
        "metadata": {**told["metadata"], "annotations": {"team": "a"}},
    }


def test_a_list_of_one_namespace_says_nothing_about_the_others(everybody: Population) -> None:
    """Each is listed on its own where rights are given in each on its own."""
    everybody.put(endpoint("a"))
    everybody.replace([], "team-b")
    assert len(everybody) == 1
    everybody.replace([], "team-a")
    assert len(everybody) == 0


_ACTIVE = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True", "reason": "Active"}]}
_SUSPENDED = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True", "reason": "Inactive"}]}


@pytest.mark.parametrize(
    ("metadata", "status", "presses"),
    [
        ({}, {}, False),
        ({}, _ACTIVE, False),
        ({"generation": 2}, _ACTIVE, True),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, _ACTIVE, True),
        ({"annotations": {"hookgate.dev/suspend": "true"}}, _ACTIVE, True),
        ({"annotations": {"hookgate.dev/suspend": "true"}}, _SUSPENDED, False),
    ],
    ids=["new", "settled", "changed", "deleted", "to be suspended", "suspended"],
)
def test_a_change_of_what_is_in_use_presses(
    everybody: Population, metadata: dict[str, Any], status: dict[str, Any], presses: bool
) -> None:
    """Nobody's deactivation waits for a thousand new endpoints, nor for a look at all of them."""
    everybody.put({**seen(version=1, **metadata), "status": status})
    assert everybody.pressing(PUSH) is presses


def test_nothing_presses_of_what_is_not_there(everybody: Population) -> None:
    """It may be gone by the time that somebody asks."""
    assert not everybody.pressing(PUSH)

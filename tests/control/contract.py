"""What every `Cluster` promises, as tests: the fake that specifies reconciliation is held to it, and so can others be.

Whoever subclasses `ClusterContract` says how to get a cluster with one endpoint in it, and runs each test on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hookgate.control.cluster import Cluster, ClusterError, request_of
from hookgate.control.objects import at, binding_secret, connection_secret, finalizer, overwritten, secret_data
from hookgate.control.values import Object, Step, Verb
from hookgate.model import binding as contract
from hookgate.model.binding import Binding
from hookgate.model.endpoint import FINALIZER
from hookgate.model.parse import parse_endpoint

Act = Callable[[Cluster, Object], Awaitable[None]]
SEGMENTS = ("a" * 32, "b" * 32)


class ClusterContract:
    """``play`` runs an act on a cluster that has just seen an endpoint, whose manifest it hands over."""

    def play(self, act: Act) -> None:
        raise NotImplementedError

    def test_what_is_created_is_seen_at_once_with_a_uid_and_a_version(self) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            await create(cluster, connection(manifest))
            found = await see(cluster, manifest)
            assert secret_data(found) == {"secret": b"first-value"}
            assert found["metadata"]["uid"]
            assert found["metadata"]["resourceVersion"]

        self.play(act)

    def test_creating_what_exists_is_a_conflict_and_changes_nothing(self) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            await create(cluster, connection(manifest))
            await conflicts(cluster, Verb.CREATE, connection(manifest, b"second-value"))
            assert secret_data(await see(cluster, manifest)) == {"secret": b"first-value"}

        self.play(act)

    def test_applying_changes_what_is_wanted_and_keeps_the_labels_of_others(self) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            wanted = connection(manifest)
            labels = {**wanted["metadata"]["labels"], "team": "a"}
            await create(cluster, {**wanted, "metadata": {**wanted["metadata"], "labels": labels}})
            found = await see(cluster, manifest)
            await do(cluster, Verb.APPLY, at(connection(manifest, b"second-value"), found))
            found = await see(cluster, manifest)
            assert secret_data(found) == {"secret": b"second-value"}
            assert found["metadata"]["labels"]["team"] == "a"

        self.play(act)

    def test_replacing_takes_away_what_somebody_added(self) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            wanted = connection(manifest)
            await create(cluster, {**wanted, "data": {**wanted["data"], "extra": "eA=="}})
            await do(cluster, Verb.REPLACE, overwritten(wanted, await see(cluster, manifest)))
            assert secret_data(await see(cluster, manifest)) == {"secret": b"first-value"}

        self.play(act)

    @pytest.mark.parametrize("verb", [Verb.APPLY, Verb.REPLACE, Verb.DELETE])
    def test_a_write_to_another_uid_is_a_conflict_and_changes_nothing(self, verb: Verb) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            await create(cluster, connection(manifest))
            wanted = connection(manifest, b"second-value")
            other = {**wanted, "metadata": {**wanted["metadata"], "uid": "11111111-2222-3333-4444-555555555555"}}
            await conflicts(cluster, verb, other)
            assert secret_data(await see(cluster, manifest)) == {"secret": b"first-value"}

        self.play(act)

    @pytest.mark.parametrize("verb", [Verb.APPLY, Verb.REPLACE])
    def test_a_write_to_an_outdated_version_is_a_conflict_and_changes_nothing(self, verb: Verb) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            await create(cluster, connection(manifest))
            outdated = await see(cluster, manifest)
            await do(cluster, Verb.APPLY, at(connection(manifest, b"second-value"), outdated))
            await conflicts(cluster, verb, at(connection(manifest, b"third-value"), outdated, version=True))
            assert secret_data(await see(cluster, manifest)) == {"secret": b"second-value"}

        self.play(act)

    @pytest.mark.parametrize("verb", [Verb.APPLY, Verb.REPLACE])
    def test_a_write_to_an_object_that_is_gone_is_a_conflict_and_makes_none(self, verb: Verb) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            await create(cluster, connection(manifest))
            gone = await see(cluster, manifest)
            await do(cluster, Verb.DELETE, gone)
            await conflicts(cluster, verb, at(connection(manifest), gone))
            assert await look(cluster, manifest) is None

        self.play(act)

    def test_deleting_what_is_gone_is_done_already(self) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            await create(cluster, connection(manifest))
            found = await see(cluster, manifest)
            await do(cluster, Verb.DELETE, found)
            await do(cluster, Verb.DELETE, found)
            assert await look(cluster, manifest) is None

        self.play(act)

    def test_a_binding_is_seen_by_its_endpoint_s_uid_and_tells_its_path_to_others(self) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            uid = manifest["metadata"]["uid"]
            assert await cluster.binding(uid, sure=True) is None
            await create(cluster, binding(cluster, manifest))
            found = await cluster.binding(uid, sure=False)
            assert found is not None
            assert secret_data(found)[contract.DATA_KEY] == encoded(manifest)
            taken = [cluster.segment_taken(segment, other) for segment in SEGMENTS for other in (uid, "other")]
            assert taken == [False, True, False, False]

        self.play(act)

    def test_a_binding_that_changed_meanwhile_is_not_overwritten(self) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            await create(cluster, binding(cluster, manifest))
            outdated = await cluster.binding(manifest["metadata"]["uid"], sure=True)
            assert outdated is not None
            await do(cluster, Verb.APPLY, at(binding(cluster, manifest, SEGMENTS[1]), outdated, version=True))
            await conflicts(cluster, Verb.APPLY, at(binding(cluster, manifest), outdated, version=True))

        self.play(act)

    def test_the_finalizer_is_held_and_let_go_without_touching_anything_else(self) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            await do(cluster, Verb.APPLY, finalizer(manifest, present=True))
            held = endpoint(cluster, manifest)
            assert held["metadata"]["finalizers"] == [FINALIZER]
            assert held["spec"] == manifest["spec"]
            await do(cluster, Verb.APPLY, finalizer(manifest, present=False))
            assert not endpoint(cluster, manifest)["metadata"].get("finalizers")

        self.play(act)

    def test_a_status_is_seen_at_once_and_is_no_new_generation(self) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            await cluster.write_status(manifest, status())
            found = endpoint(cluster, manifest)
            assert found["status"]["observedGeneration"] == 1
            assert found["metadata"]["generation"] == manifest["metadata"]["generation"]

        self.play(act)

    def test_a_status_for_another_uid_is_a_conflict(self) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            other = {**manifest, "metadata": {**manifest["metadata"], "uid": "11111111-2222-3333-4444-555555555555"}}
            with pytest.raises(ClusterError) as caught:
                await cluster.write_status(other, status())
            assert caught.value.conflict

        self.play(act)

    def test_an_unlabelled_secret_cannot_be_referenced(self) -> None:
        async def act(cluster: Cluster, manifest: Object) -> None:
            await create(cluster, connection(manifest))
            name = connection(manifest)["metadata"]["name"]
            assert cluster.referenced(manifest["metadata"]["namespace"], name) is None

        self.play(act)


def connection(manifest: Object, value: bytes = b"first-value") -> dict[str, Any]:
    """Return the connection Secret of an endpoint."""
    return connection_secret(parse_endpoint(manifest), {"secret": value})


def binding(cluster: Cluster, manifest: Object, segment: str = SEGMENTS[0]) -> dict[str, Any]:
    """Return the binding Secret of an endpoint."""
    return binding_secret(manifest["metadata"]["uid"], encoded(manifest, segment), cluster.binding_namespace)


def encoded(manifest: Object, segment: str = SEGMENTS[0]) -> bytes:
    """Return the bytes of an endpoint's binding."""
    meta = manifest["metadata"]
    made = Binding(
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        active=True,
        auth={"type": "none"},
        keys=(),
        nonce="0" * 32,
        target="http://app.team-a.svc:8080/",
        timeout_ms=1000,
        max_body_bytes=1000,
        segment=segment,
    )
    return contract.encode(made)


def status() -> dict[str, Any]:
    """Return a status as simple as one can be."""
    ready = {"type": "Ready", "status": "True", "reason": "Active", "message": "It is.", "observedGeneration": 1}
    return {"observedGeneration": 1, "conditions": [{**ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}


def endpoint(cluster: Cluster, manifest: Object) -> Object:
    """Return the endpoint as the cluster sees it now."""
    found = cluster.endpoint(request_of(manifest))
    assert found is not None
    return found


async def do(cluster: Cluster, verb: Verb, obj: Object) -> None:
    """Carry out one step."""
    await cluster.execute(Step(verb=verb, object=obj))


async def create(cluster: Cluster, obj: Object) -> None:
    """Create an object."""
    await do(cluster, Verb.CREATE, obj)


async def conflicts(cluster: Cluster, verb: Verb, obj: Object) -> None:
    """Hold that a step is refused as outdated."""
    with pytest.raises(ClusterError) as caught:
        await do(cluster, verb, obj)
    assert caught.value.conflict


async def look(cluster: Cluster, manifest: Object) -> Object | None:
    """Return the connection Secret, looked for live."""
    meta, name = manifest["metadata"], connection(manifest)["metadata"]["name"]
    found = await cluster.connections(meta["namespace"], meta["uid"], name, sure=True)
    return found[0] if found else None


async def see(cluster: Cluster, manifest: Object) -> Object:
    """Return the connection Secret, which has to be there."""
    found = await look(cluster, manifest)
    assert found is not None
    return found

"""What the reflector keeps and tells, and in which form."""

from __future__ import annotations

import asyncio
from typing import Any

from hookgate.kube.api import SECRETS
from hookgate.kube.reflector import MultiReflector
from tests.kube.asyncrun import eventually, run
from tests.kube.fakeserver import FakeApiServer, status_object
from tests.kube.reflecting import Told, client, names, reflecting, watching


def test_the_first_list_fills_the_store_and_sets_synced() -> None:
    """Everything that exists is told as ADDED and can be looked up."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            server.put("a", data="1")
            server.put("b")
            async with reflecting(server, told) as reflector:
                await reflector.synced.wait()
                found = reflector.get("ns", "a")
                assert found is not None
                assert found["data"] == {"value": "1"}
                assert reflector.get("ns", "c") is None
                assert (told.changes, len(reflector)) == ([("ADDED", "a"), ("ADDED", "b")], 2)

    run(test())


def test_events_after_the_list_are_told_in_order() -> None:
    """ADDED, MODIFIED and DELETED arrive through the watch and change the store."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server, reflecting(server, told) as reflector:
            await watching(server, reflector)
            server.put("a")
            server.put("a", data="2")
            server.remove("a")
            await eventually(lambda: len(told.changes) == 3, "three changes")
            assert told.changes == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
            assert names(reflector) == []

    run(test())


def test_an_object_made_again_in_a_gap_is_deleted_and_added() -> None:
    """The same name with another uid is another object, also for those who keep things by uid."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            server.put("a", uid="one")
            async with reflecting(server, told) as reflector:
                await watching(server, reflector)
                server.put("a", uid="two", quiet=True)
                server.send({"type": "ERROR", "object": status_object(410, "Expired")})
                await eventually(lambda: len(told.changes) == 3, "the second object")
                assert told.changes == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]

    run(test())


def test_a_list_is_told_as_a_whole_when_asked_for() -> None:
    """With `on_replace` lists come as one call, and only the watch's events come one by one."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            server.put("a")
            async with reflecting(server, told, on_replace=told.replace) as reflector:
                await watching(server, reflector)
                server.put("b")
                await eventually(lambda: told.changes, "b")
                server.remove("a", quiet=True)
                server.send({"type": "ERROR", "object": status_object(410, "Expired")})
                await eventually(lambda: len(told.lists) == 2, "a second list")
                assert (told.lists, told.changes) == ([["a"], ["b"]], [("ADDED", "b")])

    run(test())


def test_a_callback_that_fails_does_not_stop_the_reflector() -> None:
    """One object that the caller cannot take does not cost the next."""

    async def test() -> None:
        told: list[str] = []

        def fussy(kind: str, obj: dict[str, Any]) -> None:
            if obj["metadata"]["name"] == "bad":
                raise ValueError("secret value")
            told.append(obj["metadata"]["name"])

        async with FakeApiServer() as server:
            server.put("bad")
            server.put("good")
            async with reflecting(server, Told(), on_change=fussy) as reflector:
                await watching(server, reflector)
                server.put("bad", data="2")
                server.put("better")
                await eventually(lambda: told == ["good", "better"], "both good ones")
                assert names(reflector) == ["bad", "better", "good"]

    run(test())


def test_managed_fields_are_not_kept_and_transform_decides_the_rest() -> None:
    """What is stored and told is what `transform` made, in lists and events alike."""

    async def test() -> None:
        kept: list[dict[str, Any]] = []

        def names_only(obj: dict[str, Any]) -> dict[str, Any]:
            assert "managedFields" not in obj["metadata"]
            return {"metadata": {"name": obj["metadata"]["name"]}}

        async with FakeApiServer() as server:
            server.put("a")
            async with reflecting(
                server, Told(), transform=names_only, on_change=lambda kind, obj: kept.append(obj)
            ) as reflector:
                await watching(server, reflector)
                server.put("b")
                await eventually(lambda: len(kept) == 2, "both")
                assert kept == [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]
                assert reflector.get("ns", "b") == {"metadata": {"name": "b"}}

    run(test())


def test_several_namespaces_are_told_as_one() -> None:
    """A MultiReflector watches each namespace and is synced when all are."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server, client(server) as api:
            several = MultiReflector(api, SECRETS, namespaces=("one", "two"), on_change=told.change)
            task = asyncio.create_task(several.run())
            await several.synced.wait()
            await eventually(lambda: server.watching == 2, "two watches")
            assert {request.path for request in server.requests("watch")} == {
                "/api/v1/namespaces/one/secrets",
                "/api/v1/namespaces/two/secrets",
            }
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(test())

"""The client against a real API server: what apply, preconditions, paging and refusals really do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from hookgate.kube import api as api_module
from hookgate.kube.api import CONFIGMAPS, DEPLOYMENTS, SECRETS, SERVICES, Api, ApiError, Resource
from hookgate.kube.events import event, post
from tests.cluster.cluster import Cluster
from tests.kube.asyncrun import run

Use = Callable[[Api], Awaitable[None]]


def using(cluster: Cluster, test: Use, *, light: bool = True, kubeconfig: str | None = None) -> None:
    """Run ``test`` with a client of ``cluster``."""

    async def whole() -> None:
        async with await Api.connect(kubeconfig=kubeconfig or str(cluster.admin_kubeconfig), light=light) as api:
            await test(api)

    run(whole())


def config_map(namespace: str, name: str = "a", **data: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "data": data}


async def failure_of(call: Awaitable[object]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize("light", [False, True], ids=["library", "light"])
def test_both_ways_of_connecting_work(control_plane: Cluster, namespace: str, light: bool) -> None:
    """The same kubeconfig, with and without the library."""

    async def test(api: Api) -> None:
        await api.create(CONFIGMAPS, config_map(namespace, key="1"))
        found = await api.get(CONFIGMAPS, "a", namespace)
        assert found is not None
        assert found["data"] == {"key": "1"}

    using(control_plane, test, light=light)


def test_apply_creates_then_updates_then_changes_nothing(control_plane: Cluster, namespace: str) -> None:
    """Fields that are no longer applied go; an identical apply leaves even the resourceVersion."""

    async def test(api: Api) -> None:
        await api.apply(CONFIGMAPS, config_map(namespace, one="1", two="2"))
        changed = await api.apply(CONFIGMAPS, config_map(namespace, two="3"))
        again = await api.apply(CONFIGMAPS, config_map(namespace, two="3"))
        assert changed["data"] == {"two": "3"}
        assert again["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]
        assert {entry["manager"] for entry in again["metadata"]["managedFields"]} == {"hookgate"}

    using(control_plane, test)


def test_a_field_of_another_manager_is_a_conflict_unless_forced(control_plane: Cluster, namespace: str) -> None:
    """Without force nothing changes; with force the field is ours."""
    control_plane.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "theirs"}},
        namespace=namespace,
    )

    async def test(api: Api) -> None:
        error = await failure_of(api.apply(CONFIGMAPS, config_map(namespace, k="ours"), force=False))
        assert (error.conflict, str(error)) == (True, f"apply ConfigMap {namespace}/a: 409 Conflict")
        assert (await api.apply(CONFIGMAPS, config_map(namespace, k="ours")))["data"] == {"k": "ours"}

    using(control_plane, test)


def test_an_apply_with_a_uid_never_makes_or_touches_another_object(control_plane: Cluster, namespace: str) -> None:
    """Neither a new object of the same name, nor a missing one."""

    async def test(api: Api) -> None:
        old = await api.apply(CONFIGMAPS, config_map(namespace, k="1"))
        meant = config_map(namespace, k="2")
        meant["metadata"]["uid"] = old["metadata"]["uid"]
        assert (await api.apply(CONFIGMAPS, meant))["data"] == {"k": "2"}
        await api.delete(CONFIGMAPS, "a", namespace)
        assert (await failure_of(api.apply(CONFIGMAPS, meant))).conflict
        assert await api.get(CONFIGMAPS, "a", namespace) is None
        await api.apply(CONFIGMAPS, config_map(namespace, k="new"))
        assert (await failure_of(api.apply(CONFIGMAPS, meant))).conflict
        kept = await api.get(CONFIGMAPS, "a", namespace)
        assert kept is not None
        assert kept["data"] == {"k": "new"}

    using(control_plane, test)


def test_an_apply_with_a_resource_version_only_changes_that_version(control_plane: Cluster, namespace: str) -> None:
    """A writer with a stale view is refused; but where there is nothing, only a uid prevents a creation."""

    async def test(api: Api) -> None:
        seen = await api.apply(CONFIGMAPS, config_map(namespace, k="1"))
        await api.merge_patch(CONFIGMAPS, "a", namespace, {"data": {"other": "x"}})
        stale = config_map(namespace, k="2")
        stale["metadata"]["resourceVersion"] = seen["metadata"]["resourceVersion"]
        assert (await failure_of(api.apply(CONFIGMAPS, stale))).conflict
        stale["metadata"]["name"] = "missing"
        made = await api.apply(CONFIGMAPS, stale)
        assert made["data"] == {"k": "2"}

    using(control_plane, test)


def test_what_was_created_stays_until_it_is_patched_away(control_plane: Cluster, namespace: str) -> None:
    """A create owns its fields as an update does: a later apply takes over values, yet never removes them."""

    async def test(api: Api) -> None:
        await api.create(CONFIGMAPS, config_map(namespace, one="1", two="2"))
        applied = await api.apply(CONFIGMAPS, config_map(namespace, two="3"))
        assert applied["data"] == {"one": "1", "two": "3"}
        patched = await api.merge_patch(CONFIGMAPS, "a", namespace, {"data": {"one": None}})
        assert patched["data"] == {"two": "3"}

    using(control_plane, test)


def test_create_and_replace_are_refused_over_what_they_did_not_see(control_plane: Cluster, namespace: str) -> None:
    """A taken name is `already_exists`; a stale version is `conflict`."""

    async def test(api: Api) -> None:
        seen = await api.create(CONFIGMAPS, config_map(namespace, k="1"))
        assert (await failure_of(api.create(CONFIGMAPS, config_map(namespace)))).already_exists
        replaced = await api.replace(CONFIGMAPS, {**seen, "data": {"k": "2"}})
        assert replaced["data"] == {"k": "2"}
        assert (await failure_of(api.replace(CONFIGMAPS, {**seen, "data": {"k": "3"}}))).conflict

    using(control_plane, test)


def test_delete_keeps_to_its_preconditions(control_plane: Cluster, namespace: str) -> None:
    """Another uid or version is a conflict and deletes nothing; what is gone is False."""

    async def test(api: Api) -> None:
        made = (await api.create(CONFIGMAPS, config_map(namespace)))["metadata"]
        other = "00000000-0000-0000-0000-000000000000"
        assert (await failure_of(api.delete(CONFIGMAPS, "a", namespace, uid=other))).conflict
        assert (await failure_of(api.delete(CONFIGMAPS, "a", namespace, resource_version="1"))).conflict
        assert await api.delete(CONFIGMAPS, "a", namespace, uid=made["uid"], resource_version=made["resourceVersion"])
        assert await api.delete(CONFIGMAPS, "a", namespace) is False

    using(control_plane, test)


def test_lists_are_paged_and_selected(control_plane: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several pages are one list, of what carries the labels."""
    monkeypatch.setattr(api_module, "PAGE_SIZE", 2)

    async def test(api: Api) -> None:
        for number in range(5):
            obj = config_map(namespace, f"c{number}")
            obj["metadata"]["labels"] = {"parity": "even" if number % 2 == 0 else "odd"}
            await api.create(CONFIGMAPS, obj)
        items, version = await api.list(CONFIGMAPS, namespace)
        assert {f"c{number}" for number in range(5)} <= {item["metadata"]["name"] for item in items}
        assert {item["kind"] for item in items} == {"ConfigMap"}
        assert version.isdigit()
        even, _ = await api.list(CONFIGMAPS, namespace, labels="parity=even")
        assert [item["metadata"]["name"] for item in even] == ["c0", "c2", "c4"]

    using(control_plane, test)


def test_a_kind_that_is_not_served_is_not_found(control_plane: Cluster, namespace: str) -> None:
    """No object to get, and a list says so."""
    nothing = Resource("nothing.example.com", "v1", "nothings", "Nothing")

    async def test(api: Api) -> None:
        assert await api.get(nothing, "a", namespace) is None
        assert (await failure_of(api.list(nothing, namespace))).not_found
        obj = {"metadata": {"namespace": namespace, "name": "a"}}
        assert (await failure_of(api.apply(nothing, obj))).not_found

    using(control_plane, test)


def test_status_is_applied_and_patched_through_its_subresource(control_plane: Cluster, namespace: str) -> None:
    """And the main resource stays as it was."""
    address = {"ip": "192.0.2.1"}

    async def test(api: Api) -> None:
        spec = {"type": "LoadBalancer", "ports": [{"port": 80, "name": "http"}]}
        made = await api.apply(SERVICES, {"metadata": {"namespace": namespace, "name": "s"}, "spec": spec})
        told = {"loadBalancer": {"ingress": [address]}}
        applied = await api.apply(
            SERVICES,
            {"metadata": {"namespace": namespace, "name": "s"}, "status": told},
            subresource="status",
        )
        assert applied["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"
        assert applied["spec"] == made["spec"]
        cleared = await api.merge_patch(
            SERVICES, "s", namespace, {"status": {"loadBalancer": {"ingress": None}}}, subresource="status"
        )
        assert "ingress" not in cleared["status"]["loadBalancer"]

    using(control_plane, test)


def test_a_refused_object_is_invalid_and_its_values_are_not_told(control_plane: Cluster, namespace: str) -> None:
    """The server quotes what it refuses; the error's text does not."""

    async def test(api: Api) -> None:
        obj = {"metadata": {"namespace": namespace, "name": "a"}, "type": "kubernetes.io/tls", "data": {"x": "aGk="}}
        error = await failure_of(api.create(SECRETS, obj))
        assert (str(error), error.invalid) == (f"create Secret {namespace}/a: 422 Invalid", True)
        assert error.message

    using(control_plane, test)


def test_rights_that_are_missing_are_forbidden(control_plane: Cluster, namespace: str) -> None:
    """For every verb, watches too."""
    control_plane.kubectl("create", "serviceaccount", "nobody", f"--namespace={namespace}")

    async def test(api: Api) -> None:
        assert (await failure_of(api.list(SECRETS, namespace))).forbidden
        assert (await failure_of(api.get(SECRETS, "a", namespace))).forbidden
        watch = api.watch(SECRETS, namespace, resource_version="1", timeout_s=5)
        assert (await failure_of(anext(watch))).forbidden

    using(control_plane, test, kubeconfig=str(control_plane.kubeconfig_for(namespace, "nobody")))


def test_a_wrong_token_is_unauthorized(control_plane: Cluster, namespace: str) -> None:
    """401, after looking for a newer token."""
    control_plane.kubectl("create", "serviceaccount", "gone", f"--namespace={namespace}")
    path = control_plane.kubeconfig_for(namespace, "gone")
    control_plane.kubectl("delete", "serviceaccount", "gone", f"--namespace={namespace}")

    async def test(api: Api) -> None:
        assert (await failure_of(api.get(SECRETS, "a", namespace))).status == 401

    using(control_plane, test, kubeconfig=str(path))


def test_events_are_accepted_also_long_ones(control_plane: Cluster, namespace: str) -> None:
    """About objects with the longest names, with more text than fits, in letters of several bytes."""
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    name = "n" * 253

    async def test(api: Api) -> None:
        about = await api.create(CONFIGMAPS, config_map(namespace, name))
        told = event(
            about,
            kind="Warning",
            reason="TooLong",
            action="Tell",
            note="ü" * 2000,
            instance="i" * 500,
            now=now,
        )
        assert await post(api, told) is True
        assert await post(api, {**told, "reason": "x" * 2000}) is False

    using(control_plane, test)
    found = control_plane.get("events", f"--namespace={namespace}", f"--field-selector=involvedObject.name={name}")
    assert [(item["reason"], item["message"], item["type"]) for item in found["items"]] == [
        ("TooLong", "ü" * 512, "Warning")
    ]


def test_a_deployment_is_deleted_with_what_it_owns(control_plane: Cluster, namespace: str) -> None:
    """Deletion answers at once; the garbage collector follows."""

    async def test(api: Api) -> None:
        labels = {"app": "x"}
        pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "example.com/c"}]}}
        spec = {"selector": {"matchLabels": labels}, "template": pod}
        await api.apply(DEPLOYMENTS, {"metadata": {"namespace": namespace, "name": "d"}, "spec": spec})
        assert await api.delete(DEPLOYMENTS, "d", namespace) is True
        assert await api.get(DEPLOYMENTS, "d", namespace) is None

    using(control_plane, test)

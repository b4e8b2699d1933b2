"""The reflector against a real API server: compaction, outages, hangs, and rights that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hookgate.kube.api import SECRETS, Api
from hookgate.kube.reflector import Reflector
from tests.cluster.cluster import Cluster
from tests.cluster.controlplane import ControlPlane
from tests.kube.asyncrun import eventually, run

LABELS = "test=reflector"


def secret(namespace: str, name: str, **data: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name, "labels": {"test": "reflector"}}
    return {"metadata": metadata, "stringData": data}


class Copy:
    """A reflector of one namespace's Secrets that can be stopped and continued, and what it told."""

    def __init__(self, api: Api, namespace: str, **options: Any) -> None:
        self.changes: list[tuple[str, str]] = []
        self.reflector = Reflector(api, SECRETS, namespace=namespace, labels=LABELS, on_change=self._told, **options)

    def _told(self, kind: str, obj: dict[str, Any]) -> None:
        self.changes.append((kind, obj["metadata"]["name"]))

    @property
    def names(self) -> list[str]:
        return sorted(obj["metadata"]["name"] for obj in self.reflector.items())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reflector.run())
        try:
            await self.reflector.synced.wait()
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def connect(cluster: Cluster) -> Api:
    return await Api.connect(kubeconfig=str(cluster.admin_kubeconfig), light=True)


def test_changes_arrive_and_deletions_too(control_plane: Cluster, namespace: str) -> None:
    """List, then watch; a label that is taken away is a deletion from this view."""

    async def test() -> None:
        async with await connect(control_plane) as api:
            await api.create(SECRETS, secret(namespace, "before"))
            copy = Copy(api, namespace)
            async with copy.running():
                await api.create(SECRETS, secret(namespace, "a", k="1"))
                await api.merge_patch(SECRETS, "a", namespace, {"stringData": {"k": "2"}})
                await api.merge_patch(SECRETS, "before", namespace, {"metadata": {"labels": {"test": None}}})
                await api.delete(SECRETS, "a", namespace)
                await eventually(lambda: len(copy.changes) == 5, "five changes")
                assert copy.changes == [
                    ("ADDED", "before"),
                    ("ADDED", "a"),
                    ("MODIFIED", "a"),
                    ("DELETED", "before"),
                    ("DELETED", "a"),
                ]

    run(test())


def test_a_gap_behind_a_compaction_is_closed_by_a_new_list(process_control: ControlPlane, namespace: str) -> None:
    """A real 410: what vanished unseen is told as DELETED, what did not change is not told."""

    async def test() -> None:
        async with await connect(process_control) as api:
            for name in ("gone", "same", "changed"):
                await api.create(SECRETS, secret(namespace, name))
            copy = Copy(api, namespace)
            async with copy.running():
                await eventually(lambda: len(copy.changes) == 3, "the list")
            copy.changes.clear()
            await api.delete(SECRETS, "gone", namespace)
            await api.merge_patch(SECRETS, "changed", namespace, {"stringData": {"k": "2"}})
            await asyncio.to_thread(process_control.expire_watches)
            old = api.watch(SECRETS, namespace, resource_version="1", timeout_s=5)
            refusal = await anext(old)
            assert (refusal["type"], refusal["object"]["code"]) == ("ERROR", 410)
            async with copy.running():
                await eventually(lambda: len(copy.changes) == 2, "what happened in the gap")
            assert copy.changes == [("DELETED", "gone"), ("MODIFIED", "changed")]
            assert copy.names == ["changed", "same"]

    run(test(), limit_s=120)


def test_an_outage_leaves_the_copy_in_force(process_control: ControlPlane, namespace: str) -> None:
    """While the API server is down the copy stays; afterwards it is true again by itself."""

    async def test() -> None:
        async with await connect(process_control) as api:
            await api.create(SECRETS, secret(namespace, "a"))
            copy = Copy(api, namespace)
            async with copy.running():
                await asyncio.to_thread(process_control.stop_apiserver, kill=True)
                await eventually(lambda: copy.reflector.failure is not None, "a failure")
                assert copy.names == ["a"]
                await asyncio.to_thread(process_control.start_apiserver)
                await api.create(SECRETS, secret(namespace, "b"))
                await eventually(lambda: copy.names == ["a", "b"], "b", limit_s=40)
                assert copy.reflector.failure is None
                assert copy.changes == [("ADDED", "a"), ("ADDED", "b")]

    run(test(), limit_s=120)


def test_a_hanging_api_server_is_noticed(process_control: ControlPlane, namespace: str) -> None:
    """Connections that stay open and say nothing are given up; the copy stays, and catches up."""

    async def test() -> None:
        async with await connect(process_control) as api:
            await api.create(SECRETS, secret(namespace, "a"))
            copy = Copy(api, namespace, silence_s=1.0)
            async with copy.running():
                process_control.pause_apiserver()
                await eventually(lambda: copy.reflector.failure is not None, "a failure")
                assert copy.reflector.failure is not None
                assert copy.reflector.failure.unreachable
                assert copy.names == ["a"]
                process_control.resume_apiserver()
                await api.create(SECRETS, secret(namespace, "b"))
                await eventually(lambda: copy.names == ["a", "b"], "b", limit_s=40)

    run(test(), limit_s=120)


RIGHT = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: watcher}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: watcher}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: watcher}
subjects:
- {kind: ServiceAccount, name: watcher}
"""


def test_rights_given_later_are_found(control_plane: Cluster, namespace: str) -> None:
    """A reflector that may not list says why, and begins once it may."""
    control_plane.kubectl("create", "serviceaccount", "watcher", f"--namespace={namespace}")
    path = control_plane.kubeconfig_for(namespace, "watcher")

    async def test() -> None:
        async with await Api.connect(kubeconfig=str(path), light=True) as api:
            reflector = Reflector(api, SECRETS, namespace=namespace)
            task = asyncio.create_task(reflector.run())
            await eventually(lambda: reflector.failure is not None, "a failure")
            assert reflector.failure is not None
            assert reflector.failure.forbidden
            await asyncio.to_thread(control_plane.apply, RIGHT, namespace=namespace)
            await reflector.synced.wait()
            assert reflector.failure is None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(test())

"""A crash between any two writes is resumed by the next process, from what is really on disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hookgate.cli.local import local_platform
from hookgate.control.cluster import Request
from hookgate.control.directory import DirectoryCluster
from hookgate.control.manifests import read_manifests
from hookgate.control.reconcile import Reconciler, Settings
from hookgate.control.state import StateFolder
from hookgate.control.values import Served
from hookgate.model import binding as contract
from hookgate.scheme.presets import Presets
from tests.control.world import Crash
from tests.standalone.rig import endpoint

PUSH = Request("default", "push")
NOW = 1_800_000_000.0
MOST_WRITES = 20
SETTINGS = Settings(config=local_platform("http://localhost", any_url=False), presets=Presets.builtin())


class CrashingFolder(StateFolder):
    """The disk of a process that crashes right after its first write."""

    def put_object(self, *arguments: Any) -> None:
        """Write, and crash."""
        super().put_object(*arguments)
        raise Crash

    def drop_object(self, *arguments: Any) -> None:
        """Remove, and crash."""
        super().drop_object(*arguments)
        raise Crash

    def put_binding(self, *arguments: Any) -> None:
        """Write, and crash."""
        super().put_binding(*arguments)
        raise Crash

    def drop_binding(self, *arguments: Any) -> None:
        """Remove, and crash."""
        super().drop_binding(*arguments)
        raise Crash


class Receivers:
    """One receiver that serves whatever is bound."""

    def __init__(self, cluster: DirectoryCluster) -> None:
        """Serve the bindings of ``cluster``."""
        self._cluster = cluster

    async def served(self, uid: str, digest: str | None) -> Served:
        """Answer at once."""
        raw = self._cluster.bindings.get(uid)
        found = None if raw is None else contract.digest(raw)
        return Served(digest=digest, ready=1, agreeing=int(found == digest))


def live(folder: Path, *manifests: str, crash: bool = False) -> DirectoryCluster:
    """Run one process: declare these and reconcile until nothing is left to do; or crash right after a write."""
    state = CrashingFolder(folder) if crash else StateFolder(folder)
    state.open()
    try:
        cluster = DirectoryCluster(
            state,
            forwards={("default", "ci"): "http://127.0.0.1:3000"},
            clock=lambda: NOW,
            new_uid=lambda: os.urandom(8).hex(),
        )
        claims = read_manifests("---\n".join(manifests), source="a.yaml").claims
        cluster.declare({claim.request: claim.record for claim in claims}, {})
        reconciler = Reconciler(
            cluster, Receivers(cluster), settings=lambda: SETTINGS, clock=lambda: NOW, entropy=os.urandom
        )
        asyncio.run(_settle(reconciler))
    finally:
        state.close()  # the system gives up a crashed process's lock
    return cluster


async def _settle(reconciler: Reconciler) -> None:
    await reconciler.reconcile(PUSH)
    await reconciler.reconcile(PUSH)


def crashes(folder: Path, *manifests: str) -> Iterator[None]:
    """Crash after one write each time until there are none left, yielding after each crash."""
    for _ in range(MOST_WRITES):
        try:
            live(folder, *manifests, crash=True)
        except Crash:
            yield
        else:
            return
    raise AssertionError("there is always one more write")


def test_an_activation_resumes_after_every_single_write(tmp_path: Path) -> None:
    """The secret and the path that were written first are the ones that hold in the end."""
    folder, seen = tmp_path / "state", set[tuple[str | None, bytes]]()
    for _ in crashes(folder, endpoint()):
        for raw in StateFolder(folder).bindings().values():
            binding = contract.decode(raw)
            assert isinstance(binding, contract.Binding)
            seen.add((binding.segment, binding.keys[0].value.reveal()))
    assert len(seen) == 1
    found = live(folder, endpoint()).endpoint(PUSH)
    assert found is not None
    ready = next(c for c in found["status"]["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "Active")
    assert found["status"]["url"] == f"http://localhost/h/{next(iter(seen))[0]}"


def test_a_deletion_resumes_after_every_single_write(tmp_path: Path) -> None:
    """In the end there is nothing left, wherever it was interrupted."""
    folder = tmp_path / "state"
    live(folder, endpoint())
    assert len(list(crashes(folder))) >= 4
    assert list(folder.rglob("*.json")) == []


def test_a_second_process_writes_nothing(tmp_path: Path) -> None:
    """What is as declared is left alone."""
    folder = tmp_path / "state"
    live(folder, endpoint())
    assert list(crashes(folder, endpoint())) == []


def test_what_is_retained_can_be_adopted_by_a_later_endpoint(tmp_path: Path) -> None:
    """Path and secret outlive the endpoint, through any number of crashes on the way."""
    folder = tmp_path / "state"
    retained = endpoint().replace("spec:\n", "spec:\n  deletionPolicy: Retain\n")
    adopting = retained.replace("name: push\n", 'name: push\n  annotations: {hookgate.dev/adopt: "true"}\n')
    before = _connection(live(folder, retained))
    assert len(list(crashes(folder))) >= 4
    assert live(folder).bindings == {}
    assert len(list(crashes(folder, adopting))) >= 4
    assert _connection(live(folder, adopting)) == before


def _connection(cluster: DirectoryCluster) -> object:
    (found,) = asyncio.run(cluster.connections("default", "", "push-webhook", sure=True))
    return found["data"]

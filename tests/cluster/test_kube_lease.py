"""Leader election on a real API server: one leader, a quick succession, and nothing written after a stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hookgate
from hookgate.kube.api import CONFIGMAPS, LEASES, Api
from hookgate.kube.lease import Elector, LeadershipLost, Timing
from tests.cluster import lease_candidate
from tests.cluster.cluster import Cluster
from tests.cluster.controlplane import ControlPlane
from tests.kube.asyncrun import eventually, run

QUICK = Timing(lease_s=3.0, renew_deadline_s=2.0, retry_s=0.3)


def elector(api: Api, namespace: str, identity: str, timing: Timing = QUICK) -> Elector:
    return Elector(api, namespace=namespace, name="leader", identity=identity, timing=timing)


async def connect(cluster: Cluster) -> Api:
    return await Api.connect(kubeconfig=str(cluster.admin_kubeconfig), light=True)


async def forever() -> None:
    await asyncio.Event().wait()


def test_a_released_lease_is_taken_at_once(control_plane: Cluster, namespace: str) -> None:
    """The second candidate does not wait for an expiry; the lease counts one transition."""
    patient = Timing(lease_s=600.0, renew_deadline_s=500.0, retry_s=0.2)

    async def test() -> None:
        async with await connect(control_plane) as api:
            first, second = elector(api, namespace, "one", patient), elector(api, namespace, "two", patient)
            leading = asyncio.create_task(first.lead(forever))
            await eventually(first.leading, "one to lead")
            waiting = asyncio.create_task(second.lead(forever))
            await eventually(lambda: second.holder == "one", "two to see who leads")
            assert not second.leading()
            leading.cancel()
            await eventually(second.leading, "two to lead")
            assert (leading.cancelled(), first.leading()) == (True, False)
            lease = await api.get(LEASES, "leader", namespace)
            assert lease is not None
            assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]) == ("two", 1)
            waiting.cancel()
            await asyncio.gather(leading, waiting, return_exceptions=True)

    run(test())


def test_work_that_ends_ends_the_lead(control_plane: Cluster, namespace: str) -> None:
    """`lead` returns with its work, raises what that raised, and has released the lease."""

    async def fails() -> None:
        raise LookupError("work")

    async def test() -> None:
        async with await connect(control_plane) as api:
            with pytest.raises(LookupError, match="work"):
                await elector(api, namespace, "one").lead(fails)
            lease = await api.get(LEASES, "leader", namespace)
            assert lease is not None
            assert lease["spec"].get("holderIdentity", "") == ""

    run(test())


def test_a_leader_that_cannot_renew_stops_before_another_begins(control_plane: Cluster, namespace: str) -> None:
    """Its work is cancelled and LeadershipLost raised; the next candidate leads afterwards, never beside it."""

    async def test() -> None:
        async with await connect(control_plane) as api:
            cut = False
            first = elector(api.fenced(lambda: not cut), namespace, "one")
            second = elector(api, namespace, "two")
            leading = asyncio.create_task(first.lead(forever))
            await eventually(first.leading, "one to lead")
            waiting = asyncio.create_task(second.lead(forever))
            cut = True
            both: list[bool] = []
            while not second.leading():
                await asyncio.sleep(0.01)
                both.append(first.leading() and second.leading())
            assert not any(both)
            with pytest.raises(LeadershipLost):
                await leading
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    run(test())


def test_a_hanging_api_server_costs_the_lead(process_control: ControlPlane, namespace: str) -> None:
    """A request without an answer does not outlast the renew deadline."""

    async def test() -> None:
        async with await connect(process_control) as api:
            first = elector(api, namespace, "one")
            leading = asyncio.create_task(first.lead(forever))
            await eventually(first.leading, "one to lead")
            process_control.pause_apiserver()
            with pytest.raises(LeadershipLost):
                await leading
            process_control.resume_apiserver()

    run(test())


@contextlib.contextmanager
def candidate(cluster: Cluster, namespace: str, identity: str) -> Iterator[subprocess.Popen[bytes]]:
    """A candidate as a process; killed in the end."""
    roots = [Path(hookgate.__file__).parents[1], Path(__file__).parents[2]]
    process = subprocess.Popen(
        [sys.executable, lease_candidate.__file__, str(cluster.admin_kubeconfig), namespace, identity],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots))},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def written(api: Api, namespace: str, identity: str) -> list[dict[str, Any]]:
    """What a candidate has written, in the order of the server."""
    items, _ = await api.list(CONFIGMAPS, namespace)
    mine = [item for item in items if item["metadata"]["name"].startswith(f"{identity}-")]
    return sorted(mine, key=lambda item: int(item["metadata"]["resourceVersion"]))


def test_a_stopped_leader_writes_nothing_when_it_is_continued(control_plane: Cluster, namespace: str) -> None:
    """Another took over meanwhile; the first finds that its time is up before it writes, and ends."""

    async def test() -> None:
        async with await connect(control_plane) as api:
            with candidate(control_plane, namespace, "one") as one:
                await until_written(api, namespace, "one")
                with candidate(control_plane, namespace, "two"):
                    one.send_signal(signal.SIGSTOP)
                    await until_written(api, namespace, "two")
                    before = await written(api, namespace, "one")
                    one.send_signal(signal.SIGCONT)
                    status = await asyncio.to_thread(one.wait, 20)
                    after = await written(api, namespace, "one")
                    assert status == 3
                    assert [item["metadata"]["name"] for item in after] == [item["metadata"]["name"] for item in before]

    run(test(), limit_s=60)


async def until_written(api: Api, namespace: str, identity: str) -> None:
    """Wait until a candidate leads and has written."""
    async for event in api.watch(CONFIGMAPS, namespace, resource_version="0", timeout_s=60):
        if event["object"]["metadata"].get("name", "").startswith(f"{identity}-"):
            return

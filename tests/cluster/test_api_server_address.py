"""A real API server tells where it is, and receivers keep targets away from there."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from hookgate.kube.api import Api
from hookgate.kube.server import told_addresses
from hookgate.receiver.dial import Judge
from hookgate.receiver.kube_server import keep_out, server_host
from tests.cluster.cluster import Cluster
from tests.cluster.controlplane import ControlPlane
from tests.kube.asyncrun import run


def test_an_api_server_tells_its_address_to_everybody_who_may_ask_what_it_serves(control_plane: Cluster) -> None:
    async def main() -> list[str]:
        async with await Api.connect(kubeconfig=str(control_plane.admin_kubeconfig), light=True) as api:
            return await told_addresses(api)

    found = run(main())
    assert found
    assert all(Judge(loopback=True).allows(each) for each in found), found


def test_a_receiver_denies_where_its_api_server_is_reached_and_what_it_tells(control_plane: Cluster) -> None:
    judge = Judge(loopback=True)
    kubeconfig = str(control_plane.admin_kubeconfig)

    async def main() -> tuple[str, list[str]]:
        async with await Api.connect(kubeconfig=kubeconfig, light=True) as api:
            host = await server_host(kubeconfig)
            told = await told_addresses(api)
            tried = asyncio.Event()
            learning = asyncio.create_task(keep_out(api, host, judge, tried))
            async with asyncio.timeout(20):
                await tried.wait()
            learning.cancel()
            return host, told

    host, told = run(main())
    assert told
    assert not any(map(judge.allows, told))
    if isinstance(control_plane, ControlPlane):
        assert host == urlsplit(control_plane.url).hostname
        assert not judge.allows(host)

"""Binding Secrets as the source of bindings, listed and watched over real sockets."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hookgate.control.objects import binding_secret
from hookgate.kube.api import Api
from hookgate.kube.light import NoToken
from hookgate.kube.transport import Connection, HttpTransport
from hookgate.model.binding import Binding, encode
from hookgate.receiver.kube_source import BINDINGS_NAMESPACE, BINDINGS_SELECTOR, KubeSource
from hookgate.receiver.table import BindingTable
from tests.kube.asyncrun import eventually, run
from tests.kube.fakeserver import FakeApiServer
from tests.receiver.rig import make_binding

ONE, TWO, THREE = (make_binding(n, "http://127.0.0.1:9/") for n in (1, 2, 3))


class Cluster:
    """A server with bindings, and the table that a source feeds from it."""

    def __init__(self, server: FakeApiServer) -> None:
        """Nothing runs yet."""
        self.server, self.table = server, BindingTable()

    def put(self, binding: Binding, data: Any = None) -> None:
        """Create or change a binding Secret; ``data`` replaces what it should hold."""
        secret = self.server.put(binding.uid, namespace=BINDINGS_NAMESPACE)
        secret["data"] = {"binding": base64.b64encode(encode(binding)).decode()} if data is None else data

    def remove(self, binding: Binding, *, quiet: bool = False) -> None:
        """Delete a binding Secret."""
        self.server.remove(binding.uid, namespace=BINDINGS_NAMESPACE, quiet=quiet)

    @property
    def served(self) -> set[str]:
        """The uids in force."""
        return {b.uid for b in (ONE, TWO, THREE) if self.table.digest(b.uid)}

    async def until(self, *bindings: Binding) -> None:
        """Wait until exactly these are in force."""
        await eventually(lambda: self.table.loaded and self.served == {b.uid for b in bindings}, "the table")


def following(test: Callable[[Cluster], Awaitable[None]], *first: Binding) -> None:
    """Run ``test`` with a source that follows a server which begins with the ``first`` bindings."""

    async def whole() -> None:
        async with (
            FakeApiServer() as server,
            Api(HttpTransport(Connection(server=server.url, credentials=NoToken()))) as api,
        ):
            cluster = Cluster(server)
            for binding in first:
                cluster.put(binding)
            source = asyncio.create_task(KubeSource(api).run(cluster.table))
            try:
                await test(cluster)
            finally:
                source.cancel()
                await asyncio.gather(source, return_exceptions=True)

    run(whole())


def test_the_first_list_loads_the_table() -> None:
    following(lambda cluster: cluster.until(ONE, TWO), ONE, TWO)


def test_nothing_is_loaded_before_what_it_waits_for() -> None:
    async def test(cluster: Cluster) -> None:
        after = asyncio.Event()
        async with Api(HttpTransport(Connection(server=cluster.server.url, credentials=NoToken()))) as api:
            table = BindingTable()
            waiting = asyncio.create_task(KubeSource(api, after=after).run(table))
            await cluster.until(ONE)  # the other source has long loaded
            assert not table.loaded
            after.set()
            await eventually(lambda: table.digest(ONE.uid) is not None, "the table")
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    following(test, ONE)


def test_an_empty_namespace_is_a_full_table() -> None:
    following(lambda cluster: cluster.until())


def test_new_changed_and_deleted_secrets_are_followed() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.until(ONE)
        before = cluster.table.digest(ONE.uid)
        cluster.put(make_binding(1, "http://127.0.0.1:9/changed"))
        cluster.put(TWO)
        await eventually(lambda: cluster.table.digest(ONE.uid) != before, "the change")
        await cluster.until(ONE, TWO)
        cluster.remove(ONE)
        await cluster.until(TWO)

    following(test, ONE)


def test_a_deletion_that_no_watch_told_is_found_by_the_next_list() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.until(ONE, TWO)
        cluster.remove(ONE, quiet=True)
        gone = {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410}
        cluster.server.send({"type": "ERROR", "object": gone})
        await cluster.until(TWO)

    following(test, ONE, TWO)


@pytest.mark.parametrize(
    "data",
    [{}, {"binding": ""}, {"binding": "%%%"}, {"binding": "e30="}, {"other": "e30="}, "text", {"binding": 1}],
    ids=str,
)
def test_a_secret_that_holds_no_binding_takes_out_its_own_endpoint_alone(data: object) -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.until(ONE, TWO)
        cluster.put(ONE, data)
        await cluster.until(TWO)

    following(test, ONE, TWO)


def test_an_outage_of_the_api_server_leaves_the_table_in_force() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.until(ONE)
        await cluster.server.stop()
        during = cluster.served
        cluster.put(TWO)
        await cluster.server.start()
        await cluster.until(ONE, TWO)
        assert during == {ONE.uid}

    following(test, ONE)


def test_the_source_asks_for_bindings_only() -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.until()
        asked = cluster.server.requests("list")[0]
        assert (asked.path, asked.query["labelSelector"]) == (
            f"/api/v1/namespaces/{BINDINGS_NAMESPACE}/secrets",
            BINDINGS_SELECTOR,
        )

    following(test)


def test_what_the_control_plane_writes_is_what_receivers_select_and_read() -> None:
    written = binding_secret(ONE.uid, encode(ONE), BINDINGS_NAMESPACE)
    name, value = BINDINGS_SELECTOR.split("=")
    assert (written["metadata"]["labels"][name], written["metadata"]["name"]) == (value, ONE.uid)
    assert base64.b64decode(written["data"]["binding"]) == encode(ONE)

"""How `hookgate explain` reaches receivers in a cluster: the API server carries its questions to their pods.

A stand-in for the API server lists pods and carries requests as ``pods/proxy`` does, to the private port of a real
receiver. A real API server carries nothing to loopback, where tests have their receivers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from hookgate.cli.cluster_place import ClusterPlace
from hookgate.cli.place import Unheard
from hookgate.kube.api import Api
from hookgate.kube.light import NoToken
from hookgate.kube.transport import Connection, HttpTransport
from tests.kube.asyncrun import run
from tests.receiver.rig import House, settings

SYSTEM = "hookgate-system"
PODS = f"/api/v1/namespaces/{SYSTEM}/pods"


def pod(name: str, *, ready: bool = True) -> dict[str, Any]:
    """Return a pod as listed."""
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"metadata": {"name": name, "namespace": SYSTEM}, "status": {"conditions": [condition]}}


class Server:
    """The stand-in. ``ports`` are the private ports of pods by name; ``refuses`` gives statuses by path."""

    def __init__(self, *pods: dict[str, Any], ports: Mapping[str, int], refuses: Mapping[str, int]) -> None:
        self.pods, self.ports, self.refuses = pods, ports, refuses
        self.selectors: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Serve one request."""
        for path, status in self.refuses.items():
            if request.path.startswith(path) and (request.path == PODS or path != PODS):
                return web.json_response({"kind": "Status", "code": status, "message": "no"}, status=status)
        if request.path == PODS:
            self.selectors.append(request.query.get("labelSelector", ""))
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": list(self.pods)})
        name, _, path = request.path.removeprefix(f"{PODS}/http:").partition(":8081/proxy")
        port = self.ports[name]
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}{path}"
            async with session.request(request.method, url, data=await request.read()) as reply:
                return web.Response(status=reply.status, body=await reply.read())


def ask(server: Server, path: str, question: object) -> list[Mapping[str, Any]]:
    """Ask all receivers through ``server``."""

    async def asking() -> list[Mapping[str, Any]]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        connection = Connection(server=f"http://127.0.0.1:{port}", credentials=NoToken())
        try:
            async with Api(HttpTransport(connection)) as api:
                return await ClusterPlace(api, SYSTEM).ask_receivers(path, question)
        finally:
            await runner.cleanup()
            await asyncio.sleep(0)

    return run(asking())


@pytest.fixture(name="house", scope="module")
def _house() -> Iterator[House]:
    """A receiver."""
    with House(settings()).running() as house:
        yield house


def test_every_ready_receiver_is_asked(house: House) -> None:
    endpoint = house.endpoint()
    endpoint.call(X_Signature=None)
    private = house.receiver.ports[1]
    server = Server(pod("a"), pod("b"), pod("c", ready=False), ports={"a": private, "b": private}, refuses={})
    answers = ask(server, "/refusals", endpoint.binding.uid)
    assert [[each["reason"] for each in answer["refusals"]] for answer in answers] == [["missing-credential"]] * 2
    assert server.selectors == ["app.kubernetes.io/name=hookgate,app.kubernetes.io/component=receiver"]


def test_a_receiver_that_cannot_be_reached_is_left_out(house: House) -> None:
    refuses = {f"{PODS}/http:b:": 503}
    server = Server(pod("a"), pod("b"), ports={"a": house.receiver.ports[1]}, refuses=refuses)
    assert ask(server, "/calls", []) == [{"calls": {}}]


@pytest.mark.parametrize(
    ("pods", "refuses", "why"),
    [
        ((), {}, f"no receiver is ready in {SYSTEM}, or they run elsewhere"),
        ((pod("a", ready=False),), {}, f"no receiver is ready in {SYSTEM}, or they run elsewhere"),
        ((pod("a"),), {PODS: 403}, f"you may not list pods in {SYSTEM}"),
        ((pod("a"),), {f"{PODS}/http:a:": 403}, f"you may not use pods/proxy in {SYSTEM}"),
        ((pod("a"),), {f"{PODS}/http:a:": 503}, f"ask Pod {SYSTEM}/a: 503"),
    ],
)
def test_it_is_said_why_nobody_can_be_asked(pods: Any, refuses: dict[str, int], why: str) -> None:
    with pytest.raises(Unheard) as unheard:
        ask(Server(*pods, ports={}, refuses=refuses), "/calls", [])
    assert str(unheard.value).startswith(why)

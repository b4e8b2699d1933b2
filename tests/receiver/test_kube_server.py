"""Where the API server is: learnt before anything is served, from a server that may not be able to tell at once."""

from __future__ import annotations

import argparse
import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hookgate.cli import receiver
from hookgate.kube.api import Api
from hookgate.kube.light import NoToken
from hookgate.kube.transport import Connection, HttpTransport
from hookgate.receiver import kube_server
from hookgate.receiver.dial import Judge
from hookgate.receiver.kube_server import keep_out
from hookgate.receiver.kube_source import BINDINGS_NAMESPACE
from tests.kube.asyncrun import eventually, run
from tests.kube.fakeserver import Answer, FakeApiServer, failing
from tests.kube.test_connect import kubeconfig
from tests.receiver.rig import settings

TOLD = "10.1.2.3"


def telling(*addresses: str) -> Answer:
    """What an API server answers that knows its addresses."""
    entries = [{"clientCIDR": "0.0.0.0/0", "serverAddress": f"{each}:6443"} for each in addresses]

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": entries})

    return answer


class Learning:
    """A server that is asked again and again, and what is learnt of it."""

    def __init__(self, server: FakeApiServer) -> None:
        self.server, self.judge, self.tried = server, Judge(loopback=True), asyncio.Event()

    async def asked(self, times: int) -> None:
        """Wait until ``times`` questions have been answered, and looked at."""
        await eventually(lambda: len(self.server.requests("get")) > times, "the question")


def learning(
    monkeypatch: pytest.MonkeyPatch, host: str, test: Callable[[Learning], Awaitable[None]], *answers: Answer
) -> None:
    """Run ``test`` while the API server at ``host`` is asked, and gives these answers and then none but 404."""
    monkeypatch.setattr(kube_server, "_AGAIN", 0.01)

    async def whole() -> None:
        async with (
            FakeApiServer() as server,
            Api(HttpTransport(Connection(server=server.url, credentials=NoToken()))) as api,
        ):
            for each in answers:
                server.next("get", each)
            found = Learning(server)
            asking = asyncio.create_task(keep_out(api, host, found.judge, found.tried))
            try:
                await test(found)
                assert not asking.done()
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

    run(whole())


def test_what_the_host_leads_to_and_what_the_server_tells_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(found: Learning) -> None:
        await found.tried.wait()
        assert [found.judge.allows(each) for each in ("127.0.0.1", TOLD, "10.9.9.9")] == [False, False, True]

    learning(monkeypatch, "127.0.0.1", test, telling(TOLD))


def test_a_server_that_cannot_answer_is_asked_again_and_nothing_goes_on_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unable = failing(503, "ServiceUnavailable")

    async def test(found: Learning) -> None:
        await found.asked(3)
        assert not found.tried.is_set()
        found.server._next["get"].clear()
        found.server.next("get", telling(TOLD))
        await found.tried.wait()
        assert not found.judge.allows(TOLD)

    learning(monkeypatch, "127.0.0.1", test, *[unable] * 1000)


@pytest.mark.parametrize(("code", "reason"), [(403, "Forbidden"), (404, "NotFound")])
def test_a_server_that_may_not_tell_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    async def test(found: Learning) -> None:
        await found.tried.wait()
        assert not found.judge.allows("127.0.0.1")

    learning(monkeypatch, "127.0.0.1", test, failing(code, reason))


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "no-such-host.invalid"])
def test_a_host_that_leads_nowhere_keeps_nobody_from_learning_the_rest(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """As with an API server that is reached through a proxy: its name need mean nothing here."""
    nowhere(monkeypatch)

    async def test(found: Learning) -> None:
        await found.tried.wait()
        assert not found.judge.allows(TOLD)

    learning(monkeypatch, host, test, telling(TOLD))


def test_a_host_that_cannot_be_looked_up_just_now_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = nowhere(monkeypatch, socket.EAI_AGAIN)

    async def test(found: Learning) -> None:
        await found.asked(3)
        assert (found.tried.is_set(), found.judge.allows(TOLD)) == (False, False)
        failures.clear()
        await found.tried.wait()

    learning(monkeypatch, "later.invalid", test, *[telling(TOLD)] * 1000)


def test_whatever_else_goes_wrong_is_not_the_end_of_asking(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def odd(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="[" * 100_000, content_type="application/json")

    async def test(found: Learning) -> None:
        await found.tried.wait()
        assert not found.judge.allows(TOLD)

    learning(monkeypatch, "127.0.0.1", test, odd, telling(TOLD))
    assert "trying again" in caplog.text


def nowhere(monkeypatch: pytest.MonkeyPatch, number: int = socket.EAI_NONAME) -> list[int]:
    """Have the system's resolver find nothing below .invalid, with no network either, as long as the list is full."""
    really, numbers = socket.getaddrinfo, [number]

    def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        if str(host).endswith(".invalid"):
            if numbers:
                raise socket.gaierror(numbers[0], "nothing")
            host = "127.0.0.1"
        return really(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return numbers


def test_a_receiver_reads_no_binding_before_the_api_server_told_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole command: the first calls must not reach the API server either."""
    monkeypatch.setattr(kube_server, "_AGAIN", 0.05)

    async def whole() -> None:
        async with FakeApiServer() as server:
            for _ in range(1000):
                server.next("get", failing(503, "ServiceUnavailable"))
            options = argparse.Namespace(
                kubeconfig=kubeconfig(tmp_path, server.url, user={}), bindings_namespace=BINDINGS_NAMESPACE
            )
            running = asyncio.create_task(receiver._from_cluster(settings(), options))
            try:
                await eventually(lambda: len(server.requests("get")) > 5 or running.done(), "the question")
                assert server.requests("list") == []
                server._next["get"].clear()
                server.next("get", telling(TOLD))
                await eventually(lambda: server.requests("list") or running.done(), "the list")
                assert not running.done()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    run(whole())

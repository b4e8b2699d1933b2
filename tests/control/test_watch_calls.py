"""Asking receivers about calls over real sockets, what is done with their answers, and the operator's metrics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from hookgate.control.cluster import ClusterError, Request
from hookgate.control.fleet import Fleet
from hookgate.control.health import Health
from hookgate.control.metrics import Sources, render
from hookgate.control.queue import Queue
from hookgate.control.values import CallReport
from hookgate.control.watch_calls import CallWatch
from tests.control.stage import START, Stage
from tests.kube.asyncrun import eventually, run
from tests.receiver.rig import House, settings, signature


def ask(addresses: Sequence[str], uids: Sequence[str]) -> Mapping[str, CallReport]:
    """Ask the receivers at these addresses."""

    async def asking() -> Mapping[str, CallReport]:
        async with aiohttp.ClientSession() as session:
            return await Fleet(session, lambda: addresses).calls(uids)

    return run(asking())


def ask_one_that_says(answer: str, status: int = 200) -> Mapping[str, CallReport]:
    """Ask a receiver that answers everything with this text."""

    async def asking() -> Mapping[str, CallReport]:
        async def say(_: web.Request) -> web.Response:
            return web.Response(text=answer, status=status, content_type="application/json")

        app = web.Application()
        app.router.add_post("/calls", say)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        try:
            async with aiohttp.ClientSession() as session:
                return await Fleet(session, lambda: [f"http://{host}:{port}"]).calls(["u"])
        finally:
            await runner.cleanup()

    return run(asking())


def test_real_receivers_are_understood_and_summed_up() -> None:
    with House(settings()).running() as one, House(settings()).running() as two:
        endpoint = one.endpoint()
        two.target.answers = one.target.answers
        two.put(endpoint.binding)
        endpoint.call()
        endpoint.call(X_Signature=None)
        two.post(endpoint.path, b"{}", [(b"X-Signature", signature(b"{}"))])
        addresses = [f"http://127.0.0.1:{house.receiver.ports[1]}" for house in (one, two)]
        said = ask([*addresses, "http://127.0.0.1:1"], [endpoint.binding.uid, "never-called"])
    assert list(said) == [endpoint.binding.uid]
    report = said[endpoint.binding.uid]
    assert (report.accepted, report.refused, report.reason, list(report.keys)) == (2, 1, "missing-credential", ["k1"])


def test_many_endpoints_are_asked_for_in_several_questions() -> None:
    with House(settings()).running() as house:
        endpoint = house.endpoint()
        endpoint.call()
        others = [f"00000000-0000-4000-8000-{n:012d}" for n in range(1200)]
        said = ask([f"http://127.0.0.1:{house.receiver.ports[1]}"], [*others, endpoint.binding.uid])
    assert list(said) == [endpoint.binding.uid]


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"calls": []}', '{"calls": {"u": {}}}', '{"calls": {"u": 1}}'])
def test_a_receiver_that_says_nothing_of_use_says_nothing(answer: str) -> None:
    assert ask_one_that_says(answer) == {}


def test_a_receiver_that_refuses_says_nothing() -> None:
    assert ask_one_that_says(json.dumps({"calls": {}}), status=503) == {}


# Who is woken ---------------------------------------------------------------------------------------------------------


class Watched:
    """A watch over the endpoint of a stage; ``said`` is what receivers say."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.said, self.woken = stage, dict[str, CallReport](), list[Request]()
        self.watch = CallWatch(
            self._ask,
            lambda: [(Request("team-a", "ci"), stage.endpoint())],
            self.woken.append,
            clock=lambda: stage.now,
        )

    async def _ask(self, uids: Sequence[str]) -> Mapping[str, CallReport]:
        assert uids == [self.stage.endpoint()["metadata"]["uid"]]
        return self.said

    def once(self, **said: Any) -> list[Request]:
        """Let receivers say this and return who is woken."""
        uid = self.stage.endpoint()["metadata"]["uid"]
        nothing: dict[str, Any] = {"accepted": 0, "refused": 0, "last_accepted": None, "last_refused": None}
        self.said = {uid: CallReport(**{**nothing, "reason": "", "keys": {}, **said})} if said else {}
        self.woken.clear()
        run(self.watch.once())
        return list(self.woken)


def test_only_whose_status_has_something_new_to_tell_is_woken(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    watched = Watched(stage)
    assert (watched.once(), watched.once(accepted=0)) == ([], [])
    assert watched.once(accepted=1, last_accepted=START) == [Request("team-a", "ci")]


def test_what_was_said_is_at_hand_until_the_next_answer(stage: Stage) -> None:
    stage.declare()
    uid = stage.endpoint()["metadata"]["uid"]
    watched = Watched(stage)
    watched.once(accepted=1, last_accepted=START)
    found = watched.watch.report(uid)
    assert found is not None
    assert found.accepted == 1
    watched.once()
    assert watched.watch.report(uid) is None


# The operator's metrics -----------------------------------------------------------------------------------------------


def told(text: bytes) -> dict[str, float]:
    """Return the samples of a text, each named as it is written."""
    return {
        s.name + "".join(f"|{value}" for _, value in sorted(s.labels.items())): s.value
        for family in text_string_to_metric_families(text.decode())
        for s in family.samples
        if s.name.startswith("hookgate_operator")
    }


def test_one_that_stands_by_tells_of_endpoints_but_of_no_work(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    assert told(render(Sources(endpoints=lambda: [stage.endpoint(), {}]))) == {
        "hookgate_operator_endpoints|True|Active": 1.0,
        "hookgate_operator_endpoints|none|none": 1.0,
        "hookgate_operator_leading": 0.0,
    }


def test_work_is_counted_by_how_it_ended() -> None:
    outcomes: dict[str, Exception | None] = {
        "good": None,
        "stale": ClusterError("x", conflict=True),
        "refused": ClusterError("x"),
        "broken": RuntimeError("x"),
    }

    async def work(request: Request) -> float | None:
        outcome = outcomes.pop(request.name, None)
        if outcome is not None:
            raise outcome
        return None

    async def scene() -> dict[str, float]:
        queue = Queue(work, workers=1, jitter=lambda: 0.0)
        for name in outcomes:
            queue.add(Request("team-a", name))
        waiting = queue.depth
        running = asyncio.create_task(queue.run())
        await eventually(lambda: queue.done == 4, "all to go through, failed ones the second time")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert waiting == 4
        return told(render(Sources(endpoints=tuple, queue=queue, writes={("create", "Secret"): 2})))

    assert run(scene()) == {
        "hookgate_operator_leading": 1.0,
        "hookgate_operator_queue_depth": 0.0,
        "hookgate_operator_running": 0.0,
        "hookgate_operator_reconciles_total": 4.0,
        "hookgate_operator_errors_total|conflict": 1.0,
        "hookgate_operator_errors_total|error": 1.0,
        "hookgate_operator_errors_total|unexpected": 1.0,
        "hookgate_operator_writes_total|Secret|create": 2.0,
    }


def test_metrics_stand_on_the_port_of_the_probes(unused_port: int) -> None:
    async def scene() -> tuple[int, str, str]:
        serving = asyncio.create_task(Health(lambda: b"metric 1\n").serve("127.0.0.1", unused_port))
        async with aiohttp.ClientSession() as session:
            for _ in range(200):
                try:
                    async with session.get(f"http://127.0.0.1:{unused_port}/metrics") as answer:
                        serving.cancel()
                        return answer.status, answer.headers["Content-Type"], await answer.text()
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.01)
        raise AssertionError("it does not listen")

    assert run(scene()) == (200, "text/plain; version=0.0.4", "metric 1\n")


@pytest.fixture
def unused_port() -> int:
    """A port of loopback that nobody listens on."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])

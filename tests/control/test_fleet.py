"""Asking receivers what they serve, over real sockets: many questions at once, and silence is no agreement."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from hookgate.control import fleet as fleet_module
from hookgate.control.fleet import Fleet
from hookgate.control.values import Served
from tests.kube.asyncrun import eventually, run


class Receiver:
    """The private port of a receiver that says what a test wants it to say."""

    def __init__(self, **digests: str) -> None:
        self.digests = dict(digests)
        self.asked: list[list[str]] = []
        self.ready = True
        self.silent = False
        self.garbled: str | None = None
        self.address = ""
        self._over = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/digests", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"http://{host}:{port}"

    async def stop(self) -> None:
        self._over.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        uids = await request.json()
        self.asked.append(uids)
        if self.silent:
            await self._over.wait()
        if not self.ready:
            return web.Response(status=503)
        if self.garbled is not None:
            return web.Response(text=self.garbled, content_type="application/json")
        return web.json_response({"digests": {u: d for u, d in self.digests.items() if u in uids}})


def play(*receivers: Receiver, act: Callable[[Fleet], Awaitable[None]]) -> None:
    """Let ``act`` ask a fleet of these receivers."""

    async def scene() -> None:
        for each in receivers:
            await each.start()
        try:
            async with aiohttp.ClientSession() as session:
                await act(Fleet(session, lambda: [each.address for each in receivers]))
        finally:
            for each in receivers:
                await each.stop()

    run(scene())


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine must not look like a receiver that disagrees."""
    monkeypatch.setattr(fleet_module, "PATIENCE", 20.0)


@pytest.fixture
def _soon(_patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience ends, though not before every receiver has answered once."""
    monkeypatch.setattr(fleet_module, "PATIENCE", 1.0)


@pytest.fixture
def _impatient(_patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon; only for outcomes that a slow machine does not change."""
    monkeypatch.setattr(fleet_module, "PATIENCE", 0.1)


def test_receivers_that_all_serve_the_digest_agree() -> None:
    async def act(fleet: Fleet) -> None:
        assert await fleet.served("u", "d") == Served(digest="d", ready=2, agreeing=2)

    play(Receiver(u="d"), Receiver(u="d"), act=act)


@pytest.mark.usefixtures("_soon")
def test_a_receiver_that_serves_something_else_disagrees_when_patience_ends() -> None:
    async def act(fleet: Fleet) -> None:
        assert await fleet.served("u", "d") == Served(digest="d", ready=2, agreeing=1)

    play(Receiver(u="d"), Receiver(u="older"), act=act)


def test_a_receiver_that_follows_within_patience_agrees() -> None:
    late = Receiver(u="older")

    async def act(fleet: Fleet) -> None:
        asking = asyncio.create_task(fleet.served("u", "d"))
        await eventually(lambda: late.asked, "the receiver is asked")
        late.digests["u"] = "d"
        assert (await asking).by_all

    play(Receiver(u="d"), late, act=act)


@pytest.mark.usefixtures("_soon")
def test_serving_nothing_is_agreed_upon_like_anything_else() -> None:
    async def act(fleet: Fleet) -> None:
        assert await fleet.served("gone", None) == Served(digest=None, ready=1, agreeing=1)
        assert await fleet.served("u", None) == Served(digest=None, ready=1, agreeing=0)

    play(Receiver(u="d"), act=act)


def test_without_receivers_nobody_agrees() -> None:
    async def act(fleet: Fleet) -> None:
        served = await fleet.served("u", "d")
        assert (served, served.by_all) == (Served(digest="d", ready=0, agreeing=0), False)

    play(act=act)


def test_a_receiver_that_is_not_ready_does_not_count() -> None:
    starting = Receiver(u="older")
    starting.ready = False

    async def act(fleet: Fleet) -> None:
        assert await fleet.served("u", "d") == Served(digest="d", ready=1, agreeing=1)
        assert len(await fleet.answering()) == 1

    play(Receiver(u="d"), starting, act=act)


def test_a_receiver_that_takes_no_connection_does_not_count() -> None:
    gone = Receiver(u="older")

    async def act(fleet: Fleet) -> None:
        await gone.stop()
        assert await fleet.served("u", "d") == Served(digest="d", ready=1, agreeing=1)

    play(Receiver(u="d"), gone, act=act)


@pytest.mark.usefixtures("_impatient")
def test_a_receiver_that_takes_no_connection_has_dropped_nothing() -> None:
    """Its process may be gone, but as well the way to it, while it serves on."""
    gone = Receiver(u="older")

    async def act(fleet: Fleet) -> None:
        await gone.stop()
        assert await fleet.served("u", None) == Served(digest=None, ready=2, agreeing=1)
        assert len(await fleet.answering()) == 1

    play(Receiver(), gone, act=act)


@pytest.mark.usefixtures("_impatient")
def test_a_receiver_whose_name_is_not_known_has_dropped_nothing() -> None:
    async def act() -> None:
        async with aiohttp.ClientSession() as session:
            fleet = Fleet(session, lambda: ["http://receiver.invalid:8081"])
            assert await fleet.served("u", None) == Served(digest=None, ready=1, agreeing=0)

    run(act())


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("digest", ["d", None])
def test_a_receiver_that_does_not_answer_agrees_to_nothing(digest: str | None) -> None:
    hung = Receiver()
    hung.silent = True

    async def act(fleet: Fleet) -> None:
        assert await fleet.served("u", digest) == Served(digest=digest, ready=1, agreeing=0)

    play(hung, act=act)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("answer", ["", "?", "[]", "{}", '{"digests": []}', '{"digests": null}'])
@pytest.mark.parametrize("digest", ["d", None])
def test_a_receiver_that_answers_nonsense_agrees_to_nothing(answer: str, digest: str | None) -> None:
    broken = Receiver()
    broken.garbled = answer

    async def act(fleet: Fleet) -> None:
        assert await fleet.served("u", digest) == Served(digest=digest, ready=1, agreeing=0)

    play(broken, act=act)


def test_many_endpoints_are_asked_for_in_few_questions() -> None:
    uids = [f"u{i}" for i in range(100)]
    receiver = Receiver(**dict.fromkeys(uids, "d"))

    async def act(fleet: Fleet) -> None:
        answers = await asyncio.gather(*(fleet.served(uid, "d") for uid in uids))
        assert all(answer.by_all for answer in answers)
        assert len(receiver.asked) <= 3

    play(receiver, act=act)


def test_one_endpoint_that_waits_does_not_hold_up_another() -> None:
    receiver = Receiver(a="older", b="d")

    async def act(fleet: Fleet) -> None:
        waiting = asyncio.create_task(fleet.served("a", "d"))
        await eventually(lambda: receiver.asked, "the receiver is asked")
        assert (await fleet.served("b", "d")).by_all
        assert not waiting.done()
        receiver.digests["a"] = "d"
        assert (await waiting).by_all

    play(receiver, act=act)


def test_who_no_longer_waits_does_not_hold_up_others() -> None:
    receiver = Receiver(a="older", b="d")

    async def act(fleet: Fleet) -> None:
        waiting = asyncio.create_task(fleet.served("a", "d"))
        await eventually(lambda: receiver.asked, "the receiver is asked")
        waiting.cancel()
        assert (await fleet.served("b", "d")).by_all

    play(receiver, act=act)


def test_a_fleet_that_was_idle_asks_again() -> None:
    async def act(fleet: Fleet) -> None:
        assert (await fleet.served("u", "d")).by_all
        assert (await fleet.served("u", "d")).by_all

    play(Receiver(u="d"), act=act)


def test_an_unforeseen_error_leaves_nobody_waiting() -> None:

    async def act() -> None:
        def broken() -> list[str]:
            raise RuntimeError("no addresses")

        async with aiohttp.ClientSession() as session:
            fleet = Fleet(session, broken)
            with pytest.raises(RuntimeError):
                await asyncio.wait_for(fleet.served("u", "d"), 5)
            with pytest.raises(RuntimeError):
                await asyncio.wait_for(fleet.served("u", "d"), 5)

    run(act())

"""One endpoint's slow target or flood leaves the others alone: told by what is answered while it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from hookgate.receiver.settings import Edge
from tests.receiver.rig import OK, Endpoint, House, read_answer, request, settings, signature
from tests.receiver.test_calls import value

PLACES = 12
BODY = b"x" * 100


class Gate:
    """A target that answers once it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def answer(self) -> bytes:
        """Wait, then answer."""
        await self.opened.wait()
        return OK


@pytest.fixture
def narrow(edge: Edge) -> Iterator[House]:
    """A receiver with few places, all of which one endpoint could have."""
    few = settings(edge=edge, max_in_flight=PLACES, max_in_flight_per_endpoint=PLACES, max_held_bytes=100_000)
    with House(few).running() as running:
        yield running


def send(house: House, endpoint: Endpoint, opened: contextlib.ExitStack, *, missing: int = 0) -> socket.socket:
    """Send a call on a connection of its own, but for the last ``missing`` bytes, and wait for nothing."""
    connection = opened.enter_context(house.connect())
    raw = request(endpoint.path, BODY, [(b"X-Signature", signature(BODY))])
    connection.sendall(raw[: len(raw) - missing])
    return connection


def test_a_slow_target_gets_its_share_and_every_call_to_another_is_answered_meanwhile(narrow: House) -> None:
    gate = Gate()
    slow, other = narrow.endpoint(gate.answer), narrow.endpoint()
    with contextlib.ExitStack() as opened:
        flood = [send(narrow, slow, opened) for _ in range(3 * PLACES)]
        narrow.until(lambda: sum(r.name == slow.binding.name for r in narrow.receipts) == 3 * PLACES - 7)
        assert [other.call().status for _ in range(50)] == [202] * 50
        narrow.inside(gate.opened.set)
        answers = [read_answer(each) for each in flood]
    assert sorted(each.status for each in answers) == [202] * 7 + [503] * (3 * PLACES - 7)
    assert {each.header("retry-after") for each in answers if each.status == 503} == {"5"}
    assert {r.reason for r in narrow.receipts if r.status == 503} == {"endpoint-busy"}
    assert slow.call().status == 202


def test_several_slow_targets_together_leave_room_for_one_more(narrow: House) -> None:
    gates = [Gate() for _ in range(4)]
    slow, other = [narrow.endpoint(gate.answer) for gate in gates], narrow.endpoint()
    with contextlib.ExitStack() as opened:
        flood = [send(narrow, each, opened) for _ in range(PLACES) for each in slow]
        narrow.until(lambda: len(narrow.receipts) + narrow.receiver.load.calls == len(flood))
        assert [other.call().status for _ in range(50)] == [202] * 50
        for gate in gates:
            narrow.inside(gate.opened.set)
        statuses = [read_answer(each).status for each in flood]
    assert set(statuses) == {202, 503}


def test_bodies_that_never_end_leave_room_for_those_of_others(narrow: House) -> None:
    """Nobody knows yet whether such a call is authentic: whoever knows the URL can send it."""
    stalled, other = narrow.endpoint(), narrow.endpoint()
    with contextlib.ExitStack() as opened:
        flood = [send(narrow, stalled, opened, missing=1) for _ in range(2 * PLACES)]
        narrow.until(lambda: len(narrow.receipts) + narrow.receiver.load.calls == len(flood))
        assert [other.call(BODY).status for _ in range(20)] == [202] * 20
    narrow.until(lambda: narrow.receiver.load.calls == 0)
    assert stalled.call(BODY).status == 202


def test_an_overloaded_receiver_refuses_before_the_body_is_sent_and_recovers(edge: Edge) -> None:
    few = settings(edge=edge, max_in_flight=2)
    with House(few).running() as house, contextlib.ExitStack() as opened:
        gates = [Gate(), Gate()]
        held = [send(house, house.endpoint(gate.answer), opened) for gate in gates]
        house.until(lambda: house.receiver.load.calls == 2)
        other = house.endpoint()
        refused = send(house, other, opened, missing=len(BODY))
        answer = read_answer(refused)
        assert (answer.status, answer.header("retry-after")) == (503, "5")
        assert house.receipts[-1].reason == "overload"
        assert value(house, "rejected_total", limit="calls") == 1.0
        for gate in gates:
            house.inside(gate.opened.set)
        assert [read_answer(each).status for each in held] == [202, 202]
        assert other.call().status == 202

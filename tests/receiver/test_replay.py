"""Calls that come again, over real sockets and on both edges: delivered once, whoever repeats them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from hookgate.model.replay import ReplayMode, ReplayPolicy
from hookgate.receiver.settings import Edge
from tests.receiver.rig import HMAC, OK, SECRET, TOKEN, Answer, House, request, settings, signature
from tests.receiver.test_calls import calls, refusals, value

#: The body is signed, and the id in it with it.
WITH_ID = {**HMAC, "deliveryId": {"json": "id"}}
UNSIGNED_ID = {**HMAC, "deliveryId": {"header": "X-Delivery"}}
FAILED = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
REFUSED = b"HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n"
MOVED = b"HTTP/1.1 302 There\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
EMPTY = b"HTTP/1.1 204 Fine\r\n\r\n"


def body(number: int) -> bytes:
    return b'{"id": "evt_%d"}' % number


def policy(mode: ReplayMode, **more: Any) -> ReplayPolicy:
    return ReplayPolicy(mode=mode, **more)


class Gate:
    """A target that answers when it is told to, in another thread's words."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer, self._opened = answer, threading.Event()

    async def __call__(self) -> bytes:
        await asyncio.to_thread(self._opened.wait, 10)
        return self.answer

    def open(self) -> None:
        self._opened.set()


class Caller:
    """A call in a thread of its own."""

    def __init__(self, make: Callable[[], Answer]) -> None:
        self._make, self._answer = make, list[Answer]()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._answer.append(self._make())

    def done(self) -> Answer:
        self._thread.join(10)
        (answer,) = self._answer
        return answer


def in_turn(*answers: bytes) -> Callable[[], Awaitable[bytes]]:
    """A target that answers each call with the next of these."""
    left = list(answers)

    async def answer() -> bytes:
        return left.pop(0)

    return answer


def test_a_repeated_call_is_answered_200_and_not_delivered_again(house: House) -> None:
    endpoint = house.endpoint(auth=WITH_ID)
    first, second = endpoint.call(body(1)), endpoint.call(body(1))
    assert (first.status, second.status, second.body) == (202, 200, b'{"status":"already delivered"}\n')
    assert [seen.body for seen in endpoint.seen] == [body(1)]


def test_a_sender_that_wants_certain_words_gets_them_for_a_repeated_call_too(house: House) -> None:
    endpoint = house.endpoint(auth={**WITH_ID, "successResponse": {"body": "[accepted]"}})
    answers = [endpoint.call(body(1)) for _ in range(2)]
    assert [(each.status, each.body) for each in answers] == [(200, b"[accepted]")] * 2
    assert len(endpoint.seen) == 1


def test_calls_with_other_ids_are_delivered(house: House) -> None:
    endpoint = house.endpoint(auth=WITH_ID)
    assert [endpoint.call(body(n)).status for n in range(3)] == [202, 202, 202]
    assert len(endpoint.seen) == 3


def test_the_sender_s_own_repetition_with_another_body_is_recognised_by_its_id(house: House) -> None:
    endpoint = house.endpoint(auth=WITH_ID)
    assert endpoint.call(b'{"id": "evt_1", "attempt": 1}').status == 202
    assert endpoint.call(b'{"id": "evt_1", "attempt": 2}').status == 200
    assert len(endpoint.seen) == 1


def test_while_a_call_is_under_way_the_same_one_has_to_wait(house: House) -> None:
    gate = Gate()
    endpoint = house.endpoint(gate, auth=WITH_ID)
    first = Caller(lambda: endpoint.call(body(1)))
    house.until(lambda: len(endpoint.seen) == 1)
    meanwhile = endpoint.call(body(1))
    gate.open()
    assert (meanwhile.status, meanwhile.header("retry-after")) == (503, "5")
    assert (first.done().status, endpoint.call(body(1)).status, len(endpoint.seen)) == (202, 200, 1)


@pytest.mark.parametrize(
    ("answer", "status"), [(FAILED, 502), (REFUSED, 422), (MOVED, 502), (b"nonsense", 502)], ids=str
)
def test_what_the_target_did_not_take_may_come_again(house: House, answer: bytes, status: int) -> None:
    endpoint = house.endpoint(in_turn(answer, OK, OK), auth=WITH_ID)
    if answer == b"nonsense":
        house.target.hang_up_after.add(endpoint.target_path)
    assert [endpoint.call(body(1)).status for _ in range(3)] == [status, 202, 200]


def test_a_target_that_does_not_answer_in_time_frees_the_call(house: House) -> None:
    gate = Gate()
    endpoint = house.endpoint(gate, auth=WITH_ID, timeout_ms=100)
    assert endpoint.call(body(1)).status == 504
    gate.open()
    house.put(replace(endpoint.binding, timeout_ms=30_000))
    assert endpoint.call(body(1)).status == 202


def test_a_target_that_cannot_be_reached_frees_the_call(house: House) -> None:
    endpoint = house.endpoint(auth=WITH_ID, target="http://127.0.0.1:1/")
    assert [endpoint.call(body(1)).status for _ in range(2)] == [502, 502]


def test_a_target_that_is_down_is_not_asked_and_frees_the_call(house: House) -> None:
    endpoint = house.endpoint(auth=WITH_ID, target="http://127.0.0.1:1/")
    statuses = [endpoint.call(body(1)).status for _ in range(8)]
    assert set(statuses) == {502, 503}
    assert "in-flight" not in [each["reason"] for each in refusals(endpoint)]


def test_any_2xx_counts_as_taken(house: House) -> None:
    endpoint = house.endpoint(EMPTY, auth=WITH_ID)
    assert [endpoint.call(body(1)).status for _ in range(2)] == [204, 200]


def test_nothing_is_looked_up_for_a_call_that_is_not_authentic(house: House) -> None:
    """Neither taken for a repetition, which would tell what has been delivered, nor remembered, which would block."""
    endpoint = house.endpoint(auth=WITH_ID)
    endpoint.call(body(1))
    before = house.inside(lambda: len(house.receiver.memory))
    assert endpoint.call(body(1), X_Signature=signature(b"other")).status == 401
    assert endpoint.call(body(2), X_Signature=signature(b"other")).status == 401
    assert house.inside(lambda: len(house.receiver.memory)) == before
    assert endpoint.call(body(2)).status == 202


def test_a_sender_who_hangs_up_does_not_leave_the_call_claimed(house: House) -> None:
    gate = Gate(FAILED)
    endpoint = house.endpoint(gate, auth=WITH_ID)
    with house.connect() as connection:
        connection.sendall(request(endpoint.path, body(1), [(b"X-Signature", signature(body(1)))]))
        house.until(lambda: len(endpoint.seen) == 1)
    gate.open()
    parts = house.receiver.memory._parts
    house.until(lambda: not any(shelf.flying for part in parts.values() for shelf in part.shelves.values()))
    house.target.answers[endpoint.target_path] = OK
    assert endpoint.call(body(1)).status == 202


def test_an_id_that_is_not_signed_is_not_believed_unasked(house: House) -> None:
    endpoint = house.endpoint(auth=UNSIGNED_ID)
    assert [endpoint.call(b"{}", X_Delivery=b"1").status for _ in range(2)] == [202, 202]


def test_who_asks_has_the_sender_s_repetitions_told_by_an_unsigned_id(house: House) -> None:
    endpoint = house.endpoint(auth=UNSIGNED_ID, replay=policy(ReplayMode.DELIVERY_ID))
    statuses = [endpoint.call(b"{}", X_Delivery=each).status for each in (b"1", b"1", b"2")]
    assert statuses == [202, 200, 202]
    assert endpoint.call(b"{}", X_Delivery=None).status == 202


def test_who_asks_has_everything_signed_delivered_once_whatever_its_id(house: House) -> None:
    endpoint = house.endpoint(auth=UNSIGNED_ID, replay=policy(ReplayMode.SIGNATURE))
    upper = signature(b"{}").upper().replace(b"SHA256=", b"sha256=")
    statuses = [
        endpoint.call(b"{}", X_Delivery=b"1").status,
        endpoint.call(b"{}", X_Delivery=b"2").status,
        endpoint.call(b"{}", X_Signature=upper).status,
        endpoint.call(b"{} ").status,
    ]
    assert (statuses, len(endpoint.seen)) == ([202, 200, 200, 202], 2)


def test_a_token_s_calls_are_told_by_their_id_if_that_is_asked_for(house: House) -> None:
    auth = {**TOKEN, "deliveryId": {"header": "X-Delivery"}}
    endpoint = house.endpoint(auth=auth, replay=policy(ReplayMode.DELIVERY_ID))
    statuses = [endpoint.call(b"{}", X_Token=SECRET, X_Delivery=each).status for each in (b"1", b"1", b"2")]
    assert statuses == [202, 200, 202]


def test_who_wants_every_call_gets_every_call(house: House) -> None:
    endpoint = house.endpoint(auth=WITH_ID, replay=policy(ReplayMode.OFF))
    assert [endpoint.call(body(1)).status for _ in range(2)] == [202, 202]


def test_what_was_delivered_is_remembered_through_a_change_of_the_endpoint(house: House) -> None:
    endpoint = house.endpoint(auth=WITH_ID)
    assert endpoint.call(body(1)).status == 202
    house.put(replace(endpoint.binding, timeout_ms=1234))
    assert endpoint.call(body(1)).status == 200


def test_repetitions_are_told_to_the_owner_and_to_prometheus(house: House) -> None:
    gate = Gate()
    endpoint = house.endpoint(gate, auth=WITH_ID)
    first = Caller(lambda: endpoint.call(body(1)))
    house.until(lambda: len(endpoint.seen) == 1)
    endpoint.call(body(1))
    gate.open()
    first.done()
    endpoint.call(body(1))
    told = calls(endpoint)
    assert (told["accepted"], told["repeated"], told["refused"]) == (1, 1, {"in-flight": 1})
    assert [(each["step"], each["reason"]) for each in refusals(endpoint)] == [("replay", "in-flight")]
    place = {"namespace": endpoint.binding.namespace, "name": endpoint.binding.name}
    assert value(house, "calls_total", outcome="duplicate", **place) == 1
    assert value(house, "calls_total", outcome="in-flight", **place) == 1
    marks = value(house, "replay_marks")
    assert marks is not None
    assert marks >= 1


def full(edge: Edge, **changes: Any) -> House:
    return House(settings(edge=edge, replay_marks=2, replay_marks_each=2, **changes))


def test_a_full_memory_refuses_rather_than_let_a_dated_call_be_repeated(edge: Edge) -> None:
    dated = {**HMAC, "timestamp": {"header": "X-Time", "format": "unix"}, "message": ["timestamp", "body"]}
    with full(edge).running() as house:
        endpoint, now = house.endpoint(auth=dated), b"%d" % time.time()

        def call(text: bytes) -> int:
            return endpoint.call(text, X_Time=now, X_Signature=signature(now + text)).status

        assert [call(b"a"), call(b"b"), call(b"c")] == [202, 202, 503]
        assert [call(b"a"), call(b"b"), len(endpoint.seen)] == [200, 200, 2]
        assert refusals(endpoint)[-1]["reason"] == "replay-store"


def test_a_full_memory_forgets_the_oldest_ids_where_nothing_else_was_asked_for(edge: Edge) -> None:
    with full(edge).running() as house:
        endpoint = house.endpoint(auth=WITH_ID)
        assert [endpoint.call(body(n)).status for n in (1, 2, 3, 2, 3)] == [202, 202, 202, 200, 200]


def test_a_full_memory_refuses_where_protection_is_required(edge: Edge) -> None:
    with full(edge).running() as house:
        endpoint = house.endpoint(auth=WITH_ID, replay=policy(ReplayMode.AUTO, required=True))
        assert [endpoint.call(body(n)).status for n in (1, 2, 3, 1, 2)] == [202, 202, 503, 200, 200]

"""The HTTP edge against bytes that come in odd pieces, without end, too early, or are never read."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Iterator

import pytest

from hookgate.receiver.settings import Edge
from tests.receiver.rig import OK, House, bounds, closed, read_answer, request, settings, signature, sized
from tests.receiver.test_calls import value

BODY = b'{"n":1}'
SIGNED = [(b"X-Signature", signature(BODY))]
_MOST = 64_000_000


@pytest.fixture(scope="module")
def brisk(edge: Edge) -> Iterator[House]:
    """A receiver that waits half a second for a body."""
    with House(settings(edge=edge, body_seconds=0.5, bounds=bounds(head_seconds=60))).running() as running:
        yield running


def chunked(path: str, signed: bytes, body: bytes = b"") -> bytes:
    """Return the beginning of a chunked request."""
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nX-Signature: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head % (path.encode(), signature(signed)) + body


def pour(connection: socket.socket, piece: bytes) -> int:
    """Send until the other end takes no more or has gone; return how much it took."""
    connection.settimeout(2)
    sent = 0
    try:
        while sent < _MOST:
            sent += connection.send(piece)
    except OSError:
        pass
    return sent


@pytest.mark.parametrize("start", [b"0\r\nX-Endless: ", b"1;ext=", b"000000"], ids=["trailer", "extension", "size"])
def test_framing_without_end_is_given_up(brisk: House, start: bytes) -> None:
    endpoint = brisk.endpoint()
    with brisk.connect() as connection:
        connection.sendall(chunked(endpoint.path, b"", start))
        assert pour(connection, (b"0" if start[:2] == b"00" else b"a") * 65_536) < _MOST
    assert endpoint.seen == []


def test_many_trailers_are_given_up(brisk: House) -> None:
    endpoint = brisk.endpoint()
    with brisk.connect() as connection:
        connection.sendall(chunked(endpoint.path, b"", b"0\r\n"))
        assert pour(connection, b"X-T: a\r\n" * 8192) < _MOST
    assert endpoint.seen == []


def test_a_body_in_chunks_of_one_byte_reaches_the_target(house: House) -> None:
    endpoint = house.endpoint()
    body = random.Random(4).randbytes(20_000)
    raw = chunked(endpoint.path, body, b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
    assert (house.exchange(raw).status, [s.body for s in endpoint.seen]) == (202, [body])


def test_a_request_that_comes_byte_by_byte_is_understood(house: House) -> None:
    endpoint = house.endpoint()
    with house.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request(endpoint.path, BODY, SIGNED):
            connection.sendall(bytes([byte]))
        assert read_answer(connection).status == 202


@pytest.mark.parametrize("at", [5, 60, 120, 140])
def test_a_second_call_that_comes_in_two_pieces_while_the_first_is_delivered_waits_for_its_turn(
    house: House, at: int
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow() -> bytes:
        asked.set()
        await go.wait()
        return OK.replace(b"taken", b"first")

    first, second = house.endpoint(slow), house.endpoint()
    raw = request(second.path, BODY, SIGNED)
    with house.connect() as connection:
        connection.sendall(request(first.path, BODY, SIGNED) + raw[:at])
        house.until(asked.is_set)
        connection.sendall(raw[at:])
        house.inside(go.set)
        assert [read_answer(connection).body for _ in range(2)] == [b"first", b"taken"]


def test_hundreds_of_calls_in_one_piece_are_all_answered(house: House) -> None:
    endpoint = house.endpoint()
    expected = [202, 401, 404] * 100
    kinds = {202: request(endpoint.path, BODY, SIGNED), 401: request(endpoint.path, BODY), 404: request("/h/x", BODY)}
    with house.connect() as connection:
        connection.sendall(b"".join(kinds[status] for status in expected))
        assert [read_answer(connection).status for _ in expected] == expected


def test_more_calls_in_one_piece_than_there_is_room_for_end_the_connection_after_those_that_are_kept() -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow() -> bytes:
        asked.set()
        await go.wait()
        return OK

    little = settings(edge=Edge.LEAN, bounds=bounds(waiting_bytes=100_000))
    with House(little).running() as house, house.connect() as connection:
        connection.sendall(request(house.endpoint(slow).path, BODY, SIGNED))
        house.until(asked.is_set)
        connection.sendall(b"GET / HTTP/1.1\r\nHost:x\r\n\r\n" * 600)
        time.sleep(0.2)
        house.inside(go.set)
        assert read_answer(connection).status == 202
        assert set(iter(lambda: read_answer(connection).status, 400)) == {404}
        assert closed(connection)
        assert value(house, "rejected_total", limit="waiting-bytes") == 1.0


def test_nonsense_after_a_call_is_answered_after_it() -> None:
    """Only the lean edge keeps this order; uvicorn leaves the call unanswered."""
    with House(settings(edge=Edge.LEAN)).running() as house, house.connect() as connection:
        connection.sendall(request(house.endpoint().path, BODY, SIGNED) + b"GARBAGE\r\n\r\n")
        assert [read_answer(connection).status for _ in range(2)] == [202, 400]
        assert closed(connection)


def test_a_sender_that_reads_no_answers_is_not_read_any_more_and_loses_none(house: House) -> None:
    answer = sized(50_000)
    endpoint = house.endpoint(answer)
    raw = request(endpoint.path, BODY, SIGNED)
    with house.connect(buffer=4096) as connection:
        connection.settimeout(10)
        took = pour(connection, raw)
        assert took < _MOST
        house.until(lambda: house.receiver.load.calls == 0)
        # Bounded by what the sockets hold and what was read at once, and far from one answer for each request.
        answered = len(endpoint.seen)
        assert answered * len(answer) < _MOST
        connection.settimeout(10)
        assert [len(read_answer(connection).body) for _ in range(answered + 1)] == [50_000] * (answered + 1)


def test_a_sender_that_does_not_read_its_last_answer_is_given_up() -> None:
    """The lean edge's word: uvicorn waits for such a sender for as long as it likes."""
    answer = sized(1_000_000)
    last = [*SIGNED, (b"Connection", b"close")]
    counts = range(1, 8)  # of as many answers the system takes some by itself; at one count the last does not fit
    few = bounds(connections=len(counts))
    with House(settings(edge=Edge.LEAN, keep_alive=1, bounds=few)).running() as house, contextlib.ExitStack() as opened:
        path = house.endpoint(answer).path
        for count in counts:
            connection = opened.enter_context(house.connect(buffer=4096))
            connection.sendall(request(path, BODY, SIGNED) * (count - 1) + request(path, BODY, last))
        time.sleep(4)
        others = [opened.enter_context(house.connect()) for _ in counts]
        for other in others:
            other.sendall(request("/h/x", BODY))
        assert [read_answer(other).status for other in others] == [404] * len(counts)


def test_a_sender_that_leaves_during_its_delivery_leaves_nothing_behind(house: House) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow() -> bytes:
        asked.set()
        await go.wait()
        return OK

    endpoint = house.endpoint(slow)
    with house.connect() as connection:
        connection.sendall(request(endpoint.path, BODY, SIGNED))
        house.until(asked.is_set)
    house.inside(go.set)
    house.until(lambda: (house.receiver.load.calls, house.receiver.load.held_bytes) == (0, 0))
    assert len(endpoint.seen) == 1


def test_a_sender_that_leaves_in_the_middle_of_its_body_leaves_nothing_behind(house: House) -> None:
    endpoint = house.endpoint()
    with house.connect() as connection:
        connection.sendall(request(endpoint.path, BODY, SIGNED)[:-1])
        house.until(lambda: house.receiver.load.calls == 1)
    house.until(lambda: (house.receiver.load.calls, house.receiver.load.held_bytes) == (0, 0))
    assert endpoint.seen == []


def test_an_http_1_0_call_is_answered_and_its_connection_ends(house: House) -> None:
    endpoint = house.endpoint()
    raw = request(endpoint.path, BODY, [*SIGNED, (b"Connection", b"keep-alive")]).replace(b"HTTP/1.1", b"HTTP/1.0")
    with house.connect() as connection:
        connection.sendall(raw)
        answer = read_answer(connection)
        assert (answer.status, answer.header("connection"), closed(connection)) == (202, "close", True)


@pytest.mark.parametrize("path", ["known", "/h/nobody"])
def test_a_call_that_asks_for_it_ends_its_connection(house: House, path: str) -> None:
    endpoint = house.endpoint()
    with house.connect() as connection:
        connection.sendall(
            request(endpoint.path if path == "known" else path, BODY, [*SIGNED, (b"Connection", b"close")])
        )
        assert (read_answer(connection).header("connection"), closed(connection)) == ("close", True)


def test_at_the_end_idle_connections_are_closed_and_a_body_that_is_being_read_is_waited_for(edge: Edge) -> None:
    with House(settings(edge=edge)).running() as house, house.connect() as idle, house.connect() as busy:
        endpoint = house.endpoint()
        raw = request(endpoint.path, BODY, SIGNED)
        idle.sendall(request("/h/nobody", b""))
        read_answer(idle)
        busy.sendall(raw[:-1])
        house.until(lambda: house.receiver.load.calls == 1)
        house.inside(house.receiver.stop)
        assert closed(idle)
        busy.sendall(raw[-1:])
        answer = read_answer(busy)
        assert (answer.status, answer.header("connection")) == (202, "close")
        assert house.ends_by_itself(5)


def test_what_outlasts_the_grace_is_cut_off(edge: Edge) -> None:
    asked = asyncio.Event()

    async def never() -> bytes:
        asked.set()
        await asyncio.sleep(60)
        return OK

    with House(settings(edge=edge, grace=1)).running() as house, house.connect() as connection:
        endpoint = house.endpoint(never, timeout_ms=60_000)
        connection.sendall(request(endpoint.path, BODY, SIGNED))
        house.until(asked.is_set)
        house.inside(house.receiver.stop)
        assert connection.recv(12) in (b"", b"HTTP/1.1 500")
        assert house.ends_by_itself(10)

"""What connections of the lean edge may hold together before anybody looks at it: unfinished heads, early calls."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from hookgate.receiver.settings import Edge
from tests.receiver.rig import OK, House, bounds, closed, read_answer, request, settings, signature
from tests.receiver.test_calls import value

BODY = b'{"n":1}'
SIGNED = [(b"X-Signature", signature(BODY))]
_ROOM = 40_000
#: More than a third of the room, and less than the half that one address may have.
_HEAD = b"GET /h/nobody HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 15_000
_END = b"\r\n\r\n"


@pytest.fixture
def little() -> Iterator[House]:
    """A receiver with room for two such heads, of different addresses."""
    roomy = bounds(waiting_bytes=_ROOM, head_seconds=60)
    with House(settings(edge=Edge.LEAN, bounds=roomy)).running() as running:
        yield running


def opened(house: House, source: str = "127.0.0.1", head: bytes = _HEAD) -> socket.socket:
    """Connect from an address and send the beginning of a head, which has come when this returns."""
    connection = socket.create_connection(("127.0.0.1", house.receiver.ports[0]), 10, source_address=(source, 0))
    connection.sendall(head)
    seen(house)
    return connection


def seen(house: House) -> None:
    """Wait until what was sent has come: what is accepted later is read later."""
    with house.connect() as after:
        after.sendall(request("/h/nobody", b""))
        read_answer(after)


def full(house: House) -> float:
    """How many were turned away for want of room."""
    return value(house, "rejected_total", limit="waiting-bytes") or 0.0


def test_an_unfinished_head_that_there_is_no_room_for_ends_its_connection_and_no_other(little: House) -> None:
    with opened(little) as first, opened(little) as second:
        assert closed(second)
        first.sendall(_END)
        assert read_answer(first).status == 404
    assert full(little) == 1


def test_no_address_takes_the_room_of_the_others(little: House) -> None:
    with opened(little) as first, opened(little, "127.0.0.2") as other:
        for each in (other, first):
            each.sendall(_END)
            assert read_answer(each).status == 404
    assert full(little) == 0


def test_a_head_that_comes_whole_needs_no_room(little: House) -> None:
    with opened(little), little.connect() as another:
        another.sendall(_HEAD + _END)
        assert read_answer(another).status == 404
    assert full(little) == 0


def test_room_is_given_back_with_the_end_of_the_head_and_of_the_connection(little: House) -> None:
    for _ in range(3):
        with opened(little) as connection:
            connection.sendall(_END)
            assert read_answer(connection).status == 404
            connection.sendall(_HEAD)
        seen(little)
    for _ in range(3):
        with opened(little, head=b"GET /h/a HTTP/1.1\r\nHost: x\r\n\r\n" + _HEAD[:5_000]) as connection:
            assert read_answer(connection).status == 404
            connection.sendall(_END)
            assert read_answer(connection).status == 404
    assert full(little) == 0


def test_calls_that_came_too_early_give_their_room_back(little: House) -> None:
    endpoint = little.endpoint(OK)
    few = request(endpoint.path, BODY, SIGNED) * 10
    with little.connect() as connection:
        for _ in range(20):
            connection.sendall(few)
            assert [read_answer(connection).status for _ in range(10)] == [202] * 10
    assert full(little) == 0


def test_calls_with_bodies_that_come_in_one_piece_are_answered_in_their_order(house: House) -> None:
    """Far more at once than is parsed at a time, so that pieces end in heads and in bodies."""
    endpoint = house.endpoint()
    bodies = [bytes([65 + number]) * (3_000 * number) for number in range(16)]
    raw = b"".join(request(endpoint.path, body, [(b"X-Signature", signature(body))]) for body in bodies)
    with house.connect() as connection:
        connection.sendall(raw)
        assert [read_answer(connection).status for _ in bodies] == [202] * len(bodies)
    assert [seen.body for seen in endpoint.seen] == bodies

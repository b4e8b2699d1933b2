"""Senders that end their side behind unread answers, within a call: it is settled once, and nothing stays."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookgate.receiver.settings import Edge
from tests.receiver.rig import House, bounds, read_answer, request, settings, signature, sized

BODY = b'{"n":1}'
SIGNED = [(b"X-Signature", signature(BODY))]
#: Less than what either edge keeps unread before it reads no more.
ANSWER = sized(6000)
_TRIES = 1_000


@pytest.fixture
def brisk(edge: Edge) -> Iterator[House]:
    """A receiver with room for two connections that waits half a second for a body, and a second for an idle sender."""
    few = bounds(head_seconds=60, connections=2)
    with House(settings(edge=edge, body_seconds=0.5, keep_alive=1, bounds=few)).running() as running:
        yield running


def in_the_system(connection: socket.socket) -> int:
    """Return how much of what the other end has sent lies in buffers of the system, at either end."""
    mine, other = (f":{each[1]:04X}" for each in (connection.getsockname(), connection.getpeername()))
    held = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        sent, came = queues.split(":")
        if local.endswith(other) and remote.endswith(mine):
            held += int(sent, 16)
        elif local.endswith(mine) and remote.endswith(other):
            held += int(came, 16)
    return held


@contextlib.contextmanager
def half_closed(house: House) -> Iterator[socket.socket]:
    """Yield a connection with an answer that is unread in the receiver, an unfinished body, and its side ended."""
    raw = request(house.endpoint(ANSWER).path, BODY, SIGNED)
    with house.connect(buffer=2048, segment=536) as connection:
        connection.sendall(raw)
        size = len(read_answer(connection).raw)
        for unread in range(1, _TRIES):
            connection.sendall(raw)
            house.until(lambda: len(house.receipts) > unread)  # noqa: B023 -- called before the next turn
            house.until(lambda: house.receiver.load.calls == 0)
            if in_the_system(connection) < unread * size:
                break
        connection.sendall(raw[:-1])
        house.until(lambda: house.receiver.load.calls == 1)
        connection.shutdown(socket.SHUT_WR)
        yield connection


def test_a_call_that_its_sender_gave_up_behind_unread_answers_is_settled_once(brisk: House) -> None:
    with half_closed(brisk):
        brisk.until(lambda: brisk.receiver.load.calls == 0)
        receipts = len(brisk.receipts)
    with brisk.connect() as another:  # a second connection, so the first has had its turn
        another.sendall(request("/h/nobody", BODY))
        read_answer(another)
        time.sleep(0.2)
    load = brisk.inside(lambda: (brisk.receiver.load.calls, brisk.receiver.load.held_bytes))
    assert (load, len(brisk.receipts)) == ((0, 0), receipts)
    assert brisk.endpoint().call().status == 202


def test_a_sender_that_reads_nothing_and_has_ended_its_side_is_given_up() -> None:
    """The lean edge's word: uvicorn waits for such a sender for as long as it likes."""
    one = bounds(head_seconds=60, connections=1)
    with (
        House(settings(edge=Edge.LEAN, body_seconds=0.5, keep_alive=1, bounds=one)).running() as house,
        half_closed(house),
    ):
        raw = request("/h/nobody", BODY)
        for _ in range(60):
            with contextlib.suppress(ConnectionError), house.connect() as another:
                another.sendall(raw)
                if another.recv(1):
                    return
            time.sleep(0.2)
        raise AssertionError("its place was never given to another")

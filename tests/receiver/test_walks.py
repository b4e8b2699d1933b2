"""Senders at random: pieces, pauses, unread answers, ends of one side, resets. Afterwards nothing is held nor owed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from hookgate.receiver.settings import Edge
from tests.receiver.rig import OK, Endpoint, House, bounds, request, settings, signature, sized
from tests.receiver.test_bent_requests import Heard

_WALKERS = 8
_LARGE, _SMALL = sized(200_000), sized(6_000)
_RESET = struct.pack("ii", 1, 0)


async def slow() -> bytes:
    """Answer after a moment that is now within and now beyond what a target may take."""
    await asyncio.sleep(Random().random() * 0.2)
    return OK


def call(random: Random, endpoints: list[Endpoint]) -> bytes:
    """Return a request: most are right, some are forged, cut, chunked, too large or nonsense."""
    path, body = random.choice(endpoints).path, bytes(random.choice((2, 2, 2, 500, 20_000, 60_000)))
    if random.random() < 0.2:
        path = "/h/nobody"
    headers = [(b"X-Signature", signature(body) if random.random() < 0.8 else b"no")]
    for chance, header in ((0.1, (b"Expect", b"100-continue")), (0.1, (b"Connection", b"close"))):
        headers += [header] if random.random() < chance else []
    if random.random() < 0.1:
        headers.append((b"X-Long", b"a" * random.choice((100, 20_000, 40_000))))
    if random.random() < 0.2:
        start = b"POST %s HTTP/1.1\r\nHost: x\r\nX-Signature: %s\r\n" % (path.encode(), headers[0][1])
        return b"%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (start, len(body), body)
    raw = request(path, body, headers)
    if random.random() < 0.05:
        return raw[: random.randrange(len(raw))]
    return b"GARBAGE\r\n\r\n" if random.random() < 0.03 else raw


def send(random: Random, connection: socket.socket, data: bytes) -> None:
    """Send in pieces of any size, reading now and then, or never."""
    reading = random.choice((0, 0.3))
    while data:
        size = random.choice((len(data), len(data), 1000, 17_000, random.randrange(1, len(data) + 1)))
        data = data[connection.send(data[:size]) :]
        if random.random() < 0.2:
            time.sleep(random.random() * 0.05)
        if random.random() < reading:
            with contextlib.suppress(TimeoutError):
                connection.recv(random.choice((100, 65_536)))


def leave(random: Random, connection: socket.socket) -> None:
    """Go in one way or another."""
    match random.randrange(5):
        case 0:
            connection.shutdown(socket.SHUT_WR)
            time.sleep(random.random() * 0.8)
        case 1:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        case 2:
            time.sleep(random.random() * 1.5)
        case 3:
            while connection.recv(65_536):
                pass
        case _:
            pass


def walk(house: House, endpoints: list[Endpoint], seed: int) -> None:
    """Be one sender from its first byte to its end."""
    random = Random(seed)
    buffer, segment = (2048, 536) if random.random() < 0.5 else (None, None)
    with contextlib.suppress(OSError), house.connect(buffer=buffer, segment=segment) as connection:
        connection.settimeout(0.05)
        data = b"".join(call(random, endpoints) for _ in range(random.choice((1, 1, 2, 5, 30))))
        with contextlib.suppress(TimeoutError):
            send(random, connection, data)
        leave(random, connection)


@pytest.mark.parametrize("walks", [120, pytest.param(3_000, marks=pytest.mark.slow)])
def test_whatever_senders_do_nothing_of_it_stays(edge: Edge, walks: int) -> None:
    heard = Heard()
    patience = {"bounds": bounds(head_seconds=0.5, waiting_bytes=400_000), "body_seconds": 0.3, "keep_alive": 1}
    little = {"max_held_bytes": 3_000_000, "max_in_flight": 40, "max_response_bytes": 300_000}
    with House(settings(edge=edge, **patience, **little)).running() as house, ThreadPoolExecutor(_WALKERS) as walkers:
        endpoints = [
            house.endpoint(),
            house.endpoint(slow, timeout_ms=150),
            house.endpoint(_LARGE),
            house.endpoint(_SMALL),
            house.endpoint(slow),
        ]
        descriptors = len(os.listdir("/proc/self/fd"))
        logging.getLogger().addHandler(heard)
        try:
            list(walkers.map(lambda seed: walk(house, endpoints, seed), range(walks)))
            house.until(lambda: (house.receiver.load.calls, house.receiver.load.held_bytes) == (0, 0))
            house.until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)
        finally:
            logging.getLogger().removeHandler(heard)
        assert heard.said == []
        assert len(house.receipts) > walks, "calls get through"
        assert [endpoint.call().status for endpoint in (*endpoints[:1], house.endpoint())] == [202, 202]

"""What the pool makes of the bytes that targets answer with, well-formed or not."""

from __future__ import annotations

import asyncio

import pytest

from hookgate.receiver.respond import Delivered, Delivery, Undelivered
from tests.receiver.scripted import (
    CHUNKED,
    OK,
    TAKEN,
    Peer,
    Run,
    Scripted,
    answering,
    deliver_to,
    hang_up,
    pooling,
    post,
    serve_all,
    wait_for_end,
)


@pytest.mark.parametrize(
    ("raws", "expected"),
    [
        ((OK,), (200, b"taken")),
        ((OK[:10], OK[10:30], OK[30:]), (200, b"taken")),
        ((CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",), (200, b"abcde")),
        ((CHUNKED, b"3\r\nabc\r\n", b"0\r\nX-Trailer: t\r\n\r\n"), (200, b"abc")),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" + OK,), (200, b"taken")),
        ((b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", OK), (200, b"taken")),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), (204, b"")),
        ((b"HTTP/1.1 307 X\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",), (307, b"")),
        ((b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n",), (500, b"")),
    ],
    ids=["whole", "in pieces", "chunked", "trailers", "100", "103", "no content", "redirect", "failure"],
)
def test_an_answer_comes_back_and_its_connection_is_kept(
    run: Run, raws: tuple[bytes, ...], expected: tuple[int, bytes]
) -> None:
    found, target = deliver_to(run, answering(*raws, then=serve_all), calls=2)
    assert [(d.status, d.body) for d in found if isinstance(d, Delivered)] == [expected, (200, b"taken")]
    assert (target.connections, len(target.requests)) == (1, 2)


def test_headers_of_interim_answers_and_trailers_are_not_those_of_the_answer(run: Run) -> None:
    raw = (
        b"HTTP/1.1 103 X\r\nA: 1\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nB: 2\r\n\r\n0\r\nC: 3\r\n\r\n"
    )
    (found,), _ = deliver_to(run, answering(raw))
    assert isinstance(found, Delivered)
    assert found.headers == [(b"transfer-encoding", b"chunked"), (b"b", b"2")]


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_an_answer_without_a_length_ends_with_its_connection(run: Run, head: bytes) -> None:
    (found, after), target = deliver_to(run, answering(head, b"un", b"til", then=hang_up), serve_all, calls=2)
    assert (found, after) == (Delivered(status=200, headers=[], body=b"until"), TAKEN)
    assert target.connections == 2


BROKEN = {
    "half a status line": b"HTTP/1.1 2",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
    "half a chunk": CHUNKED + b"5\r\nab",
    "no last chunk": CHUNKED + b"2\r\nab\r\n",
    "only an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_half_an_answer_is_none(run: Run, raw: bytes) -> None:
    found, target = deliver_to(run, answering(raw, then=hang_up), serve_all)
    assert (found, len(target.requests)) == ([Undelivered.REFUSED], 1)


MALFORMED = {
    "no HTTP": b"nonsense\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\ntaken",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\ntaken",
    "an unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\ntaken",
    "no chunk size": CHUNKED + b"zz\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 5\n\ntaken",
    "a folded header": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\ntaken",
    "a switch of protocols": b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "101 without an upgrade": b"HTTP/1.1 101 X\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"A: \r\n" * 300 + b"\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 400_000,
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    "a second answer": OK + OK,
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_answer_is_none_and_ends_the_connection(run: Run, raw: bytes) -> None:
    found, target = deliver_to(run, answering(raw), serve_all, calls=2)
    assert (found, target.connections) == ([Undelivered.REFUSED, TAKEN], 2)


def test_what_comes_unasked_is_never_taken_for_the_next_answer(run: Run) -> None:
    """The second piece comes when the first call has been answered already."""

    async def main() -> tuple[Delivery, Delivery, int]:
        go = asyncio.Event()

        async def unasked(peer: Peer) -> None:
            await go.wait()
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            await wait_for_end(peer)

        async with Scripted(answering(OK, then=unasked), serve_all).running() as target, pooling() as pool:
            first = await post(pool, target.target)
            go.set()
            await target.hung_up.wait()
            return first, await post(pool, target.target), target.connections

    assert run(main) == (TAKEN, TAKEN, 2)


TOO_LARGE = {
    "declared": b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
    "chunked": CHUNKED + b"3e9\r\n" + b"x" * 1001,
    "until the end": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
    "a length beyond numbers of 32 bits": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    "framing without end": CHUNKED + b"1;" + b"e" * 400_000,
    "trailers without end": CHUNKED + b"0\r\nX: " + b"t" * 400_000,
}


@pytest.mark.parametrize("raw", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_an_answer_over_the_bound_is_given_up(run: Run, raw: bytes) -> None:
    found, target = deliver_to(run, answering(raw), serve_all, calls=2)
    assert (found, target.connections) == ([Undelivered.ANSWER_TOO_LARGE, TAKEN], 2)


def test_an_answer_at_the_bound_is_taken(run: Run) -> None:
    (found,), _ = deliver_to(run, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000))
    assert isinstance(found, Delivered)
    assert found.body == b"x" * 1000

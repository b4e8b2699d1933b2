"""Request smuggling: what reaches a target is what a second, independent reader of HTTP reads in the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as examples

from hookgate.receiver.settings import Edge
from tests.receiver.hostile import LAST, requests
from tests.receiver.oracle import Headers, Message, messages, of_sender, told
from tests.receiver.rig import Endpoint, House, bounds, everything, read_answer, request, settings, signature

BODY = b'{"n":1}'
SIGNED = (b"X-Signature", signature(BODY))


@pytest.fixture(scope="module")
def hasty(edge: Edge) -> Iterator[House]:
    """A receiver that gives up soon what is not finished."""
    patience = {"bounds": bounds(head_seconds=1), "body_seconds": 1, "keep_alive": 0.2}
    with House(settings(edge=edge, **patience)).running() as running:
        yield running


@pytest.fixture(scope="module")
def open_to_all(hasty: House) -> Endpoint:
    """An endpoint that takes any body: what is read wrongly reaches its target."""
    return hasty.endpoint(auth={"type": "none"}, keys=())


def delivered(endpoint: Endpoint, raw: bytes) -> list[tuple[bytes, Headers]]:
    """Send bytes and return the bodies and the sender's headers that the target got."""
    endpoint.seen.clear()
    everything(endpoint.house, raw)
    endpoint.house.until(lambda: endpoint.house.receiver.load.calls == 0)
    return [(seen.body, of_sender(seen.headers)) for seen in endpoint.seen]


def head(path: str, *lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """Return the head of a POST with these lines as they are."""
    return b"POST %s %s\r\n%s\r\n\r\n" % (path.encode(), version, b"\r\n".join(lines))


SECOND = b"POST /h/hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
#: What every reader takes in one way only: it has to arrive, or the comparison would compare nothing.
CLEAR = {
    "a length": (b"Host: x\r\nContent-Length: 7", BODY),
    "a length with zeros in front": (b"Host: x\r\nContent-Length: 007", BODY),
    "no length": (b"Host: x", b""),
    "one chunk": (b"Host: x\r\nTransfer-Encoding: chunked", b"7\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "many chunks": (b"Host: x\r\nTransfer-Encoding: chunked", b"3\r\n{}{\r\n4\r\n1234\r\n0\r\n\r\n"),
    "a chunk extension": (b"Host: x\r\nTransfer-Encoding: chunked", b"7;a=b\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a trailer": (b"Host: x\r\nTransfer-Encoding: chunked", b"7\r\n" + BODY + b"\r\n0\r\nX-Late: a\r\n\r\n"),
    "a request in the body": (b"Host: x\r\nContent-Length: %d" % len(SECOND), SECOND),
}


@pytest.mark.parametrize("clear", CLEAR.values(), ids=CLEAR.keys())
def test_a_request_that_can_be_read_in_one_way_only_arrives_as_the_oracle_reads_it(
    open_to_all: Endpoint, clear: tuple[bytes, bytes]
) -> None:
    raw = head(open_to_all.path, clear[0], b"X-Mark: m") + clear[1] + LAST
    (said,) = (each for each in messages(raw) if each.method == b"POST")
    assert delivered(open_to_all, raw) == [(said.body, [(b"x-mark", b"m")])]


#: Heads that some servers read in one way and some in another, or not at all.
SLY = {
    "a length and a coding": b"Host: x\r\nContent-Length: 7\r\nTransfer-Encoding: chunked",
    "a coding and a length": b"Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 7",
    "two different lengths": b"Host: x\r\nContent-Length: 7\r\nContent-Length: 0",
    "two equal lengths": b"Host: x\r\nContent-Length: 7\r\nContent-Length: 7",
    "a coding behind a folded line": b"Host: x\r\nX-A: b\r\n c\r\nTransfer-Encoding: chunked",
    "a coding that begins with a space": b"Host: x\r\nContent-Length: 7\r\n Transfer-Encoding: chunked",
    "a coding with a vertical tab": b"Host: x\r\nContent-Length: 7\r\nTransfer-Encoding:\x0bchunked",
    "a coding after a bare line feed": b"Host: x\r\nContent-Length: 7\nTransfer-Encoding: chunked",
    "a coding after a bare carriage return": b"Host: x\r\nContent-Length: 7\rTransfer-Encoding: chunked",
    "a coding that is not the last": b"Host: x\r\nTransfer-Encoding: chunked, identity",
    "chunked twice": b"Host: x\r\nTransfer-Encoding: chunked, chunked",
    "two codings": b"Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "no Host": b"Content-Length: 7",
    "two Hosts": b"Host: x\r\nHost: y\r\nContent-Length: 7",
    "an empty Host": b"Host:\r\nContent-Length: 7",
    "a Host that is a URL": b"Host: http://x/\r\nContent-Length: 7",
    "a Host with a user": b"Host: a@x\r\nContent-Length: 7",
    "two hosts in one Host": b"Host: x, y\r\nContent-Length: 7",
    "a Host with a space before the colon": b"Host : x\r\nContent-Length: 7",
    "a NUL in a name": b"Host: x\r\nX\x00: a\r\nContent-Length: 7",
}


@pytest.mark.parametrize("sly", SLY.values(), ids=SLY.keys())
def test_a_head_that_hides_a_second_request_is_refused_and_hides_none(open_to_all: Endpoint, sly: bytes) -> None:
    hidden = request(open_to_all.path, b"smuggled")
    raw = head(open_to_all.path, sly) + b"0\r\n\r\n" + hidden + LAST
    open_to_all.seen.clear()
    assert everything(open_to_all.house, raw).startswith(b"HTTP/1.1 400 ")
    assert open_to_all.seen == []


#: Chunked bodies that end in one place for a lenient reader and in another for a strict one.
BROKEN_CHUNKS = {
    "a size with a sign": b"+7\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a size in the manner of C": b"0x7\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a negative size": b"-7\r\n" + BODY + b"\r\n0\r\n\r\n",
    "no size": b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a size beyond numbers": b"ffffffffffffffff7\r\n" + BODY + b"\r\n0\r\n\r\n",
    "bare line feeds": b"7\n" + BODY + b"\n0\n\n",
    "data that goes on after its size": b"6\r\n" + BODY + b"\r\n0\r\n\r\n",
    "no end of line after the data": b"7\r\n" + BODY + b"0\r\n\r\n",
    "a bare line feed in an extension": b"7;a\n" + BODY + b"\r\n0\r\n\r\n",
    "a bare carriage return in an extension": b"7;a\r" + BODY + b"\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("chunks", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS.keys())
def test_chunks_that_are_not_well_formed_never_reach_the_target(open_to_all: Endpoint, chunks: bytes) -> None:
    raw = head(open_to_all.path, b"Host: x", b"Transfer-Encoding: chunked") + chunks
    assert delivered(open_to_all, raw + request(open_to_all.path, b"smuggled") + LAST) == []


@pytest.mark.parametrize("version", [b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.2", b"HTTP/3.0", b"http/1.1", b"HTTP/1.1 "])
def test_a_version_that_is_not_spoken_here_is_refused(open_to_all: Endpoint, version: bytes) -> None:
    raw = head(open_to_all.path, b"Host: x", b"Content-Length: 7", version=version) + BODY
    open_to_all.seen.clear()
    assert everything(open_to_all.house, raw).startswith(b"HTTP/1.1 400 ")
    assert open_to_all.seen == []


def test_a_chunked_body_in_http_1_0_is_refused(open_to_all: Endpoint) -> None:
    chunked = (b"Host: x", b"Transfer-Encoding: chunked")
    raw = head(open_to_all.path, *chunked, version=b"HTTP/1.0") + b"7\r\n" + BODY + b"\r\n0\r\n\r\n"
    open_to_all.seen.clear()
    assert everything(open_to_all.house, raw).startswith(b"HTTP/1.1 400 ")
    assert open_to_all.seen == []


@pytest.mark.parametrize("path", ["/h/nobody", "known"])
def test_nothing_is_taken_after_a_head_with_two_hosts_that_came_with_other_calls(
    open_to_all: Endpoint, path: str
) -> None:
    first, last = request(open_to_all.path, b"first"), request(open_to_all.path, b"last")
    two_hosts = head(open_to_all.path if path == "known" else path, b"Host: x", b"Host: y", b"Content-Length: 0")
    assert [body for body, _ in delivered(open_to_all, first + two_hosts + last)] == [b"first"]


def test_a_line_feed_or_a_nul_never_gets_into_a_header_that_is_forwarded(open_to_all: Endpoint) -> None:
    for bad in (b"a\nX-Injected: b", b"a\rX-Injected: b", b"a\x00b", b"a\r\n X-Injected: b"):
        assert delivered(open_to_all, head(open_to_all.path, b"Host: x", b"X-A: " + bad) + LAST) == []


@examples(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=strategies.integers(min_value=0))
def test_whatever_is_delivered_stands_in_the_bytes_as_the_oracle_reads_them(open_to_all: Endpoint, seed: int) -> None:
    path = open_to_all.path.encode()
    raw = requests(Random(seed), path, SIGNED) + LAST
    found = delivered(open_to_all, raw)
    assert told(found, path, raw), (raw, found)


def test_the_oracle_notices_what_is_not_in_the_bytes() -> None:
    raw = request("/h/a", b"one") + request("/h/a", b"two")
    marked: Headers = [(b"host", b"hooks.example.com")]
    assert told([(b"one", marked), (b"two", marked)], b"/h/a", raw)
    for wrong in ([(b"two", marked), (b"one", marked)], [(b"three", marked)], [(b"one", [(b"x", b"y")])]):
        assert not told(wrong, b"/h/a", raw)
    assert not told([(b"one", marked)], b"/h/b", raw)
    assert messages(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\non") == []


def test_the_oracle_reads_two_requests_and_their_bodies() -> None:
    raw = (
        request("/h/a", b"one")
        + b"\r\n"
        + head("/h/b", b"Host: x", b"Transfer-Encoding: chunked")
        + b"2\r\nab\r\n0\r\n\r\n"
    )
    assert [(each.target, each.body) for each in messages(raw)] == [(b"/h/a", b"one"), (b"/h/b", b"ab")]
    assert isinstance(messages(raw)[0], Message)


def test_answers_to_calls_that_come_together_keep_their_order(hasty: House) -> None:
    endpoint = hasty.endpoint()
    with hasty.connect() as connection:
        connection.sendall(b"".join(request(p, BODY, [SIGNED]) for p in (endpoint.path, "/h/x", endpoint.path)))
        assert [read_answer(connection).status for _ in range(3)] == [202, 404, 202]

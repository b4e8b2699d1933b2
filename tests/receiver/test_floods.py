"""Many connections at once that are slow or greedy: what is good gets through meanwhile, and memory stays bounded."""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookgate.model.binding import encode
from hookgate.receiver.settings import Edge
from tests.receiver.rig import House, bounds, make_binding, read_answer, request, settings, signature
from tests.receiver.test_process import Process, started, until

BODY = b'{"n":1}'
SIGNED = [(b"X-Signature", signature(BODY))]
_SLOW = 500
#: How many uploads, how large they say they are, and how much of it each sends at most.
_UPLOADS, _LARGE, _SENT = 200, 64 << 20, 5 << 20
#: What a receiver may hold of bodies by its settings, and as much again for sockets, buffers and the allocator.
_MOST_MIB = 2 * 64.0


@pytest.fixture(scope="module", autouse=True)
def descriptors() -> Iterator[None]:
    """Both ends of every connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * _SLOW + 512
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


#: What somebody sends byte by byte: a head, a body that is declared, one in chunks.
DRIPS = {
    "a head": b"",
    "a declared body": b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
    "a chunked body": b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
}


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS.keys())
def test_five_hundred_connections_at_a_byte_a_second_stop_nobody_else_and_are_ended(edge: Edge, drip: bytes) -> None:
    patience = {"bounds": bounds(head_seconds=3, connections=2 * _SLOW), "body_seconds": 3}
    roomy = {"max_in_flight": 4 * _SLOW, "max_in_flight_per_endpoint": 2 * _SLOW}
    with House(settings(edge=edge, **patience, **roomy)).running() as house, contextlib.ExitStack() as stack:
        good, slow = house.endpoint(), house.endpoint()
        start = drip % slow.path.encode() if drip else b"POST "
        connections = [stack.enter_context(house.connect()) for _ in range(_SLOW)]
        for connection in connections:
            connection.sendall(start)
        with house.connect() as kept:
            rounds = 0
            while connections:
                for connection in connections:
                    with contextlib.suppress(ConnectionError):
                        connection.send(b"a")
                for _ in range(20):
                    kept.sendall(request(good.path, BODY, SIGNED))
                    assert read_answer(kept).status == 202
                rounds += 1
                assert rounds < 60
                connections = _still_open(connections, 1.0)
        assert len(good.seen) == 20 * rounds >= 40
        assert slow.seen == []
        house.until(lambda: (house.receiver.load.calls, house.receiver.load.held_bytes) == (0, 0))


def _still_open(connections: list[socket.socket], seconds: float) -> list[socket.socket]:
    """Wait, and return the connections that the other end has not ended; answers are read and forgotten."""
    ended: set[socket.socket] = set()
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and len(ended) < len(connections):
            for key, _ in selector.select(left):
                sender = key.fileobj
                assert isinstance(sender, socket.socket)
                try:
                    came = sender.recv(65_536)
                except ConnectionError:
                    came = b""
                if not came:
                    selector.unregister(sender)
                    ended.add(sender)
    return [connection for connection in connections if connection not in ended]


def upload(process: Process, path: str, kind: str) -> bytes:
    """Send far more than anybody may; return the beginning of what comes back."""
    framing = {
        "declared": b"Content-Length: %d" % _LARGE,
        "lying": b"Content-Length: 1000000",
        "chunked": b"Transfer-Encoding: chunked",
    }[kind]
    piece = b"a" * 65_536 if kind != "chunked" else b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    with process.connect() as connection:
        connection.settimeout(60)
        try:
            connection.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % (path.encode(), framing))
            for _ in range(_SENT // 65_536):
                connection.sendall(piece)
        except OSError:
            pass
        try:
            return connection.recv(12)
        except OSError:
            return b""


def peak_mib(pid: int) -> float:
    """Return the most that a process ever had in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


@pytest.mark.parametrize(
    "kind", [pytest.param("declared", marks=pytest.mark.slow), pytest.param("lying", marks=pytest.mark.slow), "chunked"]
)
def test_two_hundred_uploads_at_once_that_are_far_too_large_leave_memory_bounded(
    tmp_path: Path, edge: Edge, kind: str
) -> None:
    binding = make_binding(1, "http://127.0.0.1:1/", max_body_bytes=4 << 20)
    (tmp_path / "uid-1.json").write_bytes(encode(binding))
    path = f"/h/{binding.segment}"
    with started(tmp_path, edge) as process:
        until(lambda: process.ready() == 200)
        before = peak_mib(process.popen.pid)
        answers: list[bytes] = []
        senders = [
            threading.Thread(target=lambda: answers.append(upload(process, path, kind))) for _ in range(_UPLOADS)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert len(answers) == _UPLOADS
        # Too large, too much at a time, no signature; what comes after a body that lied is no request; or hung up.
        assert {answer[9:12] for answer in answers} <= {b"413", b"503", b"401", b"400", b""}
        assert peak_mib(process.popen.pid) - before < _MOST_MIB
        with process.connect() as connection:
            connection.sendall(request(path, BODY))
            assert read_answer(connection).status == 401


#: How many connections one address may have.
_MANY = 2_000
#: What these connections cost by themselves, and what they may hold: together, or (uvicorn) each by itself.
_MOST_OF_HEADS_MIB = {Edge.LEAN: 96.0, Edge.UVICORN: 128.0}
#: What somebody sends and leaves at that.
UNFINISHED = {
    "many short headers": (b"POST /x HTTP/1.1\r\n" + b"".join(b"h%03d:%04d\r\n" % (i, i) for i in range(1000)),),
    "all headers there may be": (b"POST /x HTTP/1.1\r\n" + b"".join(b"h%03d:%075d\r\n" % (i, i) for i in range(130)),),
    "a long header": (b"POST /x HTTP/1.1\r\nh: " + b"a" * 32_000,),
    "a longer one": (b"POST /x HTTP/1.1\r\nh: " + b"a" * 64_000,),
    "a long one in two pieces": (b"POST /x HTTP/1.1\r\nh: " + b"a" * 16_000, b"a" * 16_000),
}
#: What is answered and leaves an idle connection, or one that is not read any more.
OTHERS = {
    "a whole head": (
        b"GET /x HTTP/1.1\r\nHost: x\r\n" + b"".join(b"h%03d:%04d\r\n" % (i, i) for i in range(180)) + b"\r\n",
    ),
    "a long target": (b"GET /" + b"x" * 32_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",),
    "a header behind another call": (b"GET /x HTTP/1.1\r\nHost: x\r\n\r\nPOST /x HTTP/1.1\r\nh: " + b"a" * 60_000,),
    "a trailer": (b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nh: " + b"a" * 60_000,),
}


@pytest.mark.parametrize(
    ("chosen", "pieces"),
    [
        *(pytest.param(edge, pieces, id=f"{edge}-{name}") for name, pieces in UNFINISHED.items() for edge in Edge),
        *(pytest.param(Edge.LEAN, pieces, id=f"{Edge.LEAN}-{name}") for name, pieces in OTHERS.items()),
    ],
)
def test_thousands_of_heads_from_one_address_leave_memory_bounded(
    tmp_path: Path, chosen: Edge, pieces: tuple[bytes, ...]
) -> None:
    with started(tmp_path, chosen) as process, contextlib.ExitStack() as stack:
        until(lambda: process.ready() == 200)
        before = peak_mib(process.popen.pid)
        connections = [stack.enter_context(process.connect()) for _ in range(_MANY)]
        for piece in pieces:
            for connection in connections:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(piece)
        with process.connect() as another:
            another.sendall(request("/h/nobody", BODY))
            assert read_answer(another).status == 404
        assert peak_mib(process.popen.pid) - before < _MOST_OF_HEADS_MIB[chosen]


def test_senders_that_do_not_wait_for_their_answers_leave_memory_bounded(tmp_path: Path) -> None:
    """The lean edge's word. Their first call's target never answers, so all that follows has to wait."""
    raw = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"a%d:b%d\r\n" % (i, i) for i in range(30)) + b"\r\n"
    with socket.create_server(("127.0.0.1", 0), backlog=512) as target:
        binding = make_binding(1, f"http://127.0.0.1:{target.getsockname()[1]}/", timeout_ms=60_000)
        (tmp_path / "uid-1.json").write_bytes(encode(binding))
        with started(tmp_path, Edge.LEAN) as process, contextlib.ExitStack() as stack:
            until(lambda: process.ready() == 200)
            before = peak_mib(process.popen.pid)
            connections = [stack.enter_context(process.connect()) for _ in range(200)]
            for connection in connections:
                connection.sendall(request(f"/h/{binding.segment}", BODY, SIGNED))
                connection.setblocking(False)
            for _ in range(5):
                for connection in connections:
                    with contextlib.suppress(OSError):
                        connection.send(raw * 800)
            with process.connect() as another:
                another.sendall(request("/h/nobody", BODY))
                assert read_answer(another).status == 404
            assert peak_mib(process.popen.pid) - before < _MOST_OF_HEADS_MIB[Edge.LEAN]

"""Idle connections against the number of files that a process may open."""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookgate.model.binding import encode
from hookgate.receiver.descriptors import fitting
from hookgate.receiver.settings import Edge
from tests.receiver.rig import bounds, make_binding, read_answer, request, signature
from tests.receiver.test_process import Process, SlowTarget, started, until

BODY = b'{"n":1}'
_IDLE = 1_100


@pytest.fixture(scope="module", autouse=True)
def descriptors() -> Iterator[None]:
    """The senders' ends of all connections are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _IDLE + 512), max(hard, _IDLE + 512)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def call(tmp_path: Path) -> bytes:
    """A call that needs one more descriptor, since it is delivered."""
    target = SlowTarget()
    target.go.set()
    binding = make_binding(1, target.url)
    (tmp_path / "uid-1.json").write_bytes(encode(binding))
    return request(f"/h/{binding.segment}", BODY, [(b"X-Signature", signature(BODY))])


def idle(process: Process, stack: contextlib.ExitStack, count: int) -> None:
    """Open connections that say nothing; the last one is accepted when this returns."""
    for _ in range(count):
        stack.enter_context(process.connect())
    until(lambda: process.ready() == 200)


def status(connection: socket.socket, raw: bytes) -> int:
    """Send a call and return the status of its answer."""
    connection.sendall(raw)
    return read_answer(connection).status


def test_a_thousand_idle_connections_stop_nobody_where_the_soft_limit_is_low(
    tmp_path: Path, edge: Edge, call: bytes
) -> None:
    with started(tmp_path, edge, "ulimit -Sn 256") as process, contextlib.ExitStack() as stack:
        until(lambda: process.ready() == 200)
        idle(process, stack, _IDLE)
        with process.connect() as another:
            assert status(another, call) == 202


def test_where_the_hard_limit_is_low_fewer_connections_are_taken_and_the_log_says_so(
    tmp_path: Path, edge: Edge, call: bytes
) -> None:
    with started(tmp_path, edge, "ulimit -n 512") as process, contextlib.ExitStack() as stack:
        until(lambda: process.ready() == 200)
        kept = stack.enter_context(process.connect())
        assert status(kept, request("/h/nobody", BODY)) == 404
        idle(process, stack, _IDLE)
        assert status(kept, call) == 202
        elsewhere = ("127.0.0.1", process.public)
        with socket.create_connection(elsewhere, 10, source_address=("127.0.0.2", 0)) as another:
            assert status(another, request("/h/nobody", BODY)) == 404
        process.popen.send_signal(signal.SIGTERM)
        said = b"".join(process.popen.communicate(timeout=30))
    assert b"may open 512 files, so it takes 128 connections instead of 4096" in said


@pytest.mark.parametrize(
    ("files", "each", "connections", "per_address"),
    [(5_000, 1, 4_000, 2_000), (9_000, 2, 4_000, 2_000), (3_000, 1, 2_000, 1_000), (3_000, 2, 1_000, 500),
     (1_024, 1, 256, 128), (4, 1, 1, 1)],
)  # fmt: skip
def test_connections_are_what_is_left_beside_all_others_and_an_address_keeps_its_share(
    files: int, each: int, connections: int, per_address: int
) -> None:
    found = fitting(bounds(connections=4_000, connections_per_address=2_000), files=files, others=1_000, each=each)
    assert (found.connections, found.connections_per_address) == (connections, per_address)

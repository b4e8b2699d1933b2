"""The probes: dead is what stands still for longer than any failure around it explains, and nothing else."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from hookgate.control.health import STILL, Health
from tests.cluster.plane import probe


@contextmanager
def serving(health: Health) -> Iterator[tuple[int, asyncio.AbstractEventLoop]]:
    """Serve probes on a loop of their own: the port, and the loop."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    task = asyncio.run_coroutine_threadsafe(health.serve("127.0.0.1", port), loop)
    try:
        while probe(port, "/livez") == 0:
            assert not task.done()
        yield port, loop
    finally:
        task.cancel()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.mark.parametrize(
    ("still", "status"),
    [({}, 200), ({"a watch": STILL}, 200), ({"a watch": 0.0, "a request": STILL + 1}, 503)],
)
def test_what_has_stood_still_for_too_long_is_dead(still: Mapping[str, float], status: int) -> None:
    with serving(Health(still=lambda: still)) as (port, _):
        assert probe(port, "/livez") == status


def test_a_blocked_event_loop_gives_no_answer_until_it_turns_again() -> None:
    """No answer in its time is what a probe counts as a failure."""
    with serving(Health()) as (port, loop):
        go_on = threading.Event()
        loop.call_soon_threadsafe(go_on.wait)
        with socket.create_connection(("127.0.0.1", port), timeout=0.3) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            with pytest.raises(TimeoutError):
                connection.recv(1)
        go_on.set()
        assert probe(port, "/livez") == 200


def test_readiness_is_a_matter_of_full_caches_alone() -> None:
    """Who stands by is ready, and whatever is stuck is no reason to be less so."""
    health = Health(still=lambda: {"a watch": STILL + 1})
    with serving(health) as (port, _):
        before = probe(port, "/readyz")
        health.ready = True
        assert (before, probe(port, "/readyz")) == (503, 200)

"""The receiver as a process: its way up, its way down, and what it says meanwhile."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hookgate.model.binding import encode
from hookgate.receiver.settings import Edge
from tests.compiled import environment
from tests.receiver.rig import OK, SECRET, House, make_binding, read_answer, request, settings, signature

BODY = b'{"n":1}'
SIGNED = [(b"X-Signature", signature(BODY))]
_WAIT = 10.0


class SlowTarget:
    """A target that answers one call when it is let."""

    def __init__(self) -> None:
        """Listen."""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.asked, self.go = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with self.listener:
            connection, _ = self.listener.accept()
        with connection:
            raw = b""
            while not raw.endswith(BODY):
                raw += connection.recv(4096)
            self.asked.set()
            self.go.wait(_WAIT)
            connection.sendall(OK)


class Process:
    """A receiver in a process of its own, fed from a folder."""

    def __init__(self, folder: Path, edge: Edge, under: str = "") -> None:
        """Start it, after what the shell is told first (``under``), and wait for its ports."""
        self.popen = subprocess.Popen(
            [
                *("sh", "-c", f'{under or ":"}; exec "$@"', "sh"),
                *(sys.executable, "-m", "tests.receiver.serving", str(folder), edge),
            ],
            cwd=Path(__file__).parents[2],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.popen.stdout is not None
        self.public, self.private = map(int, self.popen.stdout.readline().split())

    def ready(self) -> int:
        """Return the status of the readiness probe."""
        with socket.create_connection(("127.0.0.1", self.private), timeout=_WAIT) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            return read_answer(connection).status

    def connect(self) -> socket.socket:
        """Connect to the public port."""
        return socket.create_connection(("127.0.0.1", self.public), timeout=_WAIT)

    def accepts(self) -> bool:
        """Tell whether the public port accepts connections."""
        try:
            self.connect().close()
        except OSError:
            return False
        return True


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + _WAIT
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)


@contextlib.contextmanager
def started(folder: Path, edge: Edge, under: str = "") -> Iterator[Process]:
    """Run a receiver, and make sure that it ends."""
    process = Process(folder, edge, under)
    try:
        yield process
    finally:
        process.popen.kill()
        process.popen.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_readiness_first_then_new_connections_and_a_call_in_flight_last(
    tmp_path: Path, number: signal.Signals, edge: Edge
) -> None:
    target = SlowTarget()
    binding = make_binding(1, target.url)
    (tmp_path / "uid-1.json").write_bytes(encode(binding))
    with started(tmp_path, edge) as process, process.connect() as connection:
        until(lambda: process.ready() == 200)
        connection.sendall(request(f"/h/{binding.segment}", BODY, SIGNED))
        assert target.asked.wait(_WAIT)
        process.popen.send_signal(number)
        until(lambda: process.ready() == 503)
        until(lambda: not process.accepts())
        target.go.set()
        answer = read_answer(connection)
        assert (answer.status, answer.header("connection")) == (202, "close")
        assert process.popen.wait(_WAIT) == 0


def test_a_process_says_nothing_secret(tmp_path: Path, edge: Edge) -> None:
    target = SlowTarget()
    target.go.set()
    binding = make_binding(1, target.url)
    (tmp_path / "uid-1.json").write_bytes(encode(binding))
    (tmp_path / "uid-2.json").write_bytes(encode(make_binding(3, target.url)))
    with started(tmp_path, edge) as process:
        until(lambda: process.ready() == 200)
        for headers in (SIGNED, [], [(b"X-Signature", b"sha256=zz")]):
            with process.connect() as connection:
                connection.sendall(request(f"/h/{binding.segment}?q=marked", BODY, headers))
                read_answer(connection)
        with process.connect() as connection:
            connection.sendall(b"NONSENSE marked\r\n\r\n")
            connection.recv(100)
        process.popen.send_signal(signal.SIGTERM)
        said = b"".join(process.popen.communicate(timeout=_WAIT))
    hidden = [SECRET, str(binding.segment).encode(), target.url.encode(), b"marked", BODY, signature(BODY)]
    assert b"hook-1" in said
    assert [h for h in hidden if h in said or repr(h)[2:-1].encode() in said] == []


def test_every_call_to_a_known_endpoint_leaves_a_receipt(edge: Edge) -> None:
    with House(settings(edge=edge)).running() as house:
        endpoint = house.endpoint()
        endpoint.call()
        house.post(endpoint.path, BODY)
        house.post("/h/nobody", BODY)
        house.until(lambda: len(house.receipts) == 2)
        told = [(r.namespace, r.name, r.status, r.reason, r.key_id, r.target_status) for r in house.receipts]
    name = endpoint.binding.name
    assert told == [
        ("team-a", name, 202, None, "k1", 202),
        ("team-a", name, 401, "missing-credential", None, None),
    ]


def test_a_listener_of_receipts_that_fails_harms_no_call(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("secret")

    house = House(settings(edge=edge))
    monkeypatch.setattr(house, "receipts", type("", (), {"append": staticmethod(fail)})())
    with house.running():
        assert house.endpoint().call().status == 202


def test_a_source_that_fails_is_started_again_and_the_table_stays_meanwhile(edge: Edge) -> None:
    with House(settings(edge=edge), failures=1).running() as house:
        meanwhile = (house.endpoint().call().status, house.inside(lambda: house.receiver.table.loaded))
        house.until(lambda: house.receiver.table.loaded)
        assert meanwhile == (202, False)


def test_an_address_that_is_taken_is_an_error(edge: Edge) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        house = House(settings(edge=edge, port=taken.getsockname()[1]))
        with pytest.raises(OSError, match="in use"):
            house.run_to_the_end()


def test_an_error_inside_is_answered_as_one_and_named_by_its_type_alone(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    # A name from a module that is never compiled: among those that are, calls do not go by name.
    monkeypatch.setattr("hookgate.receiver.table.compile_handshake", lambda *_: fail)
    answer = house.endpoint().call()
    assert (answer.status, answer.body) == (500, b'{"error":"internal error"}\n')
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_a_second_stop_cuts_the_delay_short(edge: Edge) -> None:
    with House(settings(edge=edge, drain_delay=3600)).running() as house:
        house.inside(house.receiver.stop)
        house.inside(house.receiver.stop)
        assert house.ends_by_itself(_WAIT)

"""What do an endpoint's callers notice of what is done to the receiver beside them?

Run it with ``python -m tests.bench.neighbours``; it needs Go and takes a minute and a half. One receiver with its usual
bounds, as a process on one core; client, targets and whoever does harm are on the other. A client that holds its rate
calls one endpoint, and the latencies of its calls are told: alone, and while connections drip, another endpoint's
target answers nobody, another endpoint is called far more often than it may be, or strangers forge. It asserts nothing:
figures belong to the machine that made them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hookgate.model.binding import Binding, decode, encode
from hookgate.model.rate import Rate
from hookgate.receiver.loop import run_on_uvloop
from hookgate.receiver.process import run_receiver
from hookgate.receiver.source import FolderSource
from tests.bench.receiver import world
from tests.bench.receiver.contenders import PEERS, ready
from tests.bench.receiver.machine import Missing, Process, check, cores, ended, free_ports, until
from tests.bench.receiver.serve import on_loopback

RATE, SECONDS = 500, 12
DRIPPING, WAITING = 500, 256
GOOD, SLOW, LIMITED, FORGED = range(4)
_ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
_REQUEST_ENDS = b'"}'  # what the client's bodies end with

Harm = Callable[[], contextlib.AbstractContextManager[object]]


async def serve(folder: Path, port: int) -> None:
    """Be the receiver."""
    await run_receiver(on_loopback(port), FolderSource(folder, interval=1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the receiver is, and the client's program."""

    port: int
    client: Path

    def command(self, endpoint: int, *options: str) -> list[str]:
        """Return the command of a client that calls an endpoint."""
        pinned = ["taskset", "--cpu-list", str(cores()[1]), str(self.client)]
        where = ["-address", f"127.0.0.1:{self.port}", "-path", world.path(endpoint), "-secret", world.SECRET]
        return [*pinned, *where, *options]

    def measure(self) -> dict[str, float]:
        """Call the good endpoint for a while; what its client tells."""
        options = ("-rate", str(RATE), "-connections", "32", "-warmup", "2s", "-duration", f"{SECONDS}s")
        done = subprocess.run(self.command(GOOD, *options), check=True, capture_output=True)
        found = json.loads(done.stdout)
        taken = found["statuses"].get("202", 0)
        return {**found, "wrong": found["answers"] - taken + found["failures"]}

    @contextlib.contextmanager
    def flood(self, endpoint: int, *options: str) -> Iterator[None]:
        """Call another endpoint meanwhile."""
        command = self.command(endpoint, *options, "-duration", "60s")
        caller = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            caller.kill()
            caller.wait()

    @contextlib.contextmanager
    def drips(self) -> Iterator[None]:
        """Keep connections open that send a byte a second: of a head, or of a body that the head declares."""
        over = threading.Event()
        dripping = threading.Thread(target=self._drip, args=(over,))
        dripping.start()
        try:
            yield
        finally:
            over.set()
            dripping.join()

    def _drip(self, over: threading.Event) -> None:
        body = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" % world.path(SLOW).encode()
        connections: list[socket.socket] = []
        while not over.wait(1.0):
            for connection in tuple(connections):
                try:
                    connection.send(b"a")
                except OSError:  # its time was up
                    connection.close()
                    connections.remove(connection)
            while len(connections) < DRIPPING:
                fresh = socket.create_connection(("127.0.0.1", self.port))
                fresh.sendall(body if len(connections) % 2 else b"POST /")
                connections.append(fresh)
        for connection in connections:
            connection.close()


class _Target(asyncio.Protocol):
    """Answers each request at once, or never."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._silent and data.endswith(_REQUEST_ENDS):
            self._transport.write(_ANSWER)


@contextlib.contextmanager
def targets(ports: tuple[int, int]) -> Iterator[None]:
    """Run one target that answers and one that does not."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        for port, silent in zip(ports, (False, True), strict=True):
            listening = loop.create_server(partial(_Target, silent=silent), "127.0.0.1", port)
            asyncio.run_coroutine_threadsafe(listening, loop).result()
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def endpoints(fast: int, silent: int) -> list[Binding]:
    """What the receiver serves, in the order of their numbers."""
    address = f"http://127.0.0.1:{fast}/"
    found = []
    for raw in world.bindings(FORGED + 1, address, address).values():
        binding = decode(raw)
        assert isinstance(binding, Binding)
        found.append(binding)
    found[SLOW] = replace(found[SLOW], target=f"http://127.0.0.1:{silent}/")
    found[LIMITED] = replace(found[LIMITED], rate=Rate(requests=10, per_ms=1000, burst=10))
    return found


def harms(stage: Stage) -> dict[str, Harm]:
    """What is done meanwhile, by what to call it."""
    return {
        "nothing": contextlib.nullcontext,
        f"{DRIPPING} connections at a byte a second": stage.drips,
        f"{WAITING} calls wait for a target that answers nobody": lambda: stage.flood(
            SLOW, "-connections", str(WAITING), "-rate", "200"
        ),
        "an endpoint gets 5,000 calls a second and may get 10": lambda: stage.flood(LIMITED, "-rate", "5000"),
        "5,000 forged calls a second for an endpoint": lambda: stage.flood(FORGED, "-rate", "5000", "-forge"),
        "nothing, again": contextlib.nullcontext,
    }


def measure(folder: Path) -> None:
    """Start everything, print a line for each harm, end everything."""
    client, hooks = folder / "load", folder / "hooks"
    subprocess.run(["go", "build", "-trimpath", "-o", str(client), "./load"], cwd=PEERS, check=True)
    port, fast, silent = free_ports(3)
    hooks.mkdir()
    for binding in endpoints(fast, silent):
        (hooks / f"{binding.uid}.json").write_bytes(encode(binding))
    processes: list[Process] = []
    with ended(processes), targets((fast, silent)):
        command = (sys.executable, "-m", "tests.bench.neighbours", str(hooks), str(port))
        processes.append(Process(command, on=cores()[:1], folder=folder))
        until(lambda: ready(port + 1), "the receiver to be ready", processes)
        print(
            "| meanwhile | calls | not answered 202 | p50, ms | p99, ms | p99.9, ms |\n|---|---:|---:|---:|---:|---:|"
        )
        stage = Stage(port=port, client=client)
        for title, harm in harms(stage).items():
            with harm():
                found = stage.measure()
            times = " | ".join(f"{found[name] / 1000:.2f}" for name in ("p50_us", "p99_us", "p999_us"))
            print(f"| {title} | {found['answers']:,} | {found['wrong']} | {times} |", flush=True)


def main() -> int:
    """Measure; or be the receiver, where a folder and a port are given."""
    if len(sys.argv) == 3:
        run_on_uvloop(serve(Path(sys.argv[1]), int(sys.argv[2])))
        return 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        check()
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder))
    except Missing as missing:
        print(f"bench: {missing}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

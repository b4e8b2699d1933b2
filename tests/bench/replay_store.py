"""What it costs to remember a call: ``python -m tests.bench.replay_store [NATS]``.

First in a receiver's own memory, then in an engine that receivers share. Each call is claimed and then committed: two
questions, pipelined as a receiver's calls are. Redis (or Valkey) is taken from PATH; NATS, a JetStream key-value bucket
in memory with a time to live for each key, from the program that is named
(``go install github.com/nats-io/nats-server/v2@v2.15.2``). Both are spoken to in their own protocols by the same bare
client, so that no library's cost is measured. It asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hookgate.receiver.replay import Memory
from hookgate.scheme.replay import MARK_BYTES, Mark

CALLS, WINDOW, SLOW_CALLS, ROUNDS = 50_000, 64, 2_000, 3
_TICKS = os.sysconf("SC_CLK_TCK")


class Redis:
    """``SET key claim NX GET PX lease``, then ``SET key seen PX window``."""

    name, greeting = "Redis", b""

    def command(self, folder: str, port: int) -> list[str]:
        """Return how to start the engine."""
        found = shutil.which("redis-server") or shutil.which("valkey-server") or "redis-server"
        return [found, "--port", str(port), "--save", "", "--dir", folder]

    def claim(self, key: bytes, _number: int) -> bytes:
        """Return the question."""
        return _resp(b"SET", b"r:" + key, b"cabcdefgh12345678", b"NX", b"GET", b"PX", b"20000")

    def commit(self, key: bytes, _number: int) -> bytes:
        """Return the question."""
        return _resp(b"SET", b"r:" + key, b"s", b"PX", b"86400000")

    def answers(self, data: bytes) -> int:
        """Count the answers; each is one line or the missing value."""
        return data.count(b"+OK\r\n") + data.count(b"$-1\r\n")


class Nats:
    """A publication that expects the subject to be new, then one that does not."""

    name = "NATS JetStream"
    greeting = (
        b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"protocol":1,"lang":"bench","version":"0"}\r\n'
        b"SUB _INBOX.b.* 1\r\n"
    )

    def command(self, folder: str, port: int) -> list[str]:
        """Return how to start the engine."""
        return [NATS, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", folder]

    def create(self) -> bytes:
        """Return the question that makes the bucket."""
        config = (
            b'{"name":"KV_r","subjects":["$KV.r.>"],"max_msgs_per_subject":1,"storage":"memory",'
            b'"allow_msg_ttl":true,"allow_direct":true,"discard":"new","num_replicas":1}'
        )
        return b"PUB $JS.API.STREAM.CREATE.KV_r _INBOX.b.0 %d\r\n%s\r\n" % (len(config), config)

    def claim(self, key: bytes, number: int) -> bytes:
        """Return the question."""
        return self._publish(key, number, b"Nats-Expected-Last-Subject-Sequence: 0\r\nNats-TTL: 20s\r\n", b"c12345678")

    def commit(self, key: bytes, number: int) -> bytes:
        """Return the question."""
        return self._publish(key, number, b"Nats-TTL: 86400s\r\n", b"s")

    def _publish(self, key: bytes, number: int, headers: bytes, payload: bytes) -> bytes:
        head = b"NATS/1.0\r\n" + headers + b"\r\n"
        sizes = (len(head), len(head) + len(payload))
        return b"HPUB $KV.r.%s _INBOX.b.%d %d %d\r\n%s%s\r\n" % (key, number, *sizes, head, payload)

    def answers(self, data: bytes) -> int:
        """Count the answers."""
        return data.count(b'"seq":')


NATS = "nats-server"


def _resp(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One round: calls a second, the engine's CPU in µs for each, bytes for each, and the waits of one at a time."""

    rate: float
    cpu: float
    size: float
    median: float
    tail: float


@contextmanager
def running(engine: Redis | Nats) -> Iterator[tuple[int, int]]:
    """Run the engine on the last core; its port and process id."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        last = max(os.sched_getaffinity(0))
        command = ["taskset", "-c", str(last), *engine.command(folder, port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                _until_listening(port)
                yield port, process.pid
            finally:
                process.terminate()


def _until_listening(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def used(pid: int) -> tuple[float, int]:
    """Return the CPU seconds and the resident bytes of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return (int(fields[11]) + int(fields[12])) / _TICKS, resident


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, engine: Redis | Nats, questions: list[bytes]
) -> None:
    """Send questions and wait for as many answers."""
    writer.write(b"".join(questions))
    missing, rest = len(questions), b""
    while missing:
        data = rest + await reader.read(1 << 16)
        whole, end, rest = data.rpartition(b"\r\n")
        missing -= engine.answers(whole + end)


async def one_round(engine: Redis | Nats, port: int, pid: int, number: int) -> Found:
    """Claim and commit, many at a time; then one at a time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if isinstance(engine, Nats):
        await reader.readline()  # INFO
        writer.write(engine.greeting)
        if number == 0:
            writer.write(engine.create())
            while b"created" not in await reader.readline():
                pass
    keys = [b"%d-%029d" % (number, n) for n in range(CALLS + SLOW_CALLS)]
    (cpu, size), began = used(pid), time.perf_counter()
    for start in range(0, CALLS, WINDOW):
        part = list(enumerate(keys[start : min(start + WINDOW, CALLS)]))
        await ask(reader, writer, engine, [engine.claim(key, n) for n, key in part])
        await ask(reader, writer, engine, [engine.commit(key, n) for n, key in part])
    took, (cpu_after, size_after) = time.perf_counter() - began, used(pid)
    waits = []
    for key in keys[CALLS:]:
        began = time.perf_counter()
        await ask(reader, writer, engine, [engine.claim(key, 1)])
        waits.append(time.perf_counter() - began)
        await ask(reader, writer, engine, [engine.commit(key, 1)])
    writer.close()
    waits.sort()
    return Found(
        rate=CALLS / took,
        cpu=(cpu_after - cpu) / CALLS * 1e6,
        size=(size_after - size) / CALLS,
        median=statistics.median(waits) * 1e6,
        tail=waits[int(len(waits) * 0.99)] * 1e6,
    )


def own_memory() -> None:
    """Print what claiming and committing costs in the receiver itself, and how much room a call takes there."""
    marks = [(Mark(0, os.urandom(MARK_BYTES), 1e9, 2e9),) for _ in range(2 * CALLS)]
    memory = Memory({"u"}, most=len(marks), most_each=len(marks))
    (_, before), began = used(os.getpid()), time.perf_counter()
    for each in marks:
        memory.claim("u", each, 0.0)
        memory.commit("u", each)
    took, (_, after) = time.perf_counter() - began, used(os.getpid())
    # What a mark consists of is made beforehand, and kept by the memory afterwards.
    size = (after - before) / len(marks) + sys.getsizeof(marks[0][0].key) + 2 * sys.getsizeof(1e9)
    print(f"own memory: {took / len(marks) * 1e6:.1f} µs and {size:.0f} bytes a call")


def main() -> None:
    """Measure all, the engines in turns, and print one line for each round."""
    global NATS  # noqa: PLW0603 -- the one thing that is chosen
    parser = argparse.ArgumentParser(prog="python -m tests.bench.replay_store", description=__doc__)
    parser.add_argument("nats", nargs="?", help="the program nats-server; without it Redis alone is measured")
    NATS = parser.parse_args().nats or NATS
    own_memory()
    engines: list[Redis | Nats] = [Redis(), *([Nats()] if shutil.which(NATS) else [])]
    for number in range(ROUNDS):
        for engine in engines:
            with running(engine) as (port, pid):
                found = asyncio.run(one_round(engine, port, pid, 0))
            print(
                f"{engine.name:15} round {number + 1}: {found.rate:8,.0f} calls/s, engine {found.cpu:5.1f} µs and "
                f"{found.size:4.0f} bytes a call; alone a claim waits {found.median:4.0f} µs (p99 {found.tail:5.0f})"
            )


if __name__ == "__main__":
    main()

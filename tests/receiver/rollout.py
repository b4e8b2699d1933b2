"""Two receivers behind a balancer, and callers who count what became of every call: for tests of replacements.

The balancer does what balancers do and no more: it asks for readiness, keeps connections, and sends nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator
from pathlib import Path

from hookgate.model.binding import encode
from hookgate.receiver.settings import Edge
from tests.compiled import environment
from tests.receiver.rig import OK, make_binding, request, signature

_ROOT = Path(__file__).parents[2]
_PROBE_SECONDS = 0.05
_WAIT = 60.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one message with a content length: its head and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
    return head, await reader.readexactly(int(length.partition(b":")[2]))


@contextlib.asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close a connection in the end, which is where its other end has closed it, or the test is over."""
    try:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            yield
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()


class Target:
    """Answers every call and counts bodies."""

    def __init__(self) -> None:
        self.got: Counter[bytes] = Counter()
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve on an ephemeral port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with closing(writer):
            while True:
                _, body = await read_message(reader)
                self.got[body] += 1
                await asyncio.sleep(0.005)  # so that calls are under way whenever a receiver ends
                writer.write(OK)
                await writer.drain()


class Receiver:
    """One receiver's process, and the connections that the balancer keeps to it."""

    def __init__(self, process: asyncio.subprocess.Process, public: int, private: int) -> None:
        self.process, self.public, self.private = process, public, private
        self.ready = False
        self.idle: deque[Streams] = deque()

    @classmethod
    async def start(cls, folder: Path, edge: Edge, drain_delay: float) -> Receiver:
        """Start a process and learn its ports."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.receiver.serving", str(folder), edge, str(drain_delay)),
            cwd=_ROOT,
            env={**environment(), "PATH": os.environ["PATH"]},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        ports = (await asyncio.wait_for(process.stdout.readline(), _WAIT)).split()
        receiver = cls(process, *map(int, ports))
        receiver.reading = asyncio.create_task(_read_on(process.stdout))
        return receiver

    reading: asyncio.Task[None]

    async def probe(self) -> None:
        """Ask for readiness once."""
        told = False
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.private)
            async with closing(writer):
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                head, _ = await read_message(reader)
                told = head.startswith(b"HTTP/1.1 200 ")
        self.ready = told

    async def end(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.process.wait(), _WAIT)
        await self.forget()
        return code

    async def forget(self) -> None:
        """Close what was kept, now that the process has ended."""
        await self.reading
        while self.idle:
            async with closing(self.idle.pop()[1]):
                pass


async def _read_on(stdout: asyncio.StreamReader) -> None:
    """Take what a process says, so that it never waits for somebody to."""
    while await stdout.read(65_536):
        pass


class Balancer:
    """Hands calls to ready receivers in turn."""

    def __init__(self) -> None:
        self.receivers: list[Receiver] = []
        self.port = 0
        self._turn = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve, and look after readiness."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        probing = asyncio.create_task(self._probe())
        try:
            yield
        finally:
            server.close()
            probing.cancel()

    async def until_ready(self, receiver: Receiver) -> None:
        """Wait until a new receiver takes its share."""
        async with asyncio.timeout(_WAIT):
            while not receiver.ready:  # noqa: ASYNC110 -- nothing tells of it
                await asyncio.sleep(_PROBE_SECONDS)

    async def _probe(self) -> None:
        while True:
            await asyncio.gather(*(receiver.probe() for receiver in self.receivers))
            await asyncio.sleep(_PROBE_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with closing(writer):
            while True:
                head, body = await read_message(reader)
                writer.write(await self._pass(head + body))
                await writer.drain()

    async def _pass(self, raw: bytes) -> bytes:
        ready = [receiver for receiver in self.receivers if receiver.ready]
        if not ready:
            return b"HTTP/1.1 599 Nobody Ready\r\nContent-Length: 0\r\n\r\n"
        self._turn += 1
        receiver = ready[self._turn % len(ready)]
        try:
            streams = (
                receiver.idle.pop() if receiver.idle else await asyncio.open_connection("127.0.0.1", receiver.public)
            )
            streams[1].write(raw)
            head, body = await read_message(streams[0])
        except (OSError, asyncio.IncompleteReadError) as error:
            return b"HTTP/1.1 598 %s\r\nContent-Length: 0\r\n\r\n" % type(error).__name__.encode()
        if b"\r\nconnection: close\r\n" in head.lower():
            async with closing(streams[1]):
                pass
        else:
            receiver.idle.append(streams)
        return head + body


class Load:
    """Callers who each wait for their answer and call again."""

    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self.statuses: Counter[bytes] = Counter()
        self.sent: list[bytes] = []
        self.over = False

    async def call(self) -> None:
        """Call until it is over."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        async with closing(writer):
            while not self.over:
                body = b'{"n":%d}' % len(self.sent)
                self.sent.append(body)
                writer.write(request(self._path, body, [(b"X-Signature", signature(body))]))
                head, _ = await read_message(reader)
                self.statuses[head[9:12]] += 1


async def replace_both(
    folder: Path, edge: Edge, *, times: int, callers: int, drain_delay: float
) -> tuple[Load, Target]:
    """Replace both of two receivers ``times`` times under load; each new one is ready before an old one ends."""
    target, balancer = Target(), Balancer()
    async with target.running(), balancer.running():
        binding = make_binding(1, target.url)
        (folder / "uid-1.json").write_bytes(encode(binding))
        load = Load(balancer.port, f"/h/{binding.segment}")
        try:
            for _ in range(2):
                balancer.receivers.append(await Receiver.start(folder, edge, drain_delay))
            for receiver in balancer.receivers:
                await balancer.until_ready(receiver)
            calling = [asyncio.create_task(load.call()) for _ in range(callers)]
            for _ in range(2 * times):
                old = balancer.receivers[0]
                new = await Receiver.start(folder, edge, drain_delay)
                balancer.receivers.append(new)
                await balancer.until_ready(new)
                assert await old.end() == 0
                balancer.receivers.remove(old)
            load.over = True
            async with asyncio.timeout(_WAIT):
                await asyncio.gather(*calling)
        finally:
            for receiver in balancer.receivers:
                with contextlib.suppress(ProcessLookupError):
                    receiver.process.kill()
                await receiver.process.wait()
                await receiver.forget()
    return load, target

"""A pool, and targets that play scripts: for tests of deliveries over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from hookgate.receiver.answers import Answers
from hookgate.receiver.delivery import deliver
from hookgate.receiver.dial import Judge
from hookgate.receiver.forward import Target, parse_target
from hookgate.receiver.pool import ConnectionPool
from hookgate.receiver.respond import Delivered, Delivery

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntaken"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMIT = 1000
WAIT = 10.0

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The target's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: list[bytes]) -> None:
        self.reader, self.writer, self.requests = reader, writer, requests

    async def request(self) -> bytes:
        """Read one request whole."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head[:-4].split(b"\r\n")[1:])
        raw = head + await self.reader.readexactly(int(fields[b"content-length"]))
        self.requests.append(raw)
        return raw

    async def say(self, *raws: bytes) -> None:
        """Send each of these by itself."""
        for raw in raws:
            self.writer.write(raw)
            await self.writer.drain()
            await asyncio.sleep(0)


class Scripted:
    """A target that plays one script for each connection, the last one for all that follow."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.requests: list[bytes] = []
        self.connections = 0
        self.hung_up = asyncio.Event()
        self.target: Target

    @contextlib.asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1") -> AsyncIterator[Scripted]:
        """Serve on an ephemeral port."""
        server = await asyncio.start_server(self._serve, host, 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        self.target = parse_target(f"{'https' if tls else 'http'}://{host}:{port}/hook", 5000)
        tasks = self._tasks = set[asyncio.Task[Any]]()
        try:
            yield self
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        script = self.scripts[min(self.connections, len(self.scripts)) - 1]
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await script(Peer(reader, writer, self.requests))
        writer.close()
        self.hung_up.set()


def answering(*raws: bytes, then: Script | None = None) -> Script:
    """Answer the first request with these pieces, then go on as told or wait for the end of the connection."""

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.say(*raws)
        await (then or wait_for_end)(peer)

    return play


async def wait_for_end(peer: Peer) -> None:
    """Wait until the pool closes the connection."""
    await peer.reader.read()


async def hang_up(_: Peer) -> None:
    """Close the connection."""


async def serve_all(peer: Peer) -> None:
    """Answer every request."""
    while True:
        await peer.request()
        await peer.say(OK)


@contextlib.asynccontextmanager
async def pooling(**changes: Any) -> AsyncIterator[ConnectionPool]:
    """A pool for targets on this host."""
    settings: dict[str, Any] = {
        "max_response_bytes": LIMIT,
        "max_connections": 8,
        "judge": Judge(loopback=True),
        "answers": Answers(1 << 26),
    }
    pool = ConnectionPool(**{**settings, **changes})
    try:
        yield pool
    finally:
        await pool.close()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until a condition holds; the test's own bound ends it."""
    while not condition():  # noqa: ASYNC110 -- nothing tells of it
        await asyncio.sleep(0)


async def post(pool: ConnectionPool, target: Target, body: bytes = b"{}") -> Delivery:
    """Deliver one call with one header."""
    return await deliver(pool, target, [(b"x-event", b"push")], b"", body)


Run = Callable[[Callable[[], Awaitable[Any]]], Any]


def deliver_to(run: Run, *scripts: Script, timeout: float = 5.0, calls: int = 1) -> tuple[list[Delivery], Scripted]:
    """Deliver ``calls`` calls one after another to a target that plays these scripts."""

    async def main() -> tuple[list[Delivery], Scripted]:
        async with Scripted(*scripts).running() as target, pooling() as pool:
            where = replace(target.target, timeout=timeout)
            return [await post(pool, where) for _ in range(calls)], target

    found: tuple[list[Delivery], Scripted] = run(main)
    return found


TAKEN = Delivered(status=200, headers=[(b"content-length", b"5")], body=b"taken")

"""A receiver and a target on loopback, run in one background thread, for tests that speak to them in plain sockets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import uvloop

from hookgate.model.binding import Binding, Key, encode
from hookgate.model.sensitive import Sensitive
from hookgate.receiver.calls import Receipt
from hookgate.receiver.edge import Bounds
from hookgate.receiver.process import Receiver
from hookgate.receiver.settings import ReceiverSettings
from hookgate.receiver.table import BindingTable

_T = TypeVar("_T")

HMAC = {
    "type": "hmac",
    "header": "X-Signature",
    "algorithm": "sha256",
    "encoding": "hex",
    "prefix": "sha256=",
    "message": ["body"],
}
TOKEN = {"type": "token", "header": "X-Token"}
SECRET = b"a secret of the tests, 32 bytes."
OK = b"HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\ntaken"
_WAIT = 60.0
_numbers = itertools.count(1)


def segment_for(number: int) -> str:
    """Return a valid path segment that belongs to ``number``."""
    return base64.b32encode(hashlib.sha256(b"%d" % number).digest()[:20]).decode().lower()


def make_binding(number: int, target: str, **changes: Any) -> Binding:
    """Return an active HMAC binding; ``changes`` are fields of `Binding`."""
    binding = Binding(
        uid=f"uid-{number}",
        namespace="team-a",
        name=f"hook-{number}",
        active=True,
        auth=HMAC,
        keys=(Key(id="k1", value=Sensitive(SECRET), created=0),),
        nonce="00",
        target=target,
        timeout_ms=5000,
        max_body_bytes=65536,
        segment=segment_for(number),
    )
    return replace(binding, **changes)


def signature(body: bytes, key: bytes = SECRET) -> bytes:
    """Return the header value that `HMAC` asks for."""
    return b"sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest().encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came over the wire. Header names are lower-case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    raw: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """Return the one value of a header, or None."""
        values = [v for n, v in self.headers if n == name]
        assert len(values) <= 1, values
        return values[0] if values else None


@dataclass(slots=True)
class Seen:
    """One request as the target got it."""

    line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a header, by lower-case name."""
        return [v for n, v in self.headers if n == name]


class TargetServer:
    """A server that records what it gets and answers each path with the bytes that a test gave it."""

    def __init__(self) -> None:
        """Start with no path."""
        self.answers: dict[str, bytes | Callable[[], Awaitable[bytes]]] = {}
        self.seen: dict[str, list[Seen]] = {}
        self.hang_up_after: set[str] = set()
        self.port = 0
        self._serving: set[asyncio.Task[Any]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        """Serve on an ephemeral port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in list(self._serving):
                task.cancel()
            await asyncio.gather(*list(self._serving), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, *rest = head[:-4].split(b"\r\n")
                headers = [(n.lower(), v.strip()) for n, v in (h.split(b":", 1) for h in rest)]
                length = int(dict(headers).get(b"content-length", b"0"))
                seen = Seen(line, headers, await reader.readexactly(length))
                path = line.split(b" ")[1].split(b"?")[0].decode()
                self.seen.setdefault(path, []).append(seen)
                answer = self.answers[path]
                raw = answer if isinstance(answer, bytes) else await answer()
                writer.write(raw)
                await writer.drain()
                if path in self.hang_up_after:
                    break
        self._serving.discard(task)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class _Hand:
    """A source that tests feed by hand."""

    def __init__(self, loaded: bool, failures: int) -> None:
        self._loaded, self._failures = loaded, failures

    async def run(self, table: BindingTable) -> None:
        """Mark the table loaded, then leave it to the test; at first, fail as often as asked."""
        if self._failures:
            self._failures -= 1
            raise RuntimeError("the origin is away")
        if self._loaded:
            table.replace({})
        await asyncio.Event().wait()


@dataclass(slots=True)
class Endpoint:
    """One endpoint of a test."""

    house: House
    binding: Binding
    target_path: str

    @property
    def path(self) -> str:
        """The public path."""
        return f"/h/{self.binding.segment}"

    @property
    def seen(self) -> list[Seen]:
        """What the target got."""
        return self.house.target.seen.get(self.target_path, [])

    def call(self, body: bytes = b"{}", *, path: str | None = None, **headers: bytes | None) -> Answer:
        """POST a correctly signed body; ``headers`` replace or (None) remove, ``_`` stands for ``-``."""
        every: dict[str, bytes | None] = {"X_Signature": signature(body), **headers}
        lines = [(n.replace("_", "-").encode(), v) for n, v in every.items() if v is not None]
        return self.house.post(path or self.path, body, lines)


class House:
    """The running pair."""

    def __init__(self, settings: ReceiverSettings, *, loaded: bool = True, failures: int = 0) -> None:
        """Use `running`."""
        self.settings, self.target, self.receipts = settings, TargetServer(), list[Receipt]()
        self._source = _Hand(loaded, failures)
        self.receiver: Receiver
        self._thread: threading.Thread
        self._loop = uvloop.new_event_loop()

    @contextlib.contextmanager
    def running(self) -> Iterator[House]:
        """Run both until the block ends."""
        up = threading.Event()
        self._thread = thread = threading.Thread(target=self._run, args=(up,), daemon=True)
        thread.start()
        assert up.wait(_WAIT), "the receiver did not start"
        try:
            yield self
        finally:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self.receiver.stop)
                self._loop.call_soon_threadsafe(self.receiver.stop)
            thread.join(_WAIT)
            assert not thread.is_alive(), "the receiver did not stop"

    def ends_by_itself(self, seconds: float) -> bool:
        """Give the receiver some time to end; tell whether it did."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def run_to_the_end(self) -> None:
        """Run in this thread; for a receiver that does not come up."""
        self._run(threading.Event())

    def _run(self, up: threading.Event) -> None:
        async def main() -> None:
            async with self.target.running():
                self.receiver = Receiver(self.settings, self._source, on_call=self.receipts.append)
                await self.receiver.run(lambda _: up.set())

        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(main())

    def inside(self, function: Callable[[], _T]) -> _T:
        """Run ``function`` in the receiver's loop and return its result."""

        async def call() -> _T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(_WAIT)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds in the receiver's loop."""
        deadline = time.monotonic() + _WAIT
        while not self.inside(condition):
            assert time.monotonic() < deadline, "the condition never held"
            time.sleep(0.005)

    def endpoint(
        self, answer: bytes | Callable[[], Awaitable[bytes]] = OK, *, query: str = "", **changes: Any
    ) -> Endpoint:
        """Bring a new endpoint into force whose target answers ``answer``."""
        number = next(_numbers)
        path = f"/t/{number}"
        self.target.answers[path] = answer
        target = f"http://127.0.0.1:{self.target.port}{path}{query}"
        binding = make_binding(number, **{"target": target, **changes})
        self.put(binding)
        return Endpoint(self, binding, path)

    def put(self, binding: Binding) -> None:
        """Bring a binding into force."""
        self.inside(lambda: self.receiver.table.put(binding.uid, encode(binding)))

    def connect(self, *, private: bool = False, buffer: int | None = None, segment: int | None = None) -> socket.socket:
        """Open a connection. With a small ``buffer`` and ``segment`` (bytes) the system keeps little that is unread."""
        connection = socket.socket()
        try:
            if buffer is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            if segment is not None:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
            connection.settimeout(_WAIT)
            connection.connect(("127.0.0.1", self.receiver.ports[1 if private else 0]))
        except OSError:
            connection.close()
            raise
        return connection

    def exchange(self, raw: bytes, *, private: bool = False) -> Answer:
        """Send bytes as they are on a connection of their own; return the first answer."""
        with self.connect(private=private) as connection:
            connection.sendall(raw)
            return read_answer(connection, head=raw.startswith(b"HEAD"))

    def post(
        self, path: str, body: bytes, headers: list[tuple[bytes, bytes]] | None = None, *, private: bool = False
    ) -> Answer:
        """POST with a content length."""
        return self.exchange(request(path, body, headers), private=private)

    def get(self, path: str, *, private: bool = False, method: str = "GET") -> Answer:
        """Ask without a body."""
        return self.exchange(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), private=private)


def sized(size: int) -> bytes:
    """Return a target's answer whose body has so many bytes."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size


def request(path: str, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> bytes:
    """Return the bytes of a POST with a content length."""
    lines = [(b"Host", b"hooks.example.com"), (b"Content-Length", b"%d" % len(body)), *(headers or [])]
    head = b"".join(b"%s: %s\r\n" % line for line in lines)
    return b"POST %s HTTP/1.1\r\n%s\r\n%s" % (path.encode(), head, body)


def read_answer(connection: socket.socket, *, head: bool = False) -> Answer:
    """Read one answer by its content length, and not a byte more."""
    raw = b""
    while not raw.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, f"closed inside an answer's head: {raw!r}"
        raw += byte
    line, *rest = raw[:-4].decode("latin-1").split("\r\n")
    headers = [(n.lower(), v.strip()) for n, v in (h.split(":", 1) for h in rest)]
    length = 0 if head else int(dict(headers).get("content-length", "0"))
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return Answer(int(line.split(" ")[1]), headers, body, raw + body)


def everything(house: House, raw: bytes) -> bytes:
    """Send bytes on a connection of their own and return all that comes back until it ends."""
    came = b""
    with house.connect() as connection, contextlib.suppress(ConnectionError):
        with contextlib.suppress(ConnectionError):
            connection.sendall(raw)
        while piece := connection.recv(65_536):
            came += piece
    return came


def ended(connection: socket.socket) -> bool:
    """Wait until the other end closes; tell whether it did so in order, without a reset or another byte."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return False


def closed(connection: socket.socket) -> bool:
    """Wait until the other end closes; tell whether it did so without another byte."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def settings(**changes: Any) -> ReceiverSettings:
    """Return settings for loopback, ephemeral ports and no delay on the way down."""
    base = ReceiverSettings(
        host="127.0.0.1",
        port=0,
        private_host="127.0.0.1",
        private_port=0,
        drain_delay=0,
        grace=5,
        loopback_targets=True,
    )
    return replace(base, **changes)


def bounds(**changes: Any) -> Bounds:
    """Return the protocol's bounds."""
    return replace(Bounds(), **changes)


def without_date(headers: list[tuple[str, str]]) -> Mapping[str, str]:
    """Return the headers but the date."""
    return {n: v for n, v in headers if n != "date"}

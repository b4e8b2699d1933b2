"""One connection of a sender: bytes in, calls through their steps, answers out in the order of the calls.

A call that is refused costs no task and no timer: all of it happens while its bytes are read. Deadlines are plain
numbers that the listener looks at from time to time. This module may not know endpoints, schemes or targets.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from math import inf
from typing import Any, cast

import httptools

from hookgate.receiver.calls import Call
from hookgate.receiver.edge import BLANKS, FRAMING, HEADER_OVERHEAD, Bound, odd, speaks
from hookgate.receiver.fronted import peer_of
from hookgate.receiver.heads import ends_soon
from hookgate.receiver.lean.request import ANSWERED, DELIVERING, QUEUED, READING, Request
from hookgate.receiver.lean.shared import Shared
from hookgate.receiver.lean.wire import CLOSE, CONTINUE, REFUSALS, head
from hookgate.receiver.respond import Refusal, Reply
from hookgate.receiver.server import LINGER_BYTES, LINGER_SECONDS

#: How many requests of a sender that does not wait for answers are kept. As objects they take many times their bytes.
_MOST_QUEUED = 512


class Refused(Exception):  # noqa: N818 -- raised through the parser, which turns it into its own error
    """A head that is not taken: too large, of another version, or asking to leave HTTP/1.1."""


class Connection:
    """The protocol of one connection. It has no base class, so that compiling makes its attributes plain members.

    ``_incoming`` is the request whose bytes come; ``_current`` the one that is being answered, which is the same unless
    a sender does not wait for answers. Requests that came too early stand in ``_queue``, and reading pauses meanwhile,
    so that what was read at once bounds them.
    """

    __slots__ = (
        "_blocked", "_broken", "_chunk", "_current", "_headers", "_in_head", "_in_message", "_incoming", "_linger",
        "_max_headers", "_parser", "_paused", "_queue", "_shared", "_tail", "_target", "_trailers", "_transport",
        "deadline", "peer",
    )  # fmt: skip

    def __init__(self, shared: Shared) -> None:
        """Made by the listener."""
        self._shared = shared
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request] = deque()
        self._current: Request | None = None
        self._incoming: Request | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._target = b""
        self._max_headers = shared.bounds.head_bytes // HEADER_OVERHEAD
        #: Bytes of what is being parsed, and of an unfinished message since the piece that it began in (-1: none yet).
        self._chunk, self._tail, self._trailers = 0, -1, 0
        self._in_head, self._in_message = True, False  # in a head: also before a connection's first byte
        self._blocked = self._broken = self._paused = False
        self._linger: int | None = None  # how many bytes may still be thrown away after the last answer
        self.deadline = inf
        self.peer = ""

    def face(self, peer: str) -> None:
        """See `hookgate.receiver.fronted.Faced`."""
        self.peer = peer

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse connections over the bound at once: there is nothing cheaper to do with them."""
        self._transport = cast("asyncio.Transport", transport)
        shared = self._shared
        peer = self.peer = self.peer or peer_of(transport)
        full = len(shared.connections) >= shared.bounds.connections
        if full or not shared.neighbours.enter(peer):
            shared.rejected[Bound.CONNECTIONS if full else Bound.CONNECTIONS_PER_ADDRESS] += 1
            self._transport.abort()
            return
        shared.connections.add(self)
        self.deadline = shared.loop.time() + shared.bounds.head_seconds

    def connection_lost(self, _exc: Exception | None) -> None:
        """Give back what a call that cannot be answered any more has held. One that is delivered ends by itself."""
        if self in self._shared.connections:
            self._shared.connections.discard(self)
            self._shared.neighbours.leave(self.peer)
        self.deadline = inf
        self._queue.clear()
        request = self._current
        if request is not None and request.state is READING and request.call is not None:
            request.state = ANSWERED
            self._shared.calls.settle(request.call, Refusal.MALFORMED, 400)

    def data_received(self, data: bytes) -> None:
        """Parse, which does all the work, then see what is left open."""
        if self._linger is not None:
            self._linger -= len(data)
            if self._linger <= 0:
                self._transport.close()
            return
        self._chunk = len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._malformed()
            return
        if self._in_message:
            self._unfinished()
        elif self._queue:
            self._advance()

    def eof_received(self) -> None:
        """Let the loop close the connection: nobody is left who could read an answer."""

    def pause_writing(self) -> None:
        """Answer no more calls of a sender that does not read the answers."""
        self._blocked = True
        self._pause()

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked = False
        self._advance()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Start a head."""
        self._in_head = self._in_message = True
        self._headers, self._target, self._tail, self._trailers = [], b"", -1, 0
        if self._current is None and self._linger is None:
            self.deadline = self._shared.loop.time() + self._shared.bounds.head_seconds

    def on_url(self, url: bytes) -> None:
        """Take the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header and drop trailers: nothing that follows the body may pose as part of the head."""
        if self._in_head:
            headers = self._headers
            headers.append((name.lower(), value.rstrip(BLANKS)))
            if len(headers) > self._max_headers:
                self._too_large()
        else:
            self._trailers += 1
            if self._trailers > self._max_headers:
                self._too_large()

    def on_headers_complete(self) -> None:
        """Begin the request, or let it wait for its turn.

        An offer to upgrade could be ignored, were it not that the parser takes what follows for the other protocol: the
        body would be lost and its bytes read as the next request.
        """
        parser, headers, target = self._parser, self._headers, self._target
        version = parser.get_http_version()
        if parser.should_upgrade() or odd(target) or (version != "1.1" and not speaks(version, headers)):
            raise Refused
        if len(self._queue) == _MOST_QUEUED:
            raise Refused
        if self._tail >= 0 or self._chunk + HEADER_OVERHEAD * len(headers) > self._shared.bounds.head_bytes:
            size = len(target) + sum(len(name) + len(value) + HEADER_OVERHEAD for name, value in headers)
            if size > self._shared.bounds.head_bytes:
                self._too_large()
        self._in_head = False
        if target.startswith(b"/"):
            path, _, query = target.partition(b"?")
        else:
            url: Any = httptools.parse_url(target)  # its types do not tell that parts may be None
            path, query = url.path or b"/", url.query or b""
        keep_alive = parser.should_keep_alive() and version != "1.0"
        self._incoming = request = Request(parser.get_method(), path, query, headers, keep_alive)
        if self._linger is not None or self._transport.is_closing():
            request.state = ANSWERED
        elif self._current is None and not self._queue and not self._blocked:
            self._begin(request)
        else:
            self._queue.append(request)
            self._pause()

    def on_body(self, chunk: bytes) -> None:
        """Take a piece of the body, or throw it away if the request is answered already."""
        request = self._incoming
        assert request is not None, "a body follows a head"
        if request.state is READING:
            self._read(request, chunk)
        elif request.state is QUEUED:
            request.chunks.append(chunk)

    def on_message_complete(self) -> None:
        """Judge the request, or be done with the rest of one that is answered already."""
        self._in_message = False
        request = self._incoming
        assert request is not None, "a message has a head"
        request.whole = True
        if request.state is READING:
            self._judge(request)
        elif request.state is ANSWERED:
            if self._linger is not None:
                self._transport.close()
            else:
                self._rest()

    # What the listener calls.

    def expire(self) -> None:
        """The deadline has passed: answer a body that did not come, end everything else."""
        self.deadline = inf
        request = self._current
        if request is not None and request.state is READING:
            self._refuse(request, Refusal.TOO_SLOW)
            return
        if self._linger is None and (self._in_message or self._incoming is None):
            self._shared.rejected[Bound.HEAD_SECONDS] += 1
        if self._transport.get_write_buffer_size():
            self._transport.abort()  # closing would wait for a sender that does not read
        else:
            self._transport.close()

    def drain(self) -> None:
        """Close, as soon as the call that is being answered is."""
        if self._current is None:
            self._transport.close()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    # The way of a request.

    def _begin(self, request: Request) -> None:
        self._current = request
        calls = self._shared.calls
        call = request.call = calls.begin(request.path, request.headers, request.query, self.peer)
        if call is None:
            self._refuse(request, Refusal.UNKNOWN_PATH)
            return
        refusal = calls.admit(call, "POST" if request.method == b"POST" else request.method.decode("latin-1"))
        if refusal is not None:
            self._refuse(request, refusal)
            return
        request.state = READING
        self.deadline = self._shared.loop.time() + self._shared.body_seconds

    def _read(self, request: Request, chunk: bytes) -> None:
        assert request.call is not None, "only admitted calls are read"
        refusal = self._shared.calls.hold(request.call, len(chunk))
        if refusal is None:
            request.chunks.append(chunk)
        else:
            self._refuse(request, refusal)

    def _judge(self, request: Request) -> None:
        assert request.call is not None, "only admitted calls are judged"
        chunks = request.chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        request.chunks = []
        outcome = self._shared.calls.judge(request.call, body)
        if isinstance(outcome, Reply):
            self._relay(request, request.call, outcome)
            return
        if outcome is not None:
            self._refuse(request, outcome)
            return
        request.state = DELIVERING
        self.deadline = inf
        self._shared.delivering += 1
        self._shared.calls.deliver(request.call, body, partial(self._delivered, request, request.call))

    def _delivered(self, request: Request, call: Call, outcome: Refusal | Reply) -> None:
        self._shared.delivering -= 1
        if isinstance(outcome, Refusal):
            self._refuse(request, outcome)
        else:
            self._relay(request, call, outcome)
        if self._paused:
            # Not from here: a call may be done before it is even under way, and there may be many.
            self._shared.loop.call_soon(self._advance)

    def _relay(self, request: Request, call: Call, reply: Reply) -> None:
        self._shared.calls.settle(call, reply, reply.status)
        if self._transport.is_closing():
            return
        ending = not request.keep_alive or self._shared.draining
        start = head(reply, self._shared.clock.date())
        self._transport.write(b"".join((start, CLOSE if ending else b"", b"\r\n", reply.body)))
        self._answered(request, ending=ending)

    def _refuse(self, request: Request, refusal: Refusal) -> None:
        """Send a constant answer and leave the connection in a state that its other end can understand."""
        whole = request.whole and request.call is not None and request.call.entered
        # Where the head was never judged, it may be one that readers could understand differently.
        ending = not (whole or ends_soon(request.headers)) or not request.keep_alive or self._shared.draining
        answer = REFUSALS[refusal]
        if request.call is not None:
            self._shared.calls.settle(request.call, refusal, answer.status)
        if self._transport.is_closing():
            return
        end = CLOSE if ending else b""
        body = b"" if request.method == b"HEAD" else answer.body
        self._transport.write(b"".join((answer.start, self._shared.clock.date(), answer.headers, end, b"\r\n", body)))
        self._answered(request, ending=ending)

    def _answered(self, request: Request, *, ending: bool) -> None:
        request.state, request.chunks, self._current = ANSWERED, [], None
        if not ending:
            self._rest()
            return
        self._queue.clear()  # what came behind the last answer is never begun
        if request.whole:
            # Closing waits until everything is written, which a sender that does not read would put off for ever.
            self.deadline = self._shared.loop.time() + self._shared.keep_alive
            self._transport.close()
        else:
            self._end()

    def _rest(self) -> None:
        """Wait for the rest of a body that nobody wants, or for the next request."""
        bounds, shared = self._shared.bounds, self._shared
        unfinished = self._in_message and self._incoming is not None and self._incoming.state is ANSWERED
        self.deadline = shared.loop.time() + (bounds.head_seconds if unfinished else shared.keep_alive)

    def _end(self) -> None:
        """End our side, and throw away what is still being sent, for a short while."""
        self._linger = LINGER_BYTES
        self.deadline = self._shared.loop.time() + LINGER_SECONDS
        if self._transport.can_write_eof():  # under TLS there is no such thing
            self._transport.write_eof()
        self._transport.resume_reading()

    def _advance(self) -> None:
        """Take the requests that came too early, as far as they go without waiting."""
        while self._queue and self._current is None and not self._blocked and self._linger is None:
            request = self._queue.popleft()
            chunks, request.chunks = request.chunks, []
            self._begin(request)
            for chunk in chunks:
                if request.state is READING:
                    self._read(request, chunk)
            if request.state is READING and request.whole:
                self._judge(request)
        if self._transport.is_closing() or (self._current is not None and self._current.state is DELIVERING):
            return
        if self._broken and not self._queue and self._linger is None:
            self._malformed()
        elif not self._queue and not self._blocked:
            self._paused = False
            self._transport.resume_reading()

    def _pause(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    # What goes wrong with the bytes.

    def _unfinished(self) -> None:
        """Bound what goes on, and ask for a body that a sender holds back until it is wanted."""
        # The parser keeps an unfinished header or trailer to itself, so the raw bytes count until it is finished. A
        # chunked body has a right to framing, several bytes for each of its own.
        self._tail = 0 if self._tail < 0 else self._tail + self._chunk
        request = self._current
        reading = None if self._in_head or request is None or request.state is not READING else request
        held = reading.call.held if reading is not None and reading.call is not None else 0
        if self._tail > self._shared.bounds.head_bytes + FRAMING * held and (self._in_head or reading is not None):
            self._shared.rejected[Bound.HEAD_BYTES] += 1
            self._malformed()
        elif reading is not None and not reading.continued:
            reading.continued = True
            if (b"expect", b"100-continue") in [(name, value.lower()) for name, value in reading.headers]:
                self._transport.write(CONTINUE)

    def _too_large(self) -> None:
        self._shared.rejected[Bound.HEAD_BYTES] += 1
        raise Refused

    def _malformed(self) -> None:
        """Answer what cannot be read, after the calls that came before it."""
        if self._linger is not None or self._transport.is_closing():
            return
        request = self._current
        if request is not None and request.state is READING:
            request.keep_alive = False
            self._refuse(request, Refusal.MALFORMED)
        elif request is not None or self._queue:
            self._broken = True
            self._pause()
        elif self._in_message and not self._in_head:
            self._transport.close()  # in the rest of a body that is answered already
        else:
            answer = REFUSALS[Refusal.MALFORMED]
            start = (answer.start, self._shared.clock.date(), answer.headers, CLOSE, b"\r\n", answer.body)
            self._transport.write(b"".join(start))
            self._end()

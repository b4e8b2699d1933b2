"""One connection of a sender: bytes in, calls through their steps, answers out in the order of the calls.

A call that is refused costs no task and no timer: all of it happens while its bytes are read. Deadlines are plain
numbers that the listener looks at from time to time. This module may not know endpoints, schemes or targets.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import inf
from typing import cast

import httptools

from hookgate.receiver.calls import Call
from hookgate.receiver.edge import Bound
from hookgate.receiver.fronted import peer_of
from hookgate.receiver.heads import ends_soon
from hookgate.receiver.lean.coming import Coming
from hookgate.receiver.lean.outgoing import Outgoing
from hookgate.receiver.lean.request import ANSWERED, DELIVERING, QUEUED, READING, Refused, Request
from hookgate.receiver.lean.shared import Shared
from hookgate.receiver.lean.waiting import AT_ONCE, Waiting
from hookgate.receiver.respond import Refusal, Reply
from hookgate.receiver.server import LINGER_SECONDS


class Connection:
    """The protocol of one connection. It has no base class, so that compiling makes its attributes plain members.

    ``_incoming`` is the request whose bytes come; ``_current`` the one that is being answered, which is the same unless
    a sender does not wait for answers. Requests that came too early are in ``_waiting``, and reading pauses meanwhile.
    What is answered is forgotten: an idle connection holds nothing that was sent.
    """

    __slots__ = (
        "_broken", "_coming", "_current", "_incoming", "_out", "_parser", "_paused", "_raw", "_shared",
        "_transport", "_waiting", "deadline", "peer",
    )  # fmt: skip

    def __init__(self, shared: Shared) -> None:
        """Made by the listener."""
        self._shared = shared
        self._transport: asyncio.Transport
        self._out: Outgoing
        self._waiting: Waiting
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._current: Request | None = None
        self._incoming: Request | None = None
        self._raw = memoryview(b"")  # what has come and is not parsed yet, since requests wait; parts are no copies
        self._coming = Coming(shared.bounds.head_bytes)
        self._broken = self._paused = False
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
        self._out = Outgoing(self._transport, shared)
        peer = self.peer = self.peer or peer_of(transport)
        self._waiting = Waiting(shared.room, peer)
        if not shared.enter(self, peer):
            self._transport.abort()
            return
        self.deadline = shared.loop.time() + shared.bounds.head_seconds

    def connection_lost(self, _exc: Exception | None) -> None:
        """Give back what a call that cannot be answered any more has held. One that is delivered ends by itself."""
        self._shared.leave(self, self.peer)
        self.deadline = inf
        self._out.taken()
        self._waiting.clear()
        self._forget()
        request = self._current
        if request is not None and request.state is READING:
            request.settle(self._shared.calls, Refusal.MALFORMED)
            request.answered()

    def data_received(self, data: bytes) -> None:
        """Parse, which does all the work, then see what is left open."""
        if self._parser is None:
            if self._out.lingering:
                self._out.drop(len(data))
            return
        if self._raw or len(data) > AT_ONCE:
            self._raw = memoryview(bytes(self._raw) + data)
            self._parse_raw()
        else:
            self._parse(self._parser, data)
        if self._waiting.any() and not self._coming.open:
            self._advance()

    def eof_received(self) -> None:
        """Let the loop close the connection: nobody is left who could read an answer."""

    def pause_writing(self) -> None:
        """Answer no more calls of a sender that does not read the answers."""
        self._out.blocked = True
        self._pause()

    def resume_writing(self) -> None:
        """Go on."""
        self._out.taken()
        self._advance()

    def _parse(self, parser: httptools.HttpRequestParser, data: bytes | memoryview) -> None:
        self._coming.piece(len(data))
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._malformed()
            return
        if self._coming.open:
            self._unfinished()

    def _parse_raw(self) -> None:
        """Parse what has come, until a request waits. A body of known length needs no looking after."""
        while self._raw and self._parser is not None and not self._waiting.any():
            size = AT_ONCE if self._incoming is None else max(AT_ONCE, self._incoming.due())
            data, self._raw = self._raw[:size], self._raw[size:]
            self._parse(self._parser, data)
        self._raw = memoryview(bytes(self._raw))  # or all of which this is a part would be kept
        if self._parser is not None and not self._waiting.coming(self._coming.size + len(self._raw)):
            self._end_for(Bound.WAITING_BYTES)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Start a head, unless no more are taken."""
        if self._parser is None:
            raise Refused
        self._coming.begin()
        if self._current is None:
            self.deadline = self._shared.loop.time() + self._shared.bounds.head_seconds

    def on_url(self, url: bytes) -> None:
        """Take the request's target."""
        self._coming.url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        if not self._coming.header(name, value):
            self._not_taken(Bound.HEAD_BYTES)

    def on_headers_complete(self) -> None:
        """Begin the request, or let it wait for its turn."""
        assert self._parser is not None, "a head that is parsed has a parser"
        request = self._coming.head(self._parser)
        if request is None:
            self._not_taken(Bound.HEAD_BYTES)
            return
        early = self._current is not None or self._out.blocked or self._waiting.any()
        if early and not self._waiting.add(request):
            self._not_taken(Bound.WAITING_BYTES)
        self._incoming = request
        if early:
            self._pause()
        elif self._transport.is_closing():
            request.answered()
        else:
            self._begin(request)

    def on_body(self, chunk: bytes) -> None:
        """Take a piece of the body, or throw it away if the request is answered already."""
        request = self._incoming
        assert request is not None, "a body follows a head"
        if request.state is READING:
            self._read(request, chunk)
        elif request.state is QUEUED:
            request.chunks.append(chunk)
            if not self._waiting.grow(request, len(chunk)):
                self._not_taken(Bound.WAITING_BYTES)

    def on_message_complete(self) -> None:
        """Judge the request, or be done with the rest of one that is answered already."""
        if self._coming.end():
            self._waiting.coming(0)
        request, self._incoming = self._incoming, None
        assert request is not None, "a message has a head"
        request.whole = True
        if request.state is READING:
            self._judge(request)
        elif request.state is ANSWERED:
            if self._out.lingering:
                self._transport.close()
            else:
                self._idle()

    # What the listener calls.

    def expire(self) -> None:
        """The deadline has passed: answer a body that did not come, end everything else."""
        self.deadline = inf
        request = self._current
        if request is not None and request.state is READING:
            self._refuse(request, Refusal.TOO_SLOW)
            return
        if not self._out.lingering and (self._coming.open or self._coming.in_head):
            self._shared.rejected[Bound.HEAD_SECONDS] += 1
        self._out.give_up()

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
        refusal = request.begin(self._shared.calls, self.peer)
        if refusal is not None:
            self._refuse(request, refusal)
            return
        request.state = READING
        self.deadline = self._shared.loop.time() + self._shared.body_seconds

    def _read(self, request: Request, chunk: bytes) -> None:
        refusal = request.take(self._shared.calls, chunk)
        if refusal is not None:
            self._refuse(request, refusal)

    def _judge(self, request: Request) -> None:
        assert request.call is not None, "only admitted calls are judged"
        body = request.body()
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
        closing = self._transport.is_closing()
        ending = closing or not request.keep_alive or self._shared.draining
        if not closing:
            target = call.entry.target
            self._out.relay(reply, ending, None if target is None else target.place)
        self._answered(request, ending=ending)

    def _refuse(self, request: Request, refusal: Refusal) -> None:
        """Send a constant answer and leave the connection in a state that its other end can understand."""
        whole = request.whole and request.call is not None and request.call.entered
        # Where the head was never judged, it may be one that readers could understand differently.
        ending = not (whole or ends_soon(request.headers)) or not request.keep_alive or self._shared.draining
        request.settle(self._shared.calls, refusal)
        closing = self._transport.is_closing()
        if not closing:
            self._out.refuse(refusal, ending, request.method != b"HEAD")
        self._answered(request, ending=ending or closing)

    def _answered(self, request: Request, *, ending: bool) -> None:
        """Be done with a request that is settled, also where its sender has gone: nothing may settle it once more."""
        whole, self._current = request.whole, None
        request.answered()
        if not ending:
            self._idle()
            return
        self._waiting.clear()  # what came behind the last answer is never begun
        self._forget()
        if whole or self._transport.is_closing():
            # Closing waits until everything is written, which a sender that does not read would put off for ever.
            self.deadline = self._shared.loop.time() + self._shared.keep_alive
            self._transport.close()
        else:
            self._end()

    def _idle(self) -> None:
        """Wait for the rest of a body that nobody wants, or for the next request."""
        bounds, shared = self._shared.bounds, self._shared
        unfinished = self._coming.open and (self._incoming is None or self._incoming.state is ANSWERED)
        self.deadline = shared.loop.time() + (bounds.head_seconds if unfinished else shared.keep_alive)

    def _end(self) -> None:
        """End our side, and throw away what is still being sent, for a short while."""
        self.deadline = self._shared.loop.time() + LINGER_SECONDS
        self._out.linger()

    def _forget(self) -> None:
        """Keep nothing of what is unfinished. The parser has a part of it, and parses no more."""
        self._parser, self._raw = None, memoryview(b"")
        self._coming.forget()
        self._waiting.coming(0)

    def _advance(self) -> None:
        """Go on with the requests that came too early, then with what is not parsed, as far as it goes."""
        self._take_turns()
        while self._raw and self._free():
            self._parse_raw()
            self._take_turns()
        if self._free() and not self._broken:
            self._paused = False
            self._transport.resume_reading()
        elif self._free():
            self._malformed()

    def _free(self) -> bool:
        """Tell whether nothing has to happen before the next request, or the rest of this one, is read."""
        held = self._waiting.any() or self._held()
        return not held and (self._current is None or self._current.state is not DELIVERING)

    def _held(self) -> bool:
        """Tell whether no request is begun: its answer would go to nobody, or only add to those that nobody reads."""
        return self._out.blocked or self._out.lingering or self._transport.is_closing()

    def _take_turns(self) -> None:
        while self._current is None and self._waiting.any() and not self._held():
            request = self._waiting.take()
            chunks, request.chunks = request.chunks, []
            self._begin(request)
            for chunk in chunks:
                if request.state is READING:
                    self._read(request, chunk)
            if request.state is READING and request.whole:
                self._judge(request)
            elif request.state is READING and not chunks:
                self._ask(request)

    def _ask(self, request: Request) -> None:
        """Ask for a body that its sender holds back until it is wanted."""
        if not self._raw and request.expects():
            self._out.proceed()

    def _pause(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    # What goes wrong with the bytes.

    def _unfinished(self) -> None:
        """Bound what goes on, and see whether it comes by itself."""
        coming, request = self._coming, self._current
        coming.goes_on()
        call = None if coming.in_head or request is None or request.state is not READING else request.call
        if (coming.in_head or call is not None) and not coming.fits(0 if call is None else call.held):
            self._end_for(Bound.HEAD_BYTES)
        elif not self._waiting.coming(coming.size):
            self._end_for(Bound.WAITING_BYTES)
        elif call is not None and request is not None:
            self._ask(request)

    def _end_for(self, bound: Bound) -> None:
        """End the connection. A 400 would blame its sender for a want of room, so there is no answer to that."""
        self._shared.rejected[bound] += 1
        if bound is Bound.WAITING_BYTES and self._current is None and not self._waiting.any():
            self._transport.abort()
        else:
            self._malformed()

    def _not_taken(self, bound: Bound) -> None:
        self._shared.rejected[bound] += 1
        raise Refused

    def _malformed(self) -> None:
        """Parse no more; answer what cannot be read, after the calls that came before it."""
        self._forget()
        if self._out.lingering or self._transport.is_closing():
            return
        request = self._current
        if request is not None and request.state is READING:
            request.keep_alive = False
            self._refuse(request, Refusal.MALFORMED)
        elif request is not None or self._waiting.any():
            self._broken = True
            self._pause()
        elif self._incoming is not None:
            self._transport.close()  # in the rest of a body that is answered already
        else:
            self._out.refuse(Refusal.MALFORMED, True, True)
            self._end()

"""One connection to a target: a request goes out, its answer comes in, and then perhaps the next.

It may not know targets, pools or why it is asked. Its parser is as strict as the one of the public edge: an answer that
two readers could understand differently is no answer.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import termios
from collections.abc import Callable, Hashable
from math import inf
from typing import cast

import httptools

from hookgate.receiver.answers import Answers
from hookgate.receiver.delivery import Done
from hookgate.receiver.respond import Delivered, Delivery, Undelivered

#: An answer's head has at most so many headers and, as they are counted as they come, roughly so many bytes.
_MAX_HEADERS = 256
_MAX_HEAD_BYTES = 65_536
#: What an answer may have on the wire beside its body: the head, and what a chunked one spends on framing.
_FRAMING_BYTES = 65_536
#: A request of at most this size is written in one piece.
_ONE_PIECE = 16_384
#: An answer of at most this size is not counted: the bound on calls bounds such answers, too.
_UNCOUNTED = 16_384
_NO_BODY = (204, 304)


class Broken(Exception):  # noqa: N818 -- raised through the parser, which turns it into its own error
    """An answer that is not taken."""


class Connection:
    """A protocol for ``loop.create_connection``. One exchange at a time.

    It has no base class, so that compiling makes its attributes plain members.
    """

    __slots__ = (
        "_answers", "_body", "_complete", "_counted", "_done", "_headers", "_in_head", "_large", "_limit",
        "_parser", "_persistent", "_place", "_raw", "_released", "_size", "_socket", "_status", "_too_large",
        "_transport", "_until_end", "deadline", "ended", "idle_since", "revision",
    )  # fmt: skip

    def __init__(
        self,
        opened: socket.socket,
        *,
        limit: int,
        answers: Answers,
        place: Hashable,
        released: Callable[[Connection, bool], None],
    ) -> None:
        """Speak on ``opened``, taking bodies up to ``limit`` bytes, and as far as ``answers`` has room for ``place``.

        ``released`` is called once after each exchange, and once more if the connection ends while it is idle; its
        second argument tells whether another exchange may follow.
        """
        self._socket, self._limit, self._released = opened, limit, released
        self._answers, self._place, self._counted = answers, place, 0
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._done: Done | None = None
        self.idle_since, self.deadline, self.ended = 0.0, inf, False
        #: The owner's, for what its address was judged by.
        self.revision = 0
        self._status = 0
        self._until_end = self._persistent = self._too_large = self._large = False
        self._reset()

    def _reset(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._raw = self._size = 0
        self._in_head, self._complete = True, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    @property
    def alive(self) -> bool:
        """Tell whether an idle connection can carry another exchange: nothing was closed nor sent on it meanwhile.

        This looks past the event loop, which may not have seen yet what the system already knows.
        """
        if self._transport.is_closing():
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def exchange(self, head: bytes, body: bytes, deadline: float, done: Done) -> None:
        """Send one request; ``done`` gets the answer, or why there is none.

        The owner is to `abort` when the loop's time is past ``deadline``.
        """
        if self.ended:
            done(Undelivered.REFUSED)
            return
        self._reset()
        self._done, self.deadline = done, deadline
        self._large = len(body) > _ONE_PIECE
        if self._large:
            self._transport.writelines((head, body))
        else:
            self._transport.write(head + body)

    def abort(self, because: Undelivered = Undelivered.REFUSED) -> None:
        """End the connection at once, and with it an exchange that is under way."""
        self._transport.abort()
        self._finish(because, reusable=False)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._done is None:  # nobody has asked: whatever this is, it must not be taken for the next answer
            self.abort()
            return
        self._raw += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.abort(Undelivered.ANSWER_TOO_LARGE if self._too_large else Undelivered.REFUSED)
            return
        if self._complete:
            self._succeed(self._persistent)
        elif self._in_head:
            if self._raw > _MAX_HEAD_BYTES:
                self.abort()
        elif self._raw > 2 * self._limit + _FRAMING_BYTES:
            self.abort(Undelivered.ANSWER_TOO_LARGE)

    def eof_received(self) -> None:
        """Called by the loop. The end of the connection is the end of an answer that declares no other."""
        if self._done is not None and not self._in_head and self._until_end:
            self._succeed(reusable=False)

    def pause_writing(self) -> None:
        """Called by the loop. A request is written in one go, so there is nothing to hold back."""

    def resume_writing(self) -> None:
        """Called by the loop."""

    def connection_lost(self, _exc: Exception | None) -> None:
        """Called by the loop."""
        self._finish(Undelivered.REFUSED, reusable=False)

    def on_message_begin(self) -> None:
        """Called by the parser. A second answer to one request is none; interim ones only come before it."""
        if self._complete:
            raise Broken

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser. Trailers are passed over."""
        if self._in_head:
            if len(self._headers) == _MAX_HEADERS:
                raise Broken
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._status = status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise Broken
            return
        self._in_head, self._until_end = False, status not in _NO_BODY
        for name, value in self._headers:
            if name == b"content-length":
                self._until_end = False
                if int(value) > self._limit:
                    self._too_large = True
                    raise Broken
            elif name == b"transfer-encoding":
                self._until_end = False
                if value.lower() != b"chunked":
                    raise Broken

    def on_body(self, chunk: bytes) -> None:
        """Called by the parser."""
        self._size += len(chunk)
        if self._size > self._limit or (self._size > _UNCOUNTED and not self._count()):
            self._too_large = True
            raise Broken
        self._body.append(chunk)

    def _count(self) -> bool:
        """Have counted what there is of a large answer; False: there is no room for it."""
        if not self._answers.take(self._place, self._size - self._counted):
            return False
        self._counted = self._size
        return True

    def on_message_complete(self) -> None:
        """Called by the parser, for interim answers too, of which nothing is kept."""
        if self._in_head:
            self._headers = []
        else:
            self._complete = True
            self._persistent = self._parser.should_keep_alive()  # it forgets as soon as this returns

    def _succeed(self, reusable: bool) -> None:
        chunks, transport = self._body, self._transport
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        answer = Delivered(status=self._status, headers=self._headers, body=body)
        if transport.get_write_buffer_size() or (self._large and self._unsent()):
            # The answer has overtaken its request. Nobody knows what of it will be read, or when: it is let go at once.
            transport.abort()
            reusable = False
        elif not reusable or transport.is_closing():
            transport.close()
            reusable = False
        self._finish(answer, reusable=reusable)

    def _unsent(self) -> bool:
        """Tell whether more may be to be sent over TLS, where what is encrypted counts as written, whoever has it.

        While there is more, the system has something that the other end has not confirmed.
        """
        if self._transport.get_extra_info("sslcontext") is None:
            return False
        try:
            return any(fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4)))
        except OSError:
            return True

    def _finish(self, delivery: Delivery, *, reusable: bool) -> None:
        done, self._done = self._done, None
        self.deadline = inf
        if self._counted:
            self._answers.give_back(self._place, self._counted)
            self._counted = 0
        released = self._released
        if not reusable:
            self._released, self.ended = _nobody, True
        released(self, reusable)
        if done is not None:
            done(delivery)  # the last thing that is done here: it may begin the next exchange


def _nobody(_connection: Connection, _reusable: bool) -> None:
    return

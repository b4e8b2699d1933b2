"""What goes out on one connection of a sender: answers, and its end. It may not know requests nor endpoints."""

from __future__ import annotations

import asyncio
from typing import Final

from hookgate.receiver.lean.wire import CONTINUE, Clock, refused, relayed
from hookgate.receiver.respond import Refusal, Reply
from hookgate.receiver.server import LINGER_BYTES

#: How much of answers that nobody reads is kept for a connection before no more of its calls are answered.
MOST_UNREAD: Final = 8_192


class Outgoing:
    """``blocked``: the sender does not read. ``lingering``: the last answer is out, and what still comes is dropped."""

    __slots__ = ("_clock", "_droppable", "_transport", "blocked", "lingering")

    def __init__(self, transport: asyncio.Transport, clock: Clock) -> None:
        """Nothing has gone out."""
        self._transport, self._clock = transport, clock
        self._droppable = LINGER_BYTES
        self.blocked = self.lingering = False
        transport.set_write_buffer_limits(high=MOST_UNREAD)

    def proceed(self) -> None:
        """Ask for a body that is held back until it is wanted."""
        self._transport.write(CONTINUE)

    def relay(self, reply: Reply, ending: bool) -> None:
        """Send a reply; ``ending``: the connection does."""
        self._transport.write(relayed(reply, self._clock.date(), ending))

    def refuse(self, refusal: Refusal, ending: bool, bodily: bool) -> None:
        """Send a constant answer; ``bodily``: the request's method has a body."""
        self._transport.write(refused(refusal, self._clock.date(), ending, bodily))

    def linger(self) -> None:
        """End our side, and throw away what is still being sent."""
        self.lingering = True
        if self._transport.can_write_eof():  # under TLS there is no such thing
            self._transport.write_eof()
        self._transport.resume_reading()

    def drop(self, size: int) -> None:
        """Count what comes after the last answer, and close when it is too much."""
        self._droppable -= size
        if self._droppable <= 0:
            self._transport.close()

    def give_up(self) -> None:
        """End the connection now."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()  # closing would wait for a sender that does not read
        else:
            self._transport.close()

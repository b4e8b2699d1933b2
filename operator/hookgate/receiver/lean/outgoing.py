"""What goes out on one connection of a sender: answers, and its end. It may not know requests nor endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Final

from hookgate.receiver.edge import Bound
from hookgate.receiver.lean.shared import Shared
from hookgate.receiver.lean.wire import CONTINUE, refused, relayed
from hookgate.receiver.respond import Refusal, Reply
from hookgate.receiver.server import LINGER_BYTES

#: How much of answers that nobody reads is kept for a connection before no more of its calls are answered.
MOST_UNREAD: Final = 8_192
#: How much of a large answer is written for itself under TLS, where only what comes behind it is known to be unread.
_LAST: Final = 2 * MOST_UNREAD


class Outgoing:
    """``blocked``: the sender does not read. ``lingering``: the last answer is out, and what still comes is dropped.

    What is not taken at once is kept by the transport, and counted among the answers that are held.
    """

    __slots__ = ("_counted", "_droppable", "_place", "_shared", "_transport", "blocked", "lingering")

    def __init__(self, transport: asyncio.Transport, shared: Shared) -> None:
        """Nothing has gone out."""
        self._transport, self._shared = transport, shared
        self._droppable = LINGER_BYTES
        self._place: Hashable = None
        self._counted = 0
        self.blocked = self.lingering = False
        transport.set_write_buffer_limits(high=MOST_UNREAD)

    def proceed(self) -> None:
        """Ask for a body that is held back until it is wanted."""
        self._transport.write(CONTINUE)

    def relay(self, reply: Reply, ending: bool, place: Hashable) -> None:
        """Send a reply that came from ``place``; ``ending``: the connection does."""
        data = relayed(reply, self._shared.clock.date(), ending)
        if len(data) > _LAST and not self._transport.can_write_eof():
            self._transport.write(data[:-_LAST])
            self._transport.write(data[-_LAST:])
        else:
            self._transport.write(data)
        if self.blocked:
            self._count(place, len(data))

    def _count(self, place: Hashable, size: int) -> None:
        """Count an answer that is not taken at once, or end the connection, as only a part of it is out already."""
        if self._shared.answers.take(place, size):
            self._place, self._counted = place, size
        else:
            self._shared.rejected[Bound.UNREAD_BYTES] += 1
            self._transport.abort()

    def taken(self) -> None:
        """What went out is read, or will never be."""
        self.blocked = False
        if self._counted:
            self._shared.answers.give_back(self._place, self._counted)
            self._counted = 0

    def refuse(self, refusal: Refusal, ending: bool, bodily: bool) -> None:
        """Send a constant answer; ``bodily``: the request's method has a body."""
        self._transport.write(refused(refusal, self._shared.clock.date(), ending, bodily))

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

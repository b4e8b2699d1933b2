"""The HTTP protocol of both listeners: uvicorn's, with the bounds that it lacks.

uvicorn bounds neither the time nor the size of a request's head, lets trailers join the headers, and waits for ever for
a connection's first byte and for the rest of a body that was answered early. Each of these holds memory or a descriptor
for whoever asks, before any path is looked up. This module may not know endpoints.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from hookgate.receiver.fronted import Front, as_it_is
from hookgate.receiver.neighbours import Neighbours

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

#: As a number, since looking for bytes in bytes raises an error first, which costs ten times.
_HASH = 0x23
#: What each header costs beside its bytes, as two objects in a pair: a bound on bytes bounds their number and memory.
HEADER_OVERHEAD = 160
#: How many bytes a chunked body may take on the wire for each that it holds; chunks of one byte take six.
FRAMING = 8
#: What the parser leaves at the end of a header's value and is no part of it (RFC 9110, 5.5).
BLANKS = b" \t"
#: What the event loop hands over in one piece at most, of which a part belongs to what came before.
_READ_AT_ONCE = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """``head_seconds`` is the time for a request's head, and for the rest of a body that nobody waits for.

    ``waiting_bytes`` is what all connections of the lean edge may hold of unfinished heads and of requests that came
    too early.
    """

    head_seconds: float = 10.0
    head_bytes: int = 32_768
    waiting_bytes: int = 32 * 1024 * 1024
    connections: int = 4_096
    connections_per_address: int = 2_048


class Bound(StrEnum):
    """What a connection can be ended for; the keys of what `protocol_factory` counts."""

    CONNECTIONS = "connections"
    CONNECTIONS_PER_ADDRESS = "connections-per-address"
    PROXY_HEADER = "proxy-header"
    HEAD_BYTES = "head-bytes"
    HEAD_SECONDS = "head-seconds"
    WAITING_BYTES = "waiting-bytes"
    UNREAD_BYTES = "unread-bytes"
    TLS_HANDSHAKE = "tls-handshake"


def no_rejections() -> dict[Bound, int]:
    """Return counters to begin with."""
    return dict.fromkeys(Bound, 0)


def odd(target: bytes) -> bool:
    """Tell whether a request's target has a fragment, which no request has: some readers drop it, and some do not."""
    return _HASH in target


def speaks(version: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a head is one of HTTP/1.1 or 1.0 as these versions are defined.

    The parser knows 0.9 and 2.0 by name and reads them as if they were 1.1, and takes a coding from a sender of 1.0,
    which other readers pass over (RFC 9112, 6.1). Names are lower-case.
    """
    return version == "1.1" or (version == "1.0" and all(name != b"transfer-encoding" for name, _ in headers))


class Refused(Exception):  # noqa: N818 -- raised through the parser, which turns it into a 400 and the end
    """A head that is not taken: too large, of another version, or asking to leave HTTP/1.1."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol, bounded. One per connection; `protocol_factory` gives it its bounds."""

    bounds = Bounds()
    rejected = no_rejections()
    neighbours = Neighbours(bounds.connections, exempt=lambda _: True)

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Called by uvicorn."""
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = True  # also before a connection's first byte
        self._in_message = False
        self._head_bytes = 0
        self._raw_bytes = self._body_bytes = 0
        #: Whether a head began in this piece, and whether all of the piece may belong to one message.
        self._began, self._alone = False, True
        #: The call that is being answered: uvicorn's own ``cycle`` is the last one that came, which may wait behind it.
        self._running: RequestResponseCycle | None = None
        self._faced = ""
        self._entered: str | None = None

    def face(self, peer: str) -> None:
        """See `hookgate.receiver.fronted.Faced`."""
        self._faced = peer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse connections over the bound at once: there is nothing cheaper to do with them."""
        super().connection_made(transport)
        if self._faced:
            self.client = (self._faced, 0)
        peer = self.client[0] if self.client else ""
        full = len(self.connections) > self.bounds.connections
        if full or not self.neighbours.enter(peer):
            self.rejected[Bound.CONNECTIONS if full else Bound.CONNECTIONS_PER_ADDRESS] += 1
            transport.abort()
            return
        self._entered = peer
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline with the connection."""
        self._disarm()
        self._leave()
        if self._entered is not None:
            self.neighbours.leave(self._entered)
            self._entered = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then see whether a head is left unfinished."""
        self._alone = True
        super().data_received(data)
        if self.transport.is_closing():
            self._leave()
            return
        if self._in_head and self._in_message:
            # The parser keeps an unfinished header to itself, so the raw bytes count until it is finished, but not
            # those of a piece in which other requests end.
            self._raw_bytes += len(data) if self._alone or not self._began else 0
            self._began = False
            if self._raw_bytes > self.bounds.head_bytes:
                self.rejected[Bound.HEAD_BYTES] += 1
                self._close()
                return
        if self._in_message and not self._in_head:
            self._raw_bytes += len(data)
            if self._raw_bytes > self.bounds.head_bytes + _READ_AT_ONCE + FRAMING * self._body_bytes:
                self.rejected[Bound.HEAD_BYTES] += 1
                self._close()
                return
        if self._deadline is None and self._waiting:
            self._arm()

    def on_message_begin(self) -> None:
        """Start to count a head."""
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._head_bytes = self._raw_bytes = self._body_bytes = 0
        self._began = True

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._count(len(url))
        if odd(url):
            raise Refused
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count every header and drop trailers: nothing that follows the body may pose as part of the head."""
        self._count(len(name) + len(value) + HEADER_OVERHEAD)
        if self._in_head:
            super().on_header(name, value.rstrip(BLANKS))

    def on_headers_complete(self) -> None:
        """End the head's deadline.

        An offer to upgrade could be ignored, were it not that the parser takes what follows for the other protocol:
        the body would be lost and its bytes read as the next request.
        """
        version = self.parser.get_http_version()
        if self.parser.should_upgrade() or not speaks(version, self.headers):
            raise Refused
        if version == "1.0":  # which knows no 100 (RFC 9110, 10.1.1)
            self.expect_100_continue = False
        self._in_head, self._raw_bytes = False, 0
        self._disarm()
        super().on_headers_complete()
        if not self.pipeline:
            self._running = self.cycle

    def on_body(self, body: bytes) -> None:
        """Count what is no framing."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the deadline of a body that nobody waited for; the connection is idle then."""
        self._in_message = self._alone = False
        if self._answered:
            self._disarm()
            if not self.transport.is_closing():
                self._unset_keepalive_if_required()
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next call, if one has come already."""
        waiting = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        self._running = waiting

    @property
    def _waiting(self) -> bool:
        """Whether the sender owes us something that no other deadline covers."""
        if self._in_message and self._in_head:
            return True
        idle = self.cycle is None or self._answered
        return idle and self.timeout_keep_alive_task is None

    @property
    def _answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.bounds.head_bytes:
            self.rejected[Bound.HEAD_BYTES] += 1
            raise Refused

    def _arm(self) -> None:
        self._deadline = self.loop.call_later(self.bounds.head_seconds, self._too_late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self.rejected[Bound.HEAD_SECONDS] += 1
        self._close()

    def _close(self) -> None:
        self._deadline = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
            self._leave()

    def _leave(self) -> None:
        """Answer no more on a connection that was ended while a call was under way: writing to it would be an error."""
        if self._running is not None:
            self._running.disconnected = True


def protocol_factory(
    bounds: Bounds,
    rejected: dict[Bound, int] | None = None,
    *,
    neighbours: Neighbours | None = None,
    front: Front = as_it_is,
) -> type[asyncio.Protocol]:
    """Return the protocol class that holds these bounds, for ``uvicorn.Config(http=...)``.

    ``rejected`` counts the connections that each bound ended, ``neighbours`` those of each address; ``front`` is put
    before the protocol of each connection.
    """
    members = {"bounds": bounds, "rejected": no_rejections() if rejected is None else rejected}
    if neighbours is not None:
        members["neighbours"] = neighbours
    made = type("BoundedProtocol", (BoundedProtocol,), members)
    return cast("type[asyncio.Protocol]", front(made))

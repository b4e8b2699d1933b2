"""One request as the parser tells of it. It may not know connections."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, Final

import httptools

from hookgate.receiver.calls import Call, Calls
from hookgate.receiver.edge import HEADER_OVERHEAD, odd, speaks
from hookgate.receiver.heads import declared_length
from hookgate.receiver.lean.wire import REFUSALS
from hookgate.receiver.respond import Refusal

Headers = list[tuple[bytes, bytes]]


class State(Enum):
    """How far a request has come. One that is answered may still have a rest of a body to come."""

    QUEUED = auto()
    READING = auto()
    DELIVERING = auto()
    ANSWERED = auto()


QUEUED: Final = State.QUEUED
READING: Final = State.READING
DELIVERING: Final = State.DELIVERING
ANSWERED: Final = State.ANSWERED


class Refused(Exception):  # noqa: N818 -- raised through the parser, which turns it into its own error
    """What is not taken: a head that is too large, of another version or asking to leave HTTP/1.1, or one too many."""


class Request:
    """One request as it comes. ``call`` is set when it is its turn, if its path is known.

    ``waiting`` is what it counts for while it waits; see `hookgate.receiver.lean.waiting`.
    """

    __slots__ = (
        "call", "chunks", "continued", "headers", "keep_alive", "method", "path", "query", "state", "waiting", "whole",
    )  # fmt: skip

    def __init__(self, method: bytes, path: bytes, query: bytes, headers: Headers, keep_alive: bool) -> None:
        self.method, self.path, self.query, self.headers = method, path, query, headers
        self.keep_alive = keep_alive
        self.state = QUEUED
        self.call: Call | None = None
        self.chunks: list[bytes] = []
        self.whole = self.continued = False
        self.waiting = 0

    def begin(self, calls: Calls, peer: str) -> Refusal | None:
        """Have the head judged; None: the body may be read."""
        call = self.call = calls.begin(self.path, self.headers, self.query, peer)
        method = "POST" if self.method == b"POST" else self.method.decode("latin-1")
        return calls.unknown if call is None else calls.admit(call, method)

    def take(self, calls: Calls, chunk: bytes) -> Refusal | None:
        """Take a piece of the body; None: there may be more."""
        assert self.call is not None, "only admitted calls are read"
        refusal = calls.hold(self.call, len(chunk))
        if refusal is None:
            self.chunks.append(chunk)
        return refusal

    def settle(self, calls: Calls, refusal: Refusal) -> None:
        """Give back what it held, and have written down why it is refused; to be followed by `answered`."""
        if self.call is not None:
            calls.settle(self.call, refusal, REFUSALS[refusal].status)

    def due(self) -> int:
        """Return how much of a body of known length is still to come, if it is being read."""
        if self.state is not READING or self.call is None:
            return 0
        return (declared_length(self.headers) or 0) - self.call.held

    def expects(self) -> bool:
        """Tell, once, whether the sender waits to be told to send the body. ``continued``: it needs no telling."""
        if self.continued:
            return False
        self.continued = True
        return (b"expect", b"100-continue") in [(name, value.lower()) for name, value in self.headers]

    def body(self) -> bytes:
        """Return the body, and keep it no longer."""
        chunks, self.chunks = self.chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def answered(self) -> None:
        """Keep nothing but how far it has come: the rest of its body may take a while, and any number may wait so."""
        self.state, self.chunks = ANSWERED, []
        self.call, self.headers, self.path, self.query = None, [], b"", b""


def size_of(headers: Headers) -> int:
    """Return what headers count for."""
    return sum(len(name) + len(value) + HEADER_OVERHEAD for name, value in headers)


def request_of(parser: httptools.HttpRequestParser, target: bytes, headers: Headers) -> Request:
    """Return the request whose head is complete. Raises `Refused`.

    An offer to upgrade could be ignored, were it not that the parser takes what follows for the other protocol: the
    body would be lost and its bytes read as the next request.
    """
    version = parser.get_http_version()
    if parser.should_upgrade() or odd(target) or (version != "1.1" and not speaks(version, headers)):
        raise Refused
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
    else:
        url: Any = httptools.parse_url(target)  # its types do not tell that parts may be None
        path, query = url.path or b"/", url.query or b""
    keep_alive = parser.should_keep_alive() and version != "1.0"
    request = Request(parser.get_method(), path, query, headers, keep_alive)
    request.continued = version == "1.0"  # which knows no 100 (RFC 9110, 10.1.1)
    return request

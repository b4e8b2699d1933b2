"""The message whose bytes come on a connection: its head as far as it is there, and what it counts for.

It may not know whose turn it is, nor what becomes of a request.
"""

from __future__ import annotations

import httptools

from hookgate.receiver.edge import BLANKS, FRAMING, HEADER_OVERHEAD
from hookgate.receiver.lean.request import Headers, Request, request_of, size_of

#: Stands for the headers of nothing, and is never added to.
_NO_HEADERS: Headers = []


class Coming:
    """One message after the other. The parser keeps an unfinished header or trailer to itself, so raw bytes count.

    ``in_head`` holds also before a connection's first byte; ``open`` says that a message has begun and is not whole.
    """

    __slots__ = ("_alone", "_headers", "_most", "_piece", "_spare", "_tail", "_target", "_trailers", "in_head", "open")

    def __init__(self, most: int) -> None:
        """Nothing has come; a head may count for ``most`` bytes."""
        self._most = most
        self._headers, self._target, self._trailers = _NO_HEADERS, b"", 0
        #: Bytes of the piece that is being parsed, and whether all of them may belong to one message.
        self._piece, self._alone = 0, True
        #: Bytes of a message that is not whole after a piece (-1: none yet). If others end in the piece that it began
        #: in, that piece's bytes may be theirs or its own; they are spared, and only held against the room.
        self._tail, self._spare = -1, 0
        self.in_head, self.open = True, False

    def piece(self, size: int) -> None:
        """Another ``size`` bytes are about to be parsed."""
        self._piece, self._alone = size, True

    def begin(self) -> None:
        """Start a head."""
        self.in_head = self.open = True
        self._headers, self._target, self._trailers = [], b"", 0
        self._tail, self._spare = -1, 0

    def url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._target += url

    def header(self, name: bytes, value: bytes) -> bool:
        """Take a header and drop a trailer: nothing that follows the body may pose as part of the head.

        False: there are too many.
        """
        if self.in_head:
            self._headers.append((name.lower(), value.rstrip(BLANKS)))
            return len(self._headers) * HEADER_OVERHEAD <= self._most
        self._trailers += 1
        return self._trailers * HEADER_OVERHEAD <= self._most

    def head(self, parser: httptools.HttpRequestParser) -> Request | None:
        """End the head and return its request; None: it is too large. Raises `Refused`."""
        headers, target = self._headers, self._target
        request = request_of(parser, target, headers)
        large = self._tail >= 0 or self._piece + HEADER_OVERHEAD * len(headers) > self._most
        if large and len(target) + size_of(headers) > self._most:
            return None
        self.in_head = False
        self._headers, self._target = _NO_HEADERS, b""
        return request

    def end(self) -> bool:
        """The message is whole; tell whether it was not, after an earlier piece."""
        self.open = self._alone = False
        return self._tail >= 0

    def goes_on(self) -> None:
        """The piece is parsed, and the message is not whole."""
        if self._tail >= 0:
            self._tail += self._piece
        elif self._alone:
            self._tail = self._piece
        else:
            self._tail, self._spare = 0, self._piece

    def fits(self, held: int) -> bool:
        """Tell whether what has come is within the bound, with ``held`` bytes of the body that are counted elsewhere.

        A chunked body has a right to framing, several bytes for each of its own, and to trailers like headers.
        """
        if self.in_head:
            return self._tail + HEADER_OVERHEAD * len(self._headers) <= self._most
        return self._tail <= 2 * self._most + FRAMING * held

    @property
    def size(self) -> int:
        """What it may take of memory, but for a body."""
        if not self.open:
            return 0
        return self._spare + (self._tail + HEADER_OVERHEAD * len(self._headers) if self.in_head else 0)

    def forget(self) -> None:
        """Keep nothing of it."""
        self._headers, self._target = _NO_HEADERS, b""

"""Answers as bytes of HTTP/1.1, and the date that they carry."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from hookgate.receiver.lines import lines
from hookgate.receiver.respond import Refusal, Reply, refuse

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE: Final = b"connection: close\r\n"


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


_STATUS_LINES: Final = {status: b"HTTP/1.1 %d %s\r\n" % (status, _phrase(status)) for status in range(100, 600)}


class Clock:
    """The Date header of this second, made once."""

    __slots__ = ("_line", "_second")

    def __init__(self) -> None:
        """Know no second yet."""
        self._second, self._line = -1, b""

    def date(self) -> bytes:
        """Return the header's line."""
        second = int(time.time())
        if second != self._second:
            self._second, self._line = second, b"date: %s\r\n" % formatdate(second, usegmt=True).encode()
        return self._line


def relayed(reply: Reply, date: bytes, ending: bool) -> bytes:
    """Return a reply; ``ending``: the connection does. Raises ValueError for a header that is not one line."""
    end = _CLOSE if ending else b""
    return b"".join((_STATUS_LINES[reply.status], date, lines(reply.headers), end, b"\r\n", reply.body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """An answer that never changes: what stands before the date, and after it."""

    status: int
    start: bytes
    headers: bytes
    body: bytes


def _constant(refusal: Refusal) -> Constant:
    reply = refuse(refusal)
    start = _STATUS_LINES[reply.status]
    return Constant(status=reply.status, start=start, headers=lines(reply.headers), body=reply.body)


REFUSALS: Final = {refusal: _constant(refusal) for refusal in Refusal}


def refused(refusal: Refusal, date: bytes, ending: bool, bodily: bool) -> bytes:
    """Return the answer of a refusal; ``ending``: the connection does, ``bodily``: the request's method has a body."""
    answer = REFUSALS[refusal]
    end, body = _CLOSE if ending else b"", answer.body if bodily else b""
    return b"".join((answer.start, date, answer.headers, end, b"\r\n", body))

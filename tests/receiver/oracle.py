"""A second reader of HTTP: what h11 makes of bytes, to compare what the receiver hands on with.

It is called on raw bytes and knows no receiver. h11 is not asked what to refuse, since the receiver refuses more: it is
asked what a request that was taken really said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import h11

Headers = list[tuple[bytes, bytes]]

_SPACES = re.compile(rb"(?<=\S) +(?=\S)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One request as h11 read it. Header names are lower-case; a folded value is unfolded."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes


def messages(raw: bytes) -> list[Message]:
    """Return the complete requests at the beginning of ``raw``, up to the first that is unreadable or unfinished."""
    found: list[Message] = []
    while raw:
        # Blank lines before a request are passed over, and words may be further apart (RFC 9112, 2.2 and 3).
        line, end, rest = raw.lstrip(b"\r\n").partition(b"\r\n")
        message, raw = _first(_SPACES.sub(b" ", line) + end + rest)
        if message is None:
            break
        found.append(message)
    return found


def _first(raw: bytes) -> tuple[Message | None, bytes]:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    request: h11.Request | None = None
    body = b""
    try:
        connection.receive_data(raw)
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                headers = [(bytes(name), bytes(value)) for name, value in request.headers]
                message = Message(method=request.method, target=request.target, headers=headers, body=body)
                return message, connection.trailing_data[0]
            else:
                return None, b""
    except h11.RemoteProtocolError:
        return None, b""


def told(delivered: list[tuple[bytes, Headers]], path: bytes, raw: bytes) -> bool:
    """Tell whether everything that was delivered stands in ``raw``, in this order, as a POST to ``path``.

    ``delivered`` are bodies and headers that come from the sender; each has to be the body of one request, whole, and
    each header one of the same request.
    """
    said = iter([each for each in messages(raw) if each.method == b"POST" and _path(each.target) == path])
    return all(
        any(body == one.body and set(headers) <= set(one.headers) for one in said) for body, headers in delivered
    )


#: What the receiver writes itself into every request.
_OF_RECEIVER = {b"host", b"content-length", b"x-forwarded-for"}


def of_sender(headers: Headers) -> Headers:
    """Return the headers of a delivered request that come from the sender."""
    return [(name, value) for name, value in headers if name not in _OF_RECEIVER]


def _path(target: bytes) -> bytes:
    if not target.startswith(b"/"):
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    return target.partition(b"?")[0]

"""What a call's head tells of its body: pure. It may not know what is done about it."""

from __future__ import annotations

import re
from typing import Final

from hookgate.receiver.forward import Headers

#: A name, an IPv4 or an IPv6 address, and perhaps a port. RFC 3986 lets names have more, which no host's name has, and
#: some readers take for the end of it.
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
#: Hosts that were found to be one, since nearly every call has one of a few; no more than so many are kept.
_HOSTS: Final[set[bytes]] = set()
_MOST_HOSTS: Final = 256
#: The declared length of a chunked body.
UNKNOWN: Final = -1
#: A length with more digits than any that can be meant: Python refuses to read thousands of them at all.
_MOST_DIGITS: Final = 19
#: A body of at most this size that nobody will read is let run out, which keeps the connection for the next call.
#: A larger one, or one of unknown size, ends the connection.
_IDLE_BODY: Final = 65_536


def declared_length(headers: Headers) -> int | None:
    """Read how long a body is, `UNKNOWN` for a chunked one; None for a head that readers could understand differently.

    The parser has refused conflicting lengths; what it lets pass is refused here: a Host that is missing, double or
    none (RFC 9112, 3.2), any coding but ``chunked`` alone, which the signed bytes could not be told from, and a length
    with zeros without end in front, which many readers have no number for.
    """
    hosts, length = 0, 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if value not in _HOSTS and not _is_host(value):
                return None
        elif name == b"content-length":
            if len(value) > _MOST_DIGITS:
                return None
            length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                return None
            length = UNKNOWN
    return length if hosts == 1 else None


def _is_host(value: bytes) -> bool:
    if _HOST.fullmatch(value) is None:
        return False
    if len(_HOSTS) >= _MOST_HOSTS:
        _HOSTS.clear()
    _HOSTS.add(value)
    return True


def ends_soon(headers: Headers) -> bool:
    """Tell whether an unread body with this head is short enough to let it run out."""
    length = declared_length(headers)
    return length is not None and UNKNOWN < length <= _IDLE_BODY

"""Where a store is that receivers share: the URL of a Redis or Valkey, taken apart strictly.

Credentials never stand in it: a URL gets into process lists, files and logs. No text here repeats one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

#: A name, an IPv4 address, or what stands between the brackets of an IPv6 address.
_HOST = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?|[0-9a-f:.]{2,45}")
_DATABASE = re.compile(r"/?|/[0-9]{1,4}")
_SCHEMES = {"redis": False, "rediss": True}
_PORT = 6379

HOW = "write redis:// or rediss:// (TLS), a host, and at most a port and the number of a database"


class InvalidStore(ValueError):  # noqa: N818 -- the field's term, as in InvalidSpec
    """No URL of a store. The text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """One store; ``tls`` verifies its certificate."""

    host: str
    port: int
    tls: bool
    database: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_store(url: str) -> StoreAddress:
    """Take a store's URL apart. Raises `InvalidStore`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidStore(HOW) from None
    if "@" in parts.netloc:
        raise InvalidStore("leave user and password out of the URL; they belong into a Secret")
    if parts.scheme not in _SCHEMES or not _HOST.fullmatch(host) or port == 0:
        raise InvalidStore(HOW)
    if parts.query or parts.fragment or not _DATABASE.fullmatch(parts.path):
        raise InvalidStore(HOW)
    database = int(parts.path.lstrip("/") or "0")
    return StoreAddress(host=host, port=port or _PORT, tls=_SCHEMES[parts.scheme], database=database)

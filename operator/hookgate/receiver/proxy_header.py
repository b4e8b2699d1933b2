"""The PROXY protocol, versions 1 and 2, as a balancer writes it before the first byte of a connection: pure.

It may not know sockets, nor whether the other end may be believed. Of what can stand in it only the source address is
taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

_V1: Final = b"PROXY "
_V1_LONGEST: Final = 107
_V2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEAD: Final = 16
#: Addresses and extensions, of which balancers in the cloud send a few hundred bytes.
_V2_LONGEST: Final = 4096
#: Length of the source address, by family, and of all addresses and ports.
_V2_ADDRESSES: Final = {0x1: (4, 12), 0x2: (16, 36)}


#: Stands where an address would; it is none, so nobody is found behind it.
UNKNOWN: Final = "unknown"


class NoProxyHeader(ValueError):  # noqa: N818 -- what was found, not a mistake of the caller
    """The bytes do not begin with one, or with one that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyHeader:
    """One header of ``size`` bytes.

    ``source`` is None where the balancer speaks for itself, as for its own probes, and `UNKNOWN` where it speaks for
    somebody without telling for whom. These two must not be one: what a sender writes into X-Forwarded-For would else
    be believed as if the balancer had written it.
    """

    size: int
    source: str | None


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Read the header that ``data`` begins with; None while it is not there whole. Raises `NoProxyHeader`."""
    if data[: len(_V2)] == _V2[: len(data)]:
        return _second(data)
    if data[: len(_V1)] == _V1[: len(data)]:
        return _first(data)
    raise NoProxyHeader


def _first(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _V1_LONGEST)
    if end < 0:
        if len(data) >= _V1_LONGEST:
            raise NoProxyHeader
        return None
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return ProxyHeader(size=end + 2, source=UNKNOWN)
    versions = {b"TCP4": 4, b"TCP6": 6}
    if len(words) != 6 or words[1] not in versions:
        raise NoProxyHeader
    try:
        source = ip_address(words[2].decode("ascii"))
    except ValueError:
        raise NoProxyHeader from None
    if source.version != versions[words[1]]:
        raise NoProxyHeader
    return ProxyHeader(size=end + 2, source=str(source))


def _second(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_HEAD:
        return None
    command, kind, length = data[12], data[13], int.from_bytes(data[14:16], "big")
    if command not in {0x20, 0x21} or length > _V2_LONGEST:
        raise NoProxyHeader
    if len(data) < _V2_HEAD + length:
        return None
    size = _V2_HEAD + length
    family = _V2_ADDRESSES.get(kind >> 4)
    if command == 0x20:
        return ProxyHeader(size=size, source=None)
    if family is None:
        return ProxyHeader(size=size, source=UNKNOWN)
    width, needed = family
    if length < needed:
        raise NoProxyHeader
    return ProxyHeader(size=size, source=str(ip_address(data[_V2_HEAD : _V2_HEAD + width])))

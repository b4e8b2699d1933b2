"""Sets of networks, as who may call is written: IPv4 and IPv6 addresses, alone or with a prefix length.

Pure. It may not know whose addresses are looked up in them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address


class Networks:
    """An immutable set of networks. Looking an address up takes the same time for one network as for a hundred."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, texts: Iterable[str]) -> None:
        """Read networks of the grammar `NETWORK`; bits behind a prefix do not count. Raises ValueError for others."""
        found = [ip_network(text, strict=False) for text in texts]
        spans = sorted((n.version, int(n.network_address), int(n.broadcast_address)) for n in found)
        merged: list[tuple[int, int, int]] = []
        for version, start, end in spans:
            if merged and merged[-1][0] == version and start <= merged[-1][2] + 1:
                merged[-1] = (version, merged[-1][1], max(end, merged[-1][2]))
            else:
                merged.append((version, start, end))
        self._starts = [(version, start) for version, start, _ in merged]
        self._ends = [end for _, _, end in merged]

    def __bool__(self) -> bool:
        return bool(self._ends)

    def __contains__(self, address: Address) -> bool:
        found = bisect_right(self._starts, (address.version, int(address))) - 1
        return found >= 0 and self._starts[found][0] == address.version and int(address) <= self._ends[found]


def plain_address(text: str) -> Address | None:
    """Return the address that ``text`` (zone included) writes, an IPv4 one where IPv6 only carries it; else None."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found

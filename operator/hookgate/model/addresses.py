"""IP addresses as the two planes judge them before they connect: what an address leads to, and what nobody may reach.

Pure. It may not know what the connection is for: each plane adds its own rules to these.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

#: Cloud metadata services that stand outside the link-local networks.
METADATA = tuple(
    ip_network(n)
    for n in (
        *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
        *("fd00:ec2::/32", "fd20:ce::254/128", "fd00:c1::a9fe:a9fe/128", "fd00:42::42/128", "fd00:a9fe:a9fe::1/128"),
    )
)
#: Spellings that carry an IPv4 address in their last four bytes: NAT64 (RFC 6052, and RFC 8215's local prefix), the
#: IPv4-translated addresses of RFC 2765, and the IPv4-compatible ones that RFC 4291 took out of use.
_CARRIERS = tuple(ip_network(n) for n in ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96"))
_UNWRAPPED = (IPv6Address("::"), IPv6Address("::1"))


def effective(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that ``text`` (as `socket` prints it, zone included) leads to; None where it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv4Address) or address in _UNWRAPPED:
        return address
    if any(address in network for network in _CARRIERS):
        return IPv4Address(address.packed[12:])
    tunnelled = address.teredo
    return address.ipv4_mapped or address.sixtofour or (tunnelled[1] if tunnelled else address)


def is_metadata(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether a cloud's metadata service stands there."""
    return any(address in network for network in METADATA)

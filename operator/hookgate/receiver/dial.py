"""Which addresses a target may have: pure.

A target's name is the tenant's to choose, and what it resolves to is whoever's who runs that zone: a Service of type
ExternalName reaches anything too. So the address is judged when it is dialled, after every resolution, and the judged
address is the one that is connected to. What is left to network policy: the pods and nodes of the cluster itself.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

#: Cloud metadata services that stand outside the link-local networks.
_METADATA = tuple(
    ip_network(n)
    for n in ("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128")
)
_NAT64 = ip_network("64:ff9b::/96")


def may_dial(address: str, *, loopback: bool) -> bool:
    """Tell whether a target may have this address (as `socket` prints it, zone included).

    Never: metadata services, link-local, multicast and unspecified addresses, in IPv6 spellings of IPv4 too.
    ``loopback`` says whether this host itself is one, which is meant where no cluster is.
    """
    try:
        found = _embedded(ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if found.is_loopback:
        return loopback
    if found.is_link_local or found.is_multicast or found.is_unspecified:
        return False
    if isinstance(found, IPv4Address) and (found.packed[0] == 0 or found.packed == b"\xff" * 4):
        return False
    return not any(found in network for network in _METADATA)


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one leads to, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[12:])
    return address.ipv4_mapped or address.sixtofour or address

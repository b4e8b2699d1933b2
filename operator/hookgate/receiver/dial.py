"""Which addresses a target may have: pure.

A target's name is the tenant's to choose, and what it resolves to is whoever's who runs that zone: a Service of type
ExternalName reaches anything too. So the address is judged when it is dialled, after every resolution, and the judged
address is the one that is connected to. What is left to network policy: the pods and nodes of the cluster itself.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from hookgate.model.addresses import effective, is_metadata


def may_dial(address: str, *, loopback: bool) -> bool:
    """Tell whether a target may have this address (as `socket` prints it, zone included).

    Never: metadata services, link-local, multicast and unspecified addresses, in IPv6 spellings of IPv4 too.
    ``loopback`` says whether this host itself is one, which is meant where no cluster is.
    """
    found = effective(address)
    if found is None:
        return False
    if found.is_loopback:
        return loopback
    if found.is_link_local or found.is_multicast or found.is_unspecified:
        return False
    if isinstance(found, IPv4Address) and (found.packed[0] == 0 or found.packed == b"\xff" * 4):
        return False
    return not is_metadata(found)

"""Which addresses a target may have: the one list that every connection to a target is held against.

A target's name is the tenant's to choose, and what it resolves to is whoever's who runs that zone: a Service of type
ExternalName reaches anything too. So the address is judged when it is dialled, after every resolution, and the judged
address is the one that is connected to. What this host's own addresses are beside loopback only a connection tells: it
has the same one at both ends. What is left to network policy: the pods and nodes of the cluster itself, and where a
Service's own address leads, which a tenant can choose with EndpointSlices made by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from hookgate.model.addresses import effective, is_metadata
from hookgate.model.networks import Networks


def may_dial(address: str, *, loopback: bool) -> bool:
    """Tell whether a target may have this address (as `socket` prints it, zone included).

    Never: metadata services; link-local, site-local, multicast and unspecified addresses; in any spelling of IPv4 too.
    ``loopback`` says whether this host itself is one, which is meant where no cluster is.
    """
    found = effective(address)
    if found is None:
        return False
    if found.is_loopback:
        return loopback
    if found.is_link_local or found.is_multicast or found.is_unspecified:
        return False
    if isinstance(found, IPv6Address):
        return not found.is_site_local and not is_metadata(found)
    if found.packed[0] == 0 or found.packed == b"\xff" * 4:
        return False
    return not is_metadata(found)


class Judge:
    """May targets have this address? Knows what is never allowed, what the platform denies, and what is learnt."""

    def __init__(self, *, loopback: bool, denied: Iterable[str] = ()) -> None:
        """Deny the networks in ``denied``; for ``loopback`` see `may_dial`."""
        self._loopback, self._denied = loopback, Networks(denied)
        self._learnt: set[IPv4Address | IPv6Address] = set()
        #: Another one whenever something was learnt: what was allowed before may not be any more.
        self.revision = 0

    def deny(self, addresses: Iterable[str]) -> None:
        """Deny these addresses from now on, as those of the API server are. What is no address is passed over."""
        new = {found for each in addresses if (found := effective(each)) is not None} - self._learnt
        if new:
            self._learnt |= new
            self.revision += 1

    def allows(self, address: str) -> bool:
        """Tell whether a target may have this address, in whatever spelling."""
        found = effective(address)
        if found is None or found in self._denied or found in self._learnt:
            return False
        return may_dial(address, loopback=self._loopback)

    def allows_between(self, own: str, peer: str) -> bool:
        """Tell whether a connection with these two ends may be used: with one address at both it stays on this host."""
        return self._loopback or effective(own) != effective(peer)

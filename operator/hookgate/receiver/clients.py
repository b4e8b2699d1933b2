"""Who a call comes from, as far as that can be known: pure.

The other end of the connection is known. What it says of others is believed only if it is one of the proxies that the
platform names; what a proxy was told by somebody else never is. So ``X-Forwarded-For`` is read from its end, where the
nearest proxy writes, up to the first address that is no such proxy. ``Forwarded`` and ``X-Real-IP`` are not read at
all: two sources could say two things. It may not know endpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from hookgate.model.networks import Address, Networks, plain_address

_FORWARDED_FOR: Final = b"x-forwarded-for"
#: More hops than any way here has; whoever sends more is nobody's proxy.
_LONGEST: Final = 2048
_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Which proxies stand in front: those in ``proxies``, or (``hops``) so many whose addresses nobody knows."""

    proxies: tuple[str, ...] = ()
    hops: int = 0


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody's address, and how it is written in a header."""

    address: Address
    text: bytes


class Clients:
    """Finds them. Remembers what it found, since senders are few and call often."""

    def __init__(self, trust: Trust) -> None:
        """Believe the proxies of ``trust`` and nobody else."""
        self._proxies, self._hops = Networks(trust.proxies), trust.hops
        self._asks = bool(trust.hops or trust.proxies)
        self._known = lru_cache(_REMEMBERED)(self._found)
        self.trusts = lru_cache(_REMEMBERED)(self._trusts)

    def of(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> Client | None:
        """Return whose call came from ``peer`` with these headers; None where that cannot be told.

        Header names are lower-case.
        """
        if not self._asks or not self.trusts(peer):
            return self._known(peer, b"")
        forwarded = b",".join([value for name, value in headers if name == _FORWARDED_FOR])
        # Judged before it is looked up: what is remembered is remembered with what was sent.
        return None if len(forwarded) > _LONGEST else self._known(peer, forwarded)

    def _trusts(self, peer: str) -> bool:
        """Tell whether the other end of a connection is a proxy that is believed."""
        if self._hops:
            return True
        address = plain_address(peer)
        return address is not None and address in self._proxies

    def _found(self, peer: str, forwarded: bytes) -> Client | None:
        found = self._nearest(plain_address(peer), forwarded)
        return None if found is None else Client(found, str(found).encode())

    def _nearest(self, peer: Address | None, forwarded: bytes) -> Address | None:
        if peer is None:
            return None
        told = forwarded.split(b",")[::-1] if forwarded else []
        if self._hops:
            return _written(told[self._hops - 1]) if len(told) >= self._hops else None
        nearest: Address | None = peer
        for each in told:
            if nearest is None or nearest not in self._proxies:
                return nearest
            nearest = _written(each)
        return nearest


def _written(entry: bytes) -> Address | None:
    """Read one entry of the header. Some proxies write a port behind it, and brackets around an IPv6 address."""
    text = entry.strip().decode("latin-1")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return plain_address(text)

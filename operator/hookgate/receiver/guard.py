"""Keeps a call from its target that it has taken already: by this receiver's memory, and by a store that all share.

The memory is asked first and always, so that a store costs one question for a new call and nothing for a repeated one
that came here before. While the store is away, what was taken meanwhile is kept and told to it later; whether calls
are delivered then is the endpoint's word. It may not know schemes, nor how a store is reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hookgate.receiver.replay import Claim, Memory
from hookgate.scheme.replay import Mark

#: How much longer than the target's own time a claim holds in a shared store, in seconds.
LEASE_MARGIN = 10.0


class Store(Protocol):
    """Marks that all receivers of an installation share."""

    def claim(self, uid: str, marks: Sequence[Mark], lease: float, done: Callable[[Claim, bytes], None]) -> None:
        """Claim all of a call's marks for ``lease`` seconds or none, and call ``done`` once, perhaps at once.

        It gets FRESH, SEEN, IN_FLIGHT or AWAY, and what to give to `free`.
        """
        ...

    def commit(self, uid: str, marks: Sequence[Mark], now: float) -> None:
        """Remember a call that a target has taken; as soon as the store is there again, if it is away."""
        ...

    def free(self, uid: str, marks: Sequence[Mark], token: bytes) -> None:
        """Give up a claim that is still one's own."""
        ...


@dataclass(slots=True, kw_only=True)
class Ticket:
    """A call that may be delivered, to be given back with `Guard.settle`.

    ``held``: its marks are claimed in the memory; ``token``: in the store, too.
    """

    uid: str
    marks: tuple[Mark, ...]
    held: bool
    token: bytes | None = None


#: Gets what is known of a call; with FRESH also the ticket, None for a call that cannot be remembered.
Admitted = Callable[[Claim, Ticket | None], None]


class Guard:
    """The memory of one receiver and, if there is one, the shared store."""

    def __init__(self, memory: Memory, store: Store | None = None) -> None:
        """Ask ``memory`` first."""
        self.memory, self._store = memory, store

    def admit(  # noqa: PLR0913, PLR0917 -- asked once for each call; keywords would cost time
        self, uid: str, marks: tuple[Mark, ...], required: bool, lease: float, now: float, done: Admitted
    ) -> None:
        """Claim a call's marks and call ``done`` once, perhaps at once. ``required``: as the endpoint's policy says."""
        found = self.memory.claim(uid, marks, now)
        if found is Claim.SEEN or found is Claim.IN_FLIGHT:
            done(found, None)
            return
        ticket = Ticket(uid=uid, marks=marks, held=found is Claim.FRESH)
        if self._store is None:
            self._alone(ticket, required, now, done)
            return

        def answered(claim: Claim, token: bytes) -> None:
            if claim is Claim.FRESH:
                ticket.token = token
                done(Claim.FRESH, ticket)
            elif claim is not Claim.AWAY:
                self.memory.free(uid, marks)
                done(claim, None)
            elif required:
                self.memory.free(uid, marks)
                done(Claim.AWAY, None)
            else:
                self._alone(ticket, required, now, done)

        self._store.claim(uid, marks, lease + LEASE_MARGIN, answered)

    def settle(self, ticket: Ticket, *, taken: bool, now: float) -> None:
        """Remember a call that the target has taken; give up one that it has not."""
        if taken:
            if ticket.held:
                self.memory.commit(ticket.uid, ticket.marks)
            if self._store is not None:
                self._store.commit(ticket.uid, ticket.marks, now)
            return
        if ticket.held:
            self.memory.free(ticket.uid, ticket.marks)
        if self._store is not None and ticket.token is not None:
            self._store.free(ticket.uid, ticket.marks, ticket.token)

    @staticmethod
    def _alone(ticket: Ticket, required: bool, now: float, done: Admitted) -> None:
        """Go by the memory alone. A call that it has no room for waits, if it could be repeated unnoticed."""
        if ticket.held:
            done(Claim.FRESH, ticket)
        elif required or any(mark.needed > now for mark in ticket.marks):
            done(Claim.FULL, None)
        else:
            done(Claim.FRESH, None)

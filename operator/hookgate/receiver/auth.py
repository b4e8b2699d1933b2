"""Whether a call is authentic: pure; the time is passed in.

It may not know paths, states or answers: the edge asks it about calls to served endpoints only. There is deliberately
no dummy work for unknown paths. A 404 is decided before the body is read, and without the body no work could be made
comparable to verifying it. Nothing is lost: the status itself tells 404 from 401, the paths are 160 random bits that
cannot be searched, and their lookup compares hashes that are keyed per process, so its time says nothing about how much
of a guess was right.
"""

from __future__ import annotations

from hookgate.receiver.respond import Refusal
from hookgate.receiver.table import Entry
from hookgate.scheme.request import CONFIGURATION_REASONS, Reason, Request, Verdict

_NO_VERIFIER = Verdict(accepted=False, reason=Reason.NO_USABLE_KEY)


def authenticate(entry: Entry, request: Request, now: float) -> Verdict:
    """Ask the entry's verifier. ``now`` is in unix seconds. An entry without one accepts nothing."""
    if entry.verify is None:
        return _NO_VERIFIER
    return entry.verify(request, now)


def refusal_for(verdict: Verdict) -> Refusal | None:
    """Return how a refused call is answered, None for an accepted one.

    A fault of ours is answered as unavailable, so that the sender tries again once it is mended.
    """
    if verdict.accepted:
        return None
    return Refusal.UNUSABLE if verdict.reason in CONFIGURATION_REASONS else Refusal.UNAUTHENTIC

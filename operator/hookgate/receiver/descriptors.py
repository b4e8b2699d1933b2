"""How many files the process may have open, and how many connections of senders that leaves.

Without a descriptor to be had nothing goes on: no target is reached, no probe is answered. So there must be fewer
connections than that. This module may not know what is said on any of them.
"""

from __future__ import annotations

import contextlib
import resource
from dataclasses import replace

from hookgate.receiver.edge import Bounds

#: What a process has open beside connections of senders, of probes and to targets: listeners, look-ups, files, watches.
OTHERS = 128
#: Which part senders have at least, where nothing would be left to them. As many again are then left to their calls.
_LEAST = 4


def allow(wanted: int) -> int:
    """Let the process open ``wanted`` files, or as many as the system lets it; return how many it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return soft


def fitting(bounds: Bounds, *, files: int, others: int, each: int) -> Bounds:
    """Return ``bounds`` with as many connections as ``files`` leave beside ``others``; one takes up to ``each``.

    What one address may have of them stays the same share.
    """
    most = max(files - others, files // _LEAST) // each
    if most >= bounds.connections:
        return bounds
    per_address = bounds.connections_per_address * most // bounds.connections
    return replace(bounds, connections=most, connections_per_address=max(1, per_address))

"""What the edge needs of whoever hands calls on: one bounded attempt at the target.

It may not know why the call is delivered nor what the sender will be told: it returns the target's answer or the reason
why there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hookgate.receiver.forward import Target
from hookgate.receiver.respond import Delivery


class Deliverer(Protocol):
    """What the edge needs of a client; one for all targets."""

    async def deliver(
        self, target: Target, headers: Sequence[tuple[bytes, bytes]], query: bytes, body: bytes
    ) -> Delivery:
        """POST ``body`` to the target once. ``headers`` are end-to-end and lower-case; ``query`` is ASCII."""
        ...

    async def close(self) -> None:
        """Give up all connections."""
        ...

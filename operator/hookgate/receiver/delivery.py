"""What the edge needs of whoever hands calls on: one bounded attempt at the target.

It may not know why the call is delivered nor what the sender will be told: it tells the target's answer or the reason
why there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from hookgate.receiver.forward import Target
from hookgate.receiver.respond import Delivery

#: Takes the outcome of one attempt.
Done = Callable[[Delivery], None]


class Deliverer(Protocol):
    """A client for all targets."""

    def begin(
        self, target: Target, headers: Sequence[tuple[bytes, bytes]], query: bytes, body: bytes, done: Done
    ) -> None:
        """POST ``body`` to the target once, and call ``done`` once, perhaps before this returns.

        ``headers`` are end-to-end and lower-case; ``query`` is ASCII. A callback and no coroutine, because a call then
        needs no task: on a warm connection that is a fifth of what it costs.
        """
        ...

    async def close(self) -> None:
        """Give up all connections."""
        ...


async def deliver(
    deliverer: Deliverer, target: Target, headers: Sequence[tuple[bytes, bytes]], query: bytes, body: bytes
) -> Delivery:
    """Wait for one attempt. It goes on if the waiting is cancelled."""
    answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
    deliverer.begin(target, headers, query, body, lambda found: None if answer.done() else answer.set_result(found))
    return await answer

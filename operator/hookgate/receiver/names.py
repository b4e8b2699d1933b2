"""What targets' names lead to: looked up when a connection is to be opened, and remembered for a short while.

The system looks few names up at a time, and one whose servers do not answer takes a place for as long as it likes,
whether or not anybody still waits. So a name that was slow has to share a part of the places with others of its kind
until it is quick again. It may not know which addresses are good for anything.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

Found = tuple[int, int, int, str, Any]

_REMEMBER_SECONDS = 10.0
_REMEMBER_NAMES = 4_096
#: What takes longer was slow. An answer takes milliseconds, one that was lost on its way some seconds.
_SLOW_SECONDS = 1.0
#: How many names that were slow are looked up at a time: well below what the event loops do at all (`loop`).
_SLOW_AT_ONCE = 2


class Names:
    """Make it inside a running loop."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._loop = asyncio.get_running_loop()
        self._known: dict[str, tuple[float, Sequence[Found]]] = {}
        self._asking: dict[str, asyncio.Task[Sequence[Found]]] = {}
        self._slow: set[str] = set()
        self._turns = asyncio.Semaphore(_SLOW_AT_ONCE)

    async def addresses(self, host: str, port: int) -> list[Found]:
        """Return where ``host`` is, once for all who ask at the same time.

        Raises OSError where that cannot be told, and ValueError for a host that cannot be one.
        """
        known = self._known.get(host)
        if known is not None and known[0] > self._loop.time():
            found = known[1]
        else:
            found = await asyncio.shield(self._asking.get(host) or self._ask(host))
        return [(*each[:4], (each[4][0], port, *each[4][2:])) for each in found]

    def _ask(self, host: str) -> asyncio.Task[Sequence[Found]]:
        asking = self._asking[host] = asyncio.create_task(self._in_turn(host))
        asking.add_done_callback(lambda _: self._asked(host))
        return asking

    def _asked(self, host: str) -> None:
        asking = self._asking.pop(host)
        if not asking.cancelled():
            asking.exception()  # perhaps nobody waits for it any more: that is no news for the log

    async def _in_turn(self, host: str) -> Sequence[Found]:
        if host not in self._slow:
            return await self._look_up(host)
        async with self._turns:
            return await self._look_up(host)

    async def _look_up(self, host: str) -> Sequence[Found]:
        begun = self._loop.time()
        try:
            found = await self._resolve(host)
        finally:
            if self._loop.time() - begun <= _SLOW_SECONDS:
                self._slow.discard(host)
            elif len(self._slow) < _REMEMBER_NAMES:
                self._slow.add(host)
        if len(self._known) >= _REMEMBER_NAMES:
            self._known.clear()
        self._known[host] = (self._loop.time() + _REMEMBER_SECONDS, found)
        return found

    async def _resolve(self, host: str) -> Sequence[Found]:
        return await self._loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)

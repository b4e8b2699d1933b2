"""What connections may hold before anybody looks at it: messages that are unfinished, and requests that came too early.

It may not know what is said on a connection.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from hookgate.receiver.lean.request import Request, size_of

#: How much is parsed before anybody looks whether requests wait: as it came, what waits takes less than as requests.
AT_ONCE: Final = 16_384
#: What a request costs beside its head and its body.
_REQUEST_OVERHEAD: Final = 512


class Room:
    """The bytes that all connections have together. No address takes more of them than are still free.

    One event loop, so plain numbers suffice.
    """

    __slots__ = ("_free", "_taken")

    def __init__(self, size: int) -> None:
        """Start with all of it free."""
        self._free = size
        self._taken: dict[str, int] = {}

    @property
    def free(self) -> int:
        """How many bytes nobody has."""
        return self._free

    def take(self, address: str, size: int) -> bool:
        """Take ``size`` bytes, or return False where there are not as many for this address."""
        taken = self._taken.get(address, 0) + size
        if taken > self._free:
            return False
        self._free -= size
        self._taken[address] = taken
        return True

    def give(self, address: str, size: int) -> None:
        """Give back bytes that ``address`` has taken."""
        self._free += size
        left = self._taken[address] - size
        if left:
            self._taken[address] = left
        else:
            del self._taken[address]


class Waiting:
    """What of one connection waits, with its part of the room: all of it is counted as it is kept, as objects."""

    __slots__ = ("_address", "_coming", "_queue", "_room")

    def __init__(self, room: Room, address: str) -> None:
        """Hold nothing."""
        self._room, self._address = room, address
        self._queue: deque[Request] = deque()
        self._coming = 0

    def any(self) -> bool:
        """Tell whether a request waits for its turn."""
        return bool(self._queue)

    def coming(self, size: int) -> bool:
        """Count ``size`` bytes for the message that is coming, in place of those before; False: there is no room."""
        more = size - self._coming
        if more > 0:
            if not self._room.take(self._address, more):
                return False
        elif more < 0:
            self._room.give(self._address, -more)
        self._coming = size
        return True

    def add(self, request: Request) -> bool:
        """Let a request wait; False: there is no room."""
        size = _REQUEST_OVERHEAD + len(request.path) + len(request.query) + size_of(request.headers)
        if not self.grow(request, size):
            return False
        self._queue.append(request)
        return True

    def grow(self, request: Request, size: int) -> bool:
        """Count ``size`` bytes more for a request; False: there is no room."""
        if not self._room.take(self._address, size):
            return False
        request.waiting += size
        return True

    def take(self) -> Request:
        """Take the request whose turn it is."""
        request = self._queue.popleft()
        self._room.give(self._address, request.waiting)
        return request

    def clear(self) -> None:
        """Forget the requests: they are never begun."""
        while self._queue:
            self.take()

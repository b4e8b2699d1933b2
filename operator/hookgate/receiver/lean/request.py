"""One request as the parser tells of it. It may not know connections."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from hookgate.receiver.calls import Call


class State(Enum):
    """How far a request has come. One that is answered may still have a rest of a body to come."""

    QUEUED = auto()
    READING = auto()
    DELIVERING = auto()
    ANSWERED = auto()


QUEUED: Final = State.QUEUED
READING: Final = State.READING
DELIVERING: Final = State.DELIVERING
ANSWERED: Final = State.ANSWERED


class Request:
    """One request as it comes. ``call`` is set when it is its turn, if its path is known."""

    __slots__ = ("call", "chunks", "continued", "headers", "keep_alive", "method", "path", "query", "state", "whole")

    def __init__(
        self, method: bytes, path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], keep_alive: bool
    ) -> None:
        self.method, self.path, self.query, self.headers = method, path, query, headers
        self.keep_alive = keep_alive
        self.state = QUEUED
        self.call: Call | None = None
        self.chunks: list[bytes] = []
        self.whole = self.continued = False

"""What is to go wrong, and where: a rule waits for one request, or one event of a watch, and fires once.

Rules only choose; the proxy carries them out. Pure but for the counting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from tests.faults.asked import Asked


class Moment(Enum):
    """When a process is killed, seen from the API server's side of its write."""

    BEFORE = "before the server has it"
    UNANSWERED = "done, before the answer"
    ANSWERED = "after the answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """End whoever asked, by SIGKILL."""

    moment: Moment
    kill: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Answer with an error in the server's stead; it never sees the request."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Ill-treat the connection. ``reset``: cut it; ``lost``: do it, cut the answer; ``hang``; ``drip``: bit by bit."""

    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Do what is asked, and keep the answer back until ``over``, which belongs to the proxy's loop."""

    over: asyncio.Event = field(default_factory=asyncio.Event)


Action = Kill | Fail | Break | Hold


@dataclass(slots=True, kw_only=True)
class Rule:
    """Fires at the ``nth`` request that matches, counted from when the rule was set."""

    action: Action
    nth: int = 1
    team: str | None = None
    writes: bool | None = None
    matches: Callable[[Asked], bool] = lambda _: True
    #: Fires at every matching request from the nth on.
    lasting: bool = False
    seen: int = 0
    fired: int = 0
    hit: Asked | None = None

    def meets(self, asked: Asked) -> bool:
        """Count this request if it matches, and tell whether it is the one."""
        if self.team is not None and asked.team != self.team:
            return False
        if self.writes is not None and asked.writes != self.writes:
            return False
        if asked.verb == "watch" or not self.matches(asked):
            return False
        self.seen += 1
        if self.seen == self.nth or (self.lasting and self.seen > self.nth):
            self.fired += 1
            self.hit = asked
            return True
        return False


@dataclass(slots=True, kw_only=True)
class Lose:
    """Does ``what`` ("drop", "delay", "duplicate", "cut") to the ``nth`` event of ``stream`` about ``team``.

    Events that the receiver is told are only meant with ``receiver``.
    """

    what: str
    stream: str
    team: str
    nth: int = 1
    receiver: bool = False
    seen: int = 0
    fired: int = 0

    def meets(self, client: str, stream: str, team: str) -> bool:
        """Count this event if it matches, and tell whether it is the one."""
        if stream != self.stream or team != self.team or self.receiver != (client == "receiver"):
            return False
        self.seen += 1
        self.fired += self.seen == self.nth
        return self.seen == self.nth


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event of a watch, as it passed by."""

    at: float
    client: str
    stream: str
    team: str
    kind: str

"""An event loop whose clock moves only when everybody waits: hours pass at once, and delays can be told exactly."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Never waits: the time that it was to wait for is over."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for something that never comes"
        self.passed += max(0.0, timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._fake = _Selector()
        super().__init__(self._fake)

    def time(self) -> float:
        return self._fake.passed


def run(test: Coroutine[Any, Any, T]) -> T:
    """Run ``test`` on a loop of its own, beginning at second 0. No sockets, no threads."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(test)


def now() -> float:
    """Return the seconds that have passed."""
    return asyncio.get_running_loop().time()

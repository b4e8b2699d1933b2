"""Runs asynchronous tests without a plugin, and waits for conditions without guessing at durations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

LIMIT_S = 30.0
T = TypeVar("T")


def run(test: Coroutine[Any, Any, T], *, limit_s: float = LIMIT_S) -> T:
    """Run ``test`` on a loop of its own; a test that hangs fails after ``limit_s`` seconds."""

    async def bounded() -> T:
        try:
            async with asyncio.timeout(limit_s):
                return await test
        finally:
            await _sockets_closed()

    return asyncio.run(bounded())


async def eventually(condition: Callable[[], object], what: str, *, limit_s: float = LIMIT_S / 3) -> None:
    """Return once ``condition()`` is true; fails, naming ``what``, after ``limit_s`` seconds."""
    deadline = asyncio.get_running_loop().time() + limit_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"never: {what}"
        await asyncio.sleep(0.005)


async def _sockets_closed() -> None:
    """Wait until the loop watches nothing but itself: TLS connections say good-bye for a while after their close."""
    watched = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined]
    for _ in range(400):
        if len(watched) <= 1:
            return
        await asyncio.sleep(0.005)

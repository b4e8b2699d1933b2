"""Runs asynchronous tests without a plugin, and waits for conditions without guessing at durations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

LIMIT_S = 30.0
T = TypeVar("T")


def run(test: Coroutine[Any, Any, T]) -> T:
    """Run ``test`` on a loop of its own; a test that hangs fails after `LIMIT_S` seconds."""

    async def bounded() -> T:
        async with asyncio.timeout(LIMIT_S):
            return await test

    return asyncio.run(bounded())


async def eventually(condition: Callable[[], object], what: str) -> None:
    """Return once ``condition()`` is true; fails, naming ``what``, after a third of `LIMIT_S`."""
    deadline = asyncio.get_running_loop().time() + LIMIT_S / 3
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"never: {what}"
        await asyncio.sleep(0.005)

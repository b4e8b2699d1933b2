"""What most tests share: one receiver that needs no settings of its own, and a runner on both event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import uvloop

from hookgate.receiver.settings import Edge
from tests.receiver.rig import House, bounds, settings
from tests.receiver.scripted import WAIT, Run


@pytest.fixture(scope="session", params=list(Edge))
def edge(request: pytest.FixtureRequest) -> Edge:
    """Each edge in turn: what holds for one holds for the other."""
    chosen: Edge = request.param
    return chosen


@pytest.fixture(scope="session")
def house(edge: Edge) -> Iterator[House]:
    """A running receiver and target."""
    with House(settings(edge=edge, bounds=bounds(head_seconds=60))).running() as running:
        yield running


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a test's coroutine on both event loops that receivers run on."""

    def runner(main: Callable[[], Awaitable[Any]]) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(WAIT):
                return await main()

        with asyncio.Runner(loop_factory=request.param) as loop:
            return loop.run(bounded())

    return runner

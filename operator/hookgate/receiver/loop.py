"""The event loop of a process that only receives: uvloop, which carries about twice the calls of asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import uvloop


def run_on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` to its end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)

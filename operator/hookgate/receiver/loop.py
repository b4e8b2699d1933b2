"""The event loop of a process that only receives: uvloop, which carries about twice the calls of asyncio's own.

It looks names up on threads of its own, half of them at most, and begins with four: two names that nobody answers for
would keep every other target waiting.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

import uvloop

from hookgate.receiver.allocator import keep_freed_memory

_THREADS = "16"


def run_on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` to its end."""
    keep_freed_memory()
    os.environ.setdefault("UV_THREADPOOL_SIZE", _THREADS)  # read by the loop with the first name that is looked up
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)

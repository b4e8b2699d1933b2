"""A receiver as a process of its own: ``python -m tests.receiver.serving FOLDER EDGE [DRAIN_DELAY]``.

It prints its two ports."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import uvloop

from hookgate.receiver.process import Receiver, run_receiver
from hookgate.receiver.settings import Edge
from hookgate.receiver.source import FolderSource
from tests.receiver.rig import settings


def announce(receiver: Receiver) -> None:
    """Print the ports for the test to read."""
    sys.stdout.write(" ".join(map(str, receiver.ports)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG)
    source = FolderSource(Path(sys.argv[1]), interval=0.02)
    delay = float(sys.argv[3]) if len(sys.argv) > 3 else 0.3
    chosen = settings(drain_delay=delay, edge=Edge(sys.argv[2]))
    receiving = run_receiver(chosen, source, started=announce, on_call=print)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(receiving)

"""Kills what it was told of when the process that started it is gone, however that one died.

Run as a script by `processes.Watchdog`. It reads `+PID` and `-PID` lines; the end of its standard input means that
the other side is gone (or done). Why not PR_SET_PDEATHSIG: that fires when the *thread* that started the child
ends, and tests start servers from worker threads. This module imports nothing of the project.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main() -> None:
    """Keeps the book of living children until the input ends, then kills those left in it."""
    alive: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line[0] == "+":
            alive.add(pid)
        else:
            alive.discard(pid)
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()

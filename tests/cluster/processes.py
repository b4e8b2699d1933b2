"""Server processes for tests: start with a log file, stop by pid, pause, and never outlive the test process.

Knows nothing of Kubernetes.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

_POLL_SECONDS = 0.05
_KILL_AFTER_SECONDS = 3.0
_LOG_LINES_SHOWN = 20
_PORTS = range(20_000, 32_000)


class NotReadyError(AssertionError):
    """A server died or a condition did not come true in time; the text ends with the last log lines, if any."""


class Watchdog:
    """The side process (see watchdog.py) that kills the registered processes should this one die."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("watchdog.py")
        # A session of its own: Ctrl-C in the terminal must not end the watchdog before its work is done.
        self._process = subprocess.Popen(
            [sys.executable, "-I", script], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def watch(self, pid: int) -> None:
        """Kill `pid` if this process dies."""
        self._tell(f"+{pid}")

    def forget(self, pid: int) -> None:
        """`pid` has ended; its number may be somebody else's from now on."""
        self._tell(f"-{pid}")

    def close(self) -> None:
        """Ends the watchdog, and with it whatever is still registered."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


class Server:
    """One long-running program: the same command line at every start, everything it prints in one log file."""

    def __init__(
        self, name: str, command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str], watchdog: Watchdog
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._watchdog = watchdog
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id. Only while it runs."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process exists (a paused one does)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the program; returns at once, ready or not."""
        assert not self.running, f"{self.name} already runs"
        with self.log.open("ab") as output:
            # A session of its own: Ctrl-C ends the tests, and these then stop the servers in order.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        self._watchdog.watch(self._process.pid)

    def stop(self, *, kill: bool = False) -> None:
        """Ends the program: SIGTERM and, after 3 seconds, SIGKILL; with `kill`, SIGKILL at once."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self._process.send_signal(signal.SIGCONT)  # a paused process would not see the SIGTERM
            try:
                self._process.wait(_KILL_AFTER_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._watchdog.forget(self._process.pid)
        self._process = None

    def pause(self) -> None:
        """Freezes the program: its connections stay open and nothing answers on them."""
        assert self._process is not None, f"{self.name} does not run"
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Ends a pause; harmless without one."""
        assert self._process is not None, f"{self.name} does not run"
        self._process.send_signal(signal.SIGCONT)

    def last_lines(self) -> str:
        """The end of the log, headed by its name and place."""
        lines: list[str] = []
        if self.log.exists():
            lines = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
        return "\n".join([f"--- {self.name}, end of {self.log}:", *lines])


def wait_until(
    condition: Callable[[], bool], what: str, *, seconds: float = 30.0, needs: Iterable[Server] = ()
) -> None:
    """Returns as soon as `condition()` is true. Raises NotReadyError after `seconds`, or when one of `needs` has died.

    `what` completes the sentence "waited ... seconds for".
    """
    needed = list(needs)
    deadline = time.monotonic() + seconds
    while not condition():
        dead = [server for server in needed if not server.running]
        if dead:
            raise NotReadyError("\n".join([f"{dead[0].name} ended while waiting for {what}", dead[0].last_lines()]))
        if time.monotonic() > deadline:
            logs = [server.last_lines() for server in needed]
            raise NotReadyError("\n".join([f"waited {seconds:g} seconds for {what}", *logs]))
        time.sleep(_POLL_SECONDS)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on.

    Taken from below the range that systems hand out to outgoing connections, so that a server which is stopped for
    a while finds its port free when it starts again. Of a parallel run each worker has a share of its own.
    """
    chooser = random.SystemRandom()
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = _PORTS[worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    for _ in range(200):
        port = chooser.choice(share)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise NotReadyError(f"no free TCP port between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1")

"""Processes on cores: start them pinned, read what they use, end them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_WAIT = 180.0


class Missing(Exception):  # noqa: N818 -- what is wrong, told to the user
    """Something that the bench needs is not here. The text says what, and how to get it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program and the Debian package that has it."""

    name: str
    package: str


PROGRAMS = (
    Program(name="go", package="golang-go (1.24 or later)"),
    Program(name="cc", package="gcc, python3-dev"),
    Program(name="nginx", package="nginx-light"),
    Program(name="webhook", package="webhook"),
    Program(name="taskset", package="util-linux"),
)


def check() -> None:
    """Raise `Missing` unless this machine can run the bench. Puts what Debian keeps for administrators on the PATH."""
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/go/bin"])
    lacking = [each for each in PROGRAMS if shutil.which(each.name) is None]
    if lacking:
        packages = ", ".join(f"{each.name} (Debian: {each.package})" for each in lacking)
        raise Missing(f"needed and not found: {packages}")
    if len(os.sched_getaffinity(0)) < 2:
        raise Missing("two cores are needed: one for the contender, one for client and target")


def cores() -> tuple[int, int]:
    """Return the contender's core and that of everything else."""
    first, second, *_ = sorted(os.sched_getaffinity(0))
    return first, second


class Process:
    """One started program with its children."""

    def __init__(self, command: Sequence[str], *, on: Sequence[int], folder: Path, **environment: str) -> None:
        """Start ``command`` on these cores; what it says goes to a file in ``folder``."""
        pinned = ["taskset", "--cpu-list", ",".join(map(str, on)), *command]
        self._log = (folder / f"{Path(command[0]).name}.{time.monotonic_ns()}.log").open("wb")
        self._popen = subprocess.Popen(
            pinned, stdout=self._log, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )

    def cpu(self) -> float:
        """Return the CPU seconds that it and its children have used."""
        return sum(_cpu(pid) for pid in self._tree())

    def memory(self) -> float:
        """Return the resident MiB of it and its children."""
        return sum(_status(pid, "VmRSS") for pid in self._tree()) / 1024

    def peak(self) -> float:
        """Return the most MiB that each of them ever had, summed."""
        return sum(_status(pid, "VmHWM") for pid in self._tree()) / 1024

    def end(self) -> None:
        """Stop it and wait."""
        self._popen.terminate()
        try:
            self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._log.close()

    def check(self) -> None:
        """Raise `Missing` if it has ended."""
        if self._popen.poll() is not None:
            said = Path(self._log.name).read_text(errors="replace")[-2000:]
            raise Missing(f"{self._popen.args!r} ended by itself:\n{said}")

    def _tree(self) -> list[int]:
        found, todo = [], [self._popen.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            with contextlib.suppress(OSError):
                todo += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _status(pid: int, field: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now, each with a free one above it."""
    with contextlib.ExitStack() as held:
        found: list[int] = []
        while len(found) < count:
            one = held.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = one.getsockname()[1]
            try:
                held.enter_context(socket.create_server(("127.0.0.1", port + 1)))
            except OSError:
                continue
            found.append(port)
    return found


def until(condition: Callable[[], bool], what: str, processes: Sequence[Process] = ()) -> None:
    """Wait for a condition. Raises `Missing` if it does not come to hold."""
    deadline = time.monotonic() + _WAIT
    while not condition():
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            raise Missing(f"gave up waiting: {what}")
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Tell whether somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def ended(processes: list[Process]) -> Iterator[None]:
    """End all of them, whatever happens."""
    try:
        yield
    finally:
        for process in reversed(processes):
            process.end()

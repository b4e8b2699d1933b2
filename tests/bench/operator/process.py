"""What processes have used so far, as Linux tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024.0
_SERVERS = ("kube-apiserver", "etcd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU seconds since the process began; its peak and its present resident memory in MiB."""

    cpu: float
    peak: float
    resident: float


def usage(pid: int) -> Usage:
    """Read it. Raises OSError where the process is gone."""
    folder = Path("/proc") / str(pid)
    memory = {
        name: float(rest.split()[0]) / _MIB
        for name, _, rest in (line.partition(":") for line in (folder / "status").read_text().splitlines())
        if name in ("VmHWM", "VmRSS")
    }
    return Usage(cpu=_cpu_of(pid)[1], peak=memory["VmHWM"], resident=memory["VmRSS"])


def own_cpu() -> float:
    """CPU seconds that this process has used."""
    return _cpu_of(os.getpid())[1]


def server_cpu() -> float:
    """CPU seconds that the API server and etcd have used, which are this process's children."""
    total = 0.0
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parent, cpu = _cpu_of(int(folder.name))
                if parent == os.getpid() and (folder / "comm").read_text().strip() in _SERVERS:
                    total += cpu
            except OSError:
                continue  # it ended meanwhile
    return total


def _cpu_of(pid: int) -> tuple[int, float]:
    """The parent of a process and the CPU seconds that it has used. Raises OSError where it is gone."""
    # The second field is the command in parentheses, which may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS

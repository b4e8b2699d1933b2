"""Runs a program in network, mount and process namespaces of its own, and removes every trace of it afterwards.

However this process ends, everything inside is killed: by `unshare` when that ends, and by the tests' watchdog when
this process does. What namespaces cannot take along, the cgroups, is removed by name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.processes import Watchdog
from tests.node.addresses import NODE

PREFIX = f"hookgate-e2e-{os.getpid()}-"
"""What the run's own folder begins with: its process id tells the folders of the living from those of the dead."""

_CGROUPS = Path("/sys/fs/cgroup")
_REMOVE_SECONDS = 10.0


def isolated(command: Sequence[str | Path], *, cgroup: str) -> int:
    """Run `command` in there and return its exit status. `cgroup`: the name of what it makes below each hierarchy."""
    unshare = [
        "unshare",
        *("--net", "--mount", "--pid", "--mount-proc", "--propagation=private"),
        *("--fork", "--kill-child=SIGKILL"),
    ]
    init: list[str | Path] = [sys.executable, "-I", Path(__file__).with_name("init.py"), NODE]
    make_cgroups(cgroup)
    watchdog = Watchdog()
    process = subprocess.Popen([*unshare, *init, *command], stdin=subprocess.DEVNULL)
    watchdog.watch(process.pid)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        watchdog.forget(process.pid)
        watchdog.close()
        remove_cgroups(cgroup)


def cgroup_name() -> str:
    """The name of this run's cgroups."""
    return PREFIX.rstrip("-")


def sweep() -> None:
    """Remove what runs have left that were killed before they could: folders and cgroups, by the dead process's id."""
    folders = Path(tempfile.gettempdir()).glob("hookgate-e2e-[0-9]*-*")
    for path in [*folders, *_CGROUPS.glob("hookgate-e2e-[0-9]*"), *_CGROUPS.glob("*/hookgate-e2e-[0-9]*")]:
        if not Path("/proc", path.name.split("-")[2]).exists():
            if _CGROUPS in path.parents:
                remove_cgroups(path.name)
            else:
                remove_folder(path)


def make_cgroups(name: str) -> None:
    """Make a cgroup called `name` in every hierarchy: kubelet wants the root of its pods' cgroups to be there."""
    unified = (_CGROUPS / "cgroup.controllers").exists()
    for top in [_CGROUPS] if unified else [path for path in _CGROUPS.iterdir() if path.is_dir()]:
        (top / name).mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # In the first version a cgroup without processors and memory of its own takes no process in.
            if not unified and (top / setting).exists():
                (top / name / setting).write_text((top / setting).read_text())


def remove_cgroups(name: str) -> None:
    """Remove the cgroups called `name` from every hierarchy; their processes have been killed and may take a moment."""
    for top in [*_CGROUPS.glob(f"*/{name}"), _CGROUPS / name]:
        deadline = time.monotonic() + _REMOVE_SECONDS
        while top.is_dir() and time.monotonic() < deadline:
            # Only rmdir, and from below: the files in there cannot be removed and need not be.
            folders = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True)
            for folder in [*folders, top]:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def remove_folder(folder: Path) -> None:
    """Remove what the node wrote; its mounts were in a namespace that is gone."""
    shutil.rmtree(folder, ignore_errors=True)

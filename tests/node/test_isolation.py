"""The namespaces of the node: nothing inside reaches out, and nothing outlives its run, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.processes import wait_until
from tests.node import isolation, needs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
CGROUP = "hookgate-test-isolation"
# A program that shows it has begun, and that has a child of its own, as containers are of theirs.
SLEEPER = "import subprocess, sys; open(sys.argv[1], 'w').close(); subprocess.run(['sleep', sys.argv[2]])"
CALLER = f"from tests.node.isolation import isolated; isolated(sys.argv[1:], cgroup={CGROUP!r})"


@pytest.fixture(autouse=True)
def _able() -> None:
    """Root on Linux; of all that a node needs these tests take no more."""
    for problem in needs.privileges():
        pytest.skip(problem)


def processes(mark: str) -> list[int]:
    """Those that have `mark` on their command line, this one's own children included."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has ended meanwhile
        if mark in line.split("\0") and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def cgroups() -> list[Path]:
    return [*Path("/sys/fs/cgroup").glob(f"*/{CGROUP}"), *Path("/sys/fs/cgroup").glob(CGROUP)]


def test_a_program_runs_in_a_network_of_its_own_and_its_exit_status_is_told() -> None:
    """It sees loopback and the node's bridge and nothing of the machine's; afterwards its cgroups are gone."""
    shown = "import socket, sys; sys.exit(7 if {n for _, n in socket.if_nameindex()} == {'lo', 'node0'} else 1)"
    assert isolation.isolated([sys.executable, "-c", shown], cgroup=CGROUP) == 7
    assert cgroups() == []


def test_all_inside_ends_when_the_command_is_killed(tmp_path: Path) -> None:
    """Kill -9, which leaves the command no chance to clean up; a later run removes the cgroups that it left."""
    seconds, begun = f"{86_400 + os.getpid()}", tmp_path / "begun"
    command = [sys.executable, "-c", f"import sys; {CALLER}", sys.executable, "-c", SLEEPER, str(begun), seconds]
    caller = subprocess.Popen(command, cwd=ROOT)
    try:
        wait_until(lambda: begun.exists() and len(processes(seconds)) > 1, "the program and its child to run")
    finally:
        caller.send_signal(signal.SIGKILL)
        caller.wait()
    wait_until(lambda: processes(seconds) == [], "everything inside to be gone")
    isolation.remove_cgroups(CGROUP)
    assert cgroups() == []

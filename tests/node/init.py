"""The first process of the node's namespaces: sets the network up, runs one program, reaps what is left to it.

Run as a script by `isolation.isolated`, in new network, mount and process namespaces: when this process ends, the
kernel kills everything inside, containers too, and network and mounts are gone. It imports nothing of the project.

Usage: init.py NODE_ADDRESS PROGRAM ARGUMENT...
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_FORWARDING = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables")


def network(address: str) -> None:
    """Loopback, and a bridge that holds the node's address (not every kernel has the link type `dummy`)."""
    for command in (
        "ip link set lo up",
        "ip link add node0 type bridge",
        f"ip address add {address}/24 dev node0",
        "ip link set node0 up",
        f"ip route add default via {address}",
    ):
        subprocess.run(command.split(), check=True)
    for setting in _FORWARDING:
        path = Path("/proc/sys", setting)
        if path.exists():
            path.write_text("1")


def main() -> int:
    """Returns the program's exit status once it has ended."""
    network(sys.argv[1])
    program = subprocess.Popen(sys.argv[2:])
    while True:
        pid, status = os.wait()  # also for orphans of every container: there is nobody else to wait for them
        if pid == program.pid:
            return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    sys.exit(main())

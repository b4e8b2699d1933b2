"""Whether a pod reaches an address: a connection is tried from inside its network, and nothing is sent.

It knows of processes and ports; who is to reach whom is said in steps.py.
"""

from __future__ import annotations

import subprocess
import sys

_PATIENCE = 3.0
_TRY = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()"


def reaches(pid: int, address: str, port: int) -> bool:
    """Whether a connection to `address` comes about from the network namespace of the process `pid`."""
    inside = ["nsenter", f"--net=/proc/{pid}/ns/net"]
    command = [*inside, sys.executable, "-I", "-c", _TRY, address, str(port), str(_PATIENCE)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0

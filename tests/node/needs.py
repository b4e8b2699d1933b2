"""What the node needs of the machine, said before anything is built or started.

Standard library only.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator

from tests.node.containers import CNI_PLUGINS

#: Program -> the Debian package that has it.
_PROGRAMS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "iptables": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "unshare": "util-linux",
}
_APT_GET = ("apt-get", "install", "--no-install-recommends")
_QUIETLY = ("--quiet=2", "--yes", "--option=DPkg::Lock::Timeout=300")
_PLUGINS = ("bridge", "host-local", "portmap", "loopback")


def privileges() -> Iterator[str]:
    """What of the machine itself is missing, a sentence each."""
    if platform.system() != "Linux":
        yield "a node needs Linux: use a virtual machine with Debian 12 or newer"
    elif os.geteuid() != 0:
        yield "a node needs root, for its namespaces and containers: run it with sudo, or in a virtual machine"


def packages() -> list[str]:
    """The Debian packages that are missing."""
    names = {package for program, package in _PROGRAMS.items() if shutil.which(program) is None}
    if not all((CNI_PLUGINS / plugin).exists() for plugin in _PLUGINS):
        names.add("containernetworking-plugins")
    return sorted(names)


def missing() -> Iterator[str]:
    """A sentence for each thing that is missing and what to do about it; nothing where all is there."""
    yield from privileges()
    if names := packages():
        yield f"call it with --install, or: {' '.join((*_APT_GET, *names))}"
    if shutil.which("go") is None:
        yield "install Go 1.25 or newer: the programs of Kubernetes, CoreDNS, Contour and Helm are built from source"


def install() -> None:
    """Install the packages that are missing. Raises CalledProcessError; apt-get has then said why."""
    if names := packages():
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (("apt-get", "update"), (*_APT_GET, *names)):
            subprocess.run([*command, *_QUIETLY], env=environment, stdin=subprocess.DEVNULL, check=True)

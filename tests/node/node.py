"""One node with everything on it, started in order and stopped in the reverse: `Node` is the place the story plays in.

Must be started inside the namespaces of isolation.py. It knows nothing of Hookgate.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.cluster.processes import Server, Watchdog, wait_until
from tests.node import agents, ingress
from tests.node.addresses import NODE_NAME
from tests.node.containers import Containers
from tests.node.plane import NodePlane

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_READY_SECONDS = 120.0


class Node:
    """A cluster of one node. `images`: archives to bring to it."""

    def __init__(self, folder: Path, *, cgroup: str, images: Sequence[Path]) -> None:
        self.folder, self._images, self._cgroup = folder, images, cgroup
        self.plane = NodePlane(folder)
        self.environment = {"PATH": _PATH, "HOME": str(folder)}
        self._stack = contextlib.ExitStack()
        self._servers: list[Server] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.plane)
            self._watchdog = Watchdog()
            stack.callback(self._watchdog.close)
            stack.callback(self._stop)
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        kubeconfig = self.plane.admin_kubeconfig
        common: dict[str, Any] = {"environment": self.environment, "watchdog": self._watchdog}
        self.containers = Containers(self.folder / "containerd", self.environment, self._watchdog)
        self.containers.start()
        self._servers.append(self.containers.server)
        for image in self._images:
            self.containers.load(image)
        kubelet = agents.kubelet(
            self.folder / "kubelet",
            kubeconfig=kubeconfig,
            containerd=self.containers.socket,
            cgroup=self._cgroup,
            **common,
        )
        self._run(
            self.plane.scheduler(self._watchdog),
            kubelet,
            agents.kube_proxy(self.folder, kubeconfig=kubeconfig, **common),
            agents.coredns(self.folder / "coredns", kubeconfig=kubeconfig, **common),
        )
        wait_until(self._ready, "the node to be Ready", seconds=_READY_SECONDS, needs=self._servers)
        # It looks its node up as it starts, and ends where there is none yet.
        self._run(agents.kube_router(self.folder, kubeconfig=kubeconfig, **common))

    def _ready(self) -> bool:
        found = self.plane.kubectl("get", "node", NODE_NAME, "--ignore-not-found", "-o", "json").stdout
        return '"reason": "KubeletReady"' in found and '"node.kubernetes.io/not-ready"' not in found

    def start_ingress(self) -> None:
        """Contour and Envoy; their kinds must be installed."""
        pair = ingress.Ingress(
            self.folder / "ingress",
            kubeconfig=self.plane.admin_kubeconfig,
            environment=self.environment,
            watchdog=self._watchdog,
        )
        pair.start()
        self._servers += [pair.contour, pair.envoy]

    def _run(self, *servers: Server) -> None:
        for server in servers:
            server.start()
            self._servers.append(server)

    def check(self) -> None:
        """Raise AssertionError, with the end of its log, if one of the node's programs has died."""
        for server in self._servers:
            assert server.running, server.last_lines()

    def _stop(self) -> None:
        for server in reversed(self._servers):
            # Nothing needs an orderly end: the namespaces go with all that is left.
            server.stop(kill=True)
        self._servers = []

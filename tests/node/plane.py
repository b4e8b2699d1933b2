"""The control plane as a node needs it: reachable at the node's address, every controller, and the scheduler.

Everything else is tests/cluster/controlplane.py. It knows nothing of kubelet or of containers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.cluster.binaries import Binaries, locate
from tests.cluster.controlplane import ControlPlane
from tests.cluster.processes import Server, Watchdog
from tests.node.addresses import NODE, SERVICES


class NodePlane(ControlPlane):
    """One control plane with kube-scheduler, in the network namespace that the process is in."""

    def __init__(self, folder: Path, *, node_binaries: Binaries | None = None) -> None:
        self._node_binaries = node_binaries or locate("node")
        super().__init__(folder, controllers=("*",))
        self.url = f"https://{NODE}:{self.port}"

    def _apiserver_options(self) -> dict[str, str | Path]:
        options = {
            **super()._apiserver_options(),
            "bind-address": "0.0.0.0",
            "advertise-address": NODE,
            "endpoint-reconciler-type": "lease",
            "authorization-mode": "Node,RBAC",
            "allow-privileged": "true",
            "service-cluster-ip-range": SERVICES,
            # Else `kubectl exec` and `logs` would look the node's name up.
            "kubelet-preferred-address-types": "InternalIP",
        }
        del options["disable-admission-plugins"]
        return options

    def _controller_manager_options(self, controllers: Sequence[str]) -> dict[str, str | Path]:
        return {
            **super()._controller_manager_options(controllers),
            # Pods trust the API server by this: it signed its certificate itself.
            "root-ca-file": self.ca_file,
            "service-account-private-key-file": self.folder / "service-accounts.key",
        }

    def scheduler(self, watchdog: Watchdog) -> Server:
        """kube-scheduler, not yet started."""
        command: list[str | Path] = [
            self._node_binaries.path("kube-scheduler"),
            f"--kubeconfig={self.admin_kubeconfig}",
            "--leader-elect=false",
            "--secure-port=0",
        ]
        log = self.folder / "kube-scheduler.log"
        return Server("kube-scheduler", command, log=log, environment=self._environment, watchdog=watchdog)

"""What makes a machine a node: kubelet, kube-proxy, what enforces network policies, and a DNS server for the pods.

Command lines and files, nothing more; each line that is not obvious says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.cluster.binaries import locate
from tests.cluster.processes import Server, Watchdog
from tests.node.addresses import DOMAIN, NODE, NODE_NAME, PODS, SERVICES


def kubelet(
    folder: Path, *, kubeconfig: Path, containerd: Path, cgroup: str, environment: Mapping[str, str], watchdog: Watchdog
) -> Server:
    """kubelet on folders of its own, its pods below the cgroup `cgroup`."""
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{containerd}",
        "clusterDNS": [NODE],
        "clusterDomain": DOMAIN,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        # Machines that still have the first version of cgroups, swap, or a file system that cannot be measured.
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "enforceNodeAllocatable": [],
        "imageGCHighThresholdPercent": 100,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "resolvConf": "",
        "podLogsDir": str(folder / "logs"),
        # A ConfigMap's change reaches pods with this delay at most.
        "syncFrequency": "5s",
    }
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration))
    command: list[str | Path] = [
        locate("node").path("kubelet"),
        f"--config={folder / 'config.yaml'}",
        f"--kubeconfig={kubeconfig}",
        f"--root-dir={folder / 'root'}",
        f"--cert-dir={folder / 'certificates'}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE}",
    ]
    log = folder.parent / "kubelet.log"
    return Server("kubelet", command, log=log, environment=environment, watchdog=watchdog)


def kube_proxy(folder: Path, *, kubeconfig: Path, environment: Mapping[str, str], watchdog: Watchdog) -> Server:
    """kube-proxy by iptables; the limits of connection tracking belong to the machine and are left as they are."""
    command: list[str | Path] = [
        locate("node").path("kube-proxy"),
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        f"--cluster-cidr={PODS}",
        "--proxy-mode=iptables",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ]
    log = folder / "kube-proxy.log"
    return Server("kube-proxy", command, log=log, environment=environment, watchdog=watchdog)


def kube_router(folder: Path, *, kubeconfig: Path, environment: Mapping[str, str], watchdog: Watchdog) -> Server:
    """kube-router as the judge of NetworkPolicies and nothing else: routes and Services are others' business."""
    command: list[str | Path] = [
        locate("kube-router").path("kube-router"),
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        f"--service-cluster-ip-range={SERVICES}",
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        "--health-port=0",
    ]
    log = folder / "kube-router.log"
    return Server("kube-router", command, log=log, environment=environment, watchdog=watchdog)


def coredns(folder: Path, *, kubeconfig: Path, environment: Mapping[str, str], watchdog: Watchdog) -> Server:
    """CoreDNS on the node's address, port 53: it answers for the cluster's Services and for nothing else."""
    folder.mkdir()
    (folder / "Corefile").write_text(
        f".:53 {{\n  bind {NODE}\n  kubernetes {DOMAIN} in-addr.arpa {{\n    kubeconfig {kubeconfig} test\n  }}\n}}\n"
    )
    command: list[str | Path] = [locate("coredns").path("coredns"), "-conf", folder / "Corefile"]
    log = folder.parent / "coredns.log"
    return Server("coredns", command, log=log, environment=environment, watchdog=watchdog)

"""Installs Hookgate as a platform team does, by the chart: helm and values, nothing else.

It knows of values and releases, nothing of the steps.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.binaries import locate
from tests.node import ingress, tenant
from tests.node.addresses import NODE
from tests.node.plane import NodePlane

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "manifests" / "chart"
RELEASE, SYSTEM, BINDINGS = "hookgate", "hookgate-system", "hookgate-bindings"
TLS_SECRET = "hooks-tls"
_SECONDS = 300

# Envoy tries another receiver where it could not even connect to one. What was sent once is never sent again.
_RETRY = {"projectcontour.io/retry-on": "connect-failure", "projectcontour.io/num-retries": "5"}


def platform(replicas: int) -> dict[str, Any]:
    """What hookgate.yaml says: two hosts for the team, by Ingress and by Gateway, both at Envoy's port for TLS."""
    common: dict[str, Any] = {"namespaces": [tenant.NAMESPACE], "port": ingress.ENVOY_HTTPS}
    by_ingress = {
        "name": tenant.INGRESS_HOST,
        "exposure": "ingress",
        "className": ingress.GATEWAY_CLASS,
        "tlsSecretName": TLS_SECRET,
        "annotations": _RETRY,
    }
    parent = {"name": ingress.GATEWAY_NAME, "namespace": ingress.GATEWAY_NAMESPACE, "sectionName": "https"}
    by_gateway = {"name": tenant.GATEWAY_HOST, "exposure": "gateway", "parentRefs": [parent]}
    return {
        "hosts": [{**common, **by_ingress}, {**common, **by_gateway}],
        "receiver": {"managed": {"replicas": replicas}},
    }


class Install:
    """One release. `configure` and `upgrade` are what a platform team does later: the same command, other values."""

    def __init__(self, plane: NodePlane, folder: Path, environment: Mapping[str, str]) -> None:
        self._plane, self._folder = plane, folder
        self._environment = {**environment, "HELM_CACHE_HOME": str(folder / "helm")}
        self._values: dict[str, Any] = {}

    def install(self, image: str, replicas: int) -> None:
        """Install the chart and wait until helm calls it done."""
        repository, _, tag = image.rpartition(":")
        self._values = {
            "crds": {"keep": False},
            "bindings": {"keep": False},
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "config": platform(replicas),
            "networkPolicy": {
                "enabled": True,
                "apiServer": {"cidrs": [f"{NODE}/32"], "ports": [self._plane.port]},
                # DNS is answered on the node's own address here, outside of every namespace.
                "extraEgress": [
                    {"ports": [{"protocol": "UDP", "port": 53}], "to": [{"ipBlock": {"cidr": f"{NODE}/32"}}]}
                ],
            },
        }
        self._helm("install")

    def configure(self, replicas: int) -> None:
        """Another number of receivers."""
        self._values["config"] = platform(replicas)
        self._helm("upgrade")

    def upgrade(self, image: str) -> None:
        """Another image."""
        _, _, self._values["image"]["tag"] = image.rpartition(":")
        self._helm("upgrade")

    def uninstall(self) -> None:
        """Everything that was installed."""
        self._run("uninstall", RELEASE, f"--namespace={SYSTEM}", "--wait", f"--timeout={_SECONDS}s")

    def _helm(self, verb: str, *options: str) -> None:
        values = self._folder / "values.yaml"
        values.write_text(yaml.safe_dump(self._values))
        wait = ("--wait", f"--timeout={_SECONDS}s")
        self._run(verb, RELEASE, str(CHART), f"--namespace={SYSTEM}", f"--values={values}", *wait, *options)

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [locate("helm").path("helm"), f"--kubeconfig={self._plane.admin_kubeconfig}", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=2 * _SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"helm {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}"

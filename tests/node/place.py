"""Where the story plays: the node, what is installed on it, and what a sender knows of the endpoints.

Questions and handles for the steps; it does nothing by itself.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from tests.node import tenant
from tests.node.addresses import NODE
from tests.node.install import SYSTEM, Install
from tests.node.load import Hook
from tests.node.node import Node
from tests.node.plane import NodePlane


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`image` is what gets installed, `next_image` what it is upgraded to."""

    node: Node
    install: Install
    authority: ssl.SSLContext
    image: str
    next_image: str
    before: frozenset[str]
    """The inventory before anything of Hookgate was installed."""

    @property
    def cluster(self) -> NodePlane:
        """The API server, with full rights."""
        return self.node.plane

    def hooks(self) -> list[Hook]:
        """What the connection Secrets tell now: one for each endpoint, in the order of `tenant.ENDPOINTS`."""
        found = [tenant.connection(self.cluster, name) for name in tenant.ENDPOINTS]
        return [Hook(url=url, secret=secret, address=NODE, authority=self.authority) for url, secret in found]

    def deployment(self, component: str) -> dict[str, Any]:
        """The operator's Deployment, or the receivers'."""
        (found,) = self._of(component, "deployments")
        return found

    def has(self, component: str) -> bool:
        """Whether there is a Deployment of it."""
        return bool(self._of(component, "deployments"))

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Its pods, those on their way out too."""
        return self._of(component, "pods")

    def images(self) -> set[str]:
        """What all pods of both components run."""
        pods = [*self.pods("operator"), *self.pods("receiver")]
        return {container["image"] for pod in pods for container in pod["spec"]["containers"]}

    def processes(self, pod: dict[str, Any]) -> list[int]:
        """The first process of each of the pod's containers."""
        return self.node.containers.pids(pod["metadata"]["name"])

    def _of(self, component: str, kind: str) -> list[dict[str, Any]]:
        selector = f"--selector=app.kubernetes.io/name=hookgate,app.kubernetes.io/component={component}"
        items: list[dict[str, Any]] = self.cluster.get(kind, f"--namespace={SYSTEM}", selector)["items"]
        return items

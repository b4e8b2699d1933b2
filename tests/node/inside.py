"""The part of the command that runs inside the namespaces: starts the node, plays the story, writes what it measured.

`python -m tests.node.inside FOLDER CGROUP ARCHIVE...`: rows go to FOLDER/rows.json as they are done.
"""

from __future__ import annotations

import base64
import json
import signal
import ssl
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.cluster.binaries import contour_crds, gateway_crds
from tests.kube.pki import Authority
from tests.node import ingress, steps, story, tenant
from tests.node.images import IMAGE, NEXT_IMAGE
from tests.node.install import SYSTEM, TLS_SECRET, Install
from tests.node.inventory import inventory
from tests.node.node import Node
from tests.node.place import Place
from tests.node.table import Row

_GATEWAY_SECRET = "gateway-tls"


def run(folder: Path, cgroup: str, archives: list[Path]) -> None:
    """Play it. Raises AssertionError with what went wrong."""
    rows: list[Row] = []

    def told(row: Row) -> None:
        rows.append(row)
        (folder / "rows.json").write_text(json.dumps([asdict(each) for each in rows]))
        print("  ".join([*row.cells(), row.note]), flush=True)

    began = time.monotonic()
    with Node(folder, cgroup=cgroup, images=archives) as node:
        node.containers.tag(IMAGE, NEXT_IMAGE)
        told(Row(step="start the node", seconds=time.monotonic() - began))
        place = _prepare(node, folder)
        try:
            story.play(place, steps.STORY, told)
        except BaseException:
            _keep_evidence(node, folder)
            raise


def _prepare(node: Node, folder: Path) -> Place:
    """Everything that is there before Hookgate: the ingress, the certificates, the team and its service."""
    authority = Authority(folder)
    plane = node.plane
    plane.install_crds(gateway_crds(), contour_crds())
    for namespace in (ingress.GATEWAY_NAMESPACE, SYSTEM):
        plane.kubectl("create", "namespace", namespace)
    plane.apply(_certificate(ingress.GATEWAY_NAMESPACE, _GATEWAY_SECRET, authority.issue(tenant.GATEWAY_HOST)))
    plane.apply(_certificate(SYSTEM, TLS_SECRET, authority.issue(tenant.INGRESS_HOST)))
    plane.apply(ingress.gateway(_GATEWAY_SECRET))
    node.start_ingress()
    plane.apply(tenant.namespace())
    plane.apply(tenant.service(IMAGE))
    return Place(
        node=node,
        install=Install(plane, folder, node.environment),
        authority=ssl.create_default_context(cafile=str(authority.ca_file)),
        image=IMAGE,
        next_image=NEXT_IMAGE,
        before=inventory(plane),
    )


def _certificate(namespace: str, name: str, files: tuple[Path, Path]) -> dict[str, Any]:
    certificate, key = (base64.b64encode(path.read_bytes()).decode() for path in files)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"tls.crt": certificate, "tls.key": key},
    }


def _keep_evidence(node: Node, folder: Path) -> None:
    """What the cluster says about itself, beside the logs: the node is gone when anybody looks."""
    for name, command in {
        "pods": "get pods -A -o wide",
        "events": "get events -A --sort-by=.lastTimestamp",
        "endpoints": "get webhookendpoints -A -o yaml",
        "routes": "get ingresses,httproutes,gateways -A -o yaml",
        "hookgate": f"describe pods,deployments -n {SYSTEM}",
        "operator": f"logs -n {SYSTEM} -l app.kubernetes.io/component=operator --tail=500 --prefix",
        "receiver": f"logs -n {SYSTEM} -l app.kubernetes.io/component=receiver --tail=500 --prefix",
    }.items():
        done = node.plane.kubectl(*command.split(), check=False)
        (folder / f"evidence-{name}.txt").write_text(done.stdout + done.stderr)
    for pod in node.plane.get("pods", f"--namespace={SYSTEM}", "--selector=app.kubernetes.io/component=receiver")[
        "items"
    ]:
        name = pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{SYSTEM}/pods/{name}:8081/proxy/metrics"
        (folder / f"evidence-metrics-{name}.txt").write_text(
            node.plane.kubectl("get", "--raw", path, check=False).stdout
        )


def main() -> int:
    """0 when every step went as it has to; else 1, with the reason."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder, cgroup, *archives = sys.argv[1:]
    try:
        run(Path(folder), cgroup, [Path(archive) for archive in archives])
    except AssertionError as failure:
        print(f"hookgate e2e: {failure}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The team: a namespace that enforces `restricted`, a service in it, and the endpoints that lead there.

Manifests, and questions to the service. It knows nothing of what the steps do.
"""

from __future__ import annotations

import base64
import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.cluster.cluster import Cluster, KubectlError
from tests.node.load import Book
from tests.node.target_server import PORT

NAMESPACE = "team-a"
SERVICE = "ci"
INGRESS_HOST, GATEWAY_HOST = "hooks.example.test", "gateway.example.test"
ENDPOINTS = {"by-ingress": INGRESS_HOST, "by-gateway": GATEWAY_HOST}
_PYTHON = "/opt/hookgate/bin/python"
_SCRIPT = Path(__file__).with_name("target_server.py")


def namespace() -> dict[str, Any]:
    """Pods in it must meet the strictest level."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def service(image: str) -> list[dict[str, Any]]:
    """The team's Deployment of one pod, its Service, and the program that it runs: any image with Python will do."""
    labels = {"app": SERVICE}
    pod = {
        "automountServiceAccountToken": False,
        # The program does not listen to SIGTERM.
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": SERVICE,
                "image": image,
                "command": [_PYTHON, "-I", "/srv/target_server.py"],
                "ports": [{"containerPort": PORT}],
                # Without a request of its own the pod would get next to nothing on a busy machine.
                "resources": {"requests": {"cpu": "500m"}},
                # Once it listens it does so for good: a machine too busy to say so in time must not cost it calls.
                "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 60},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "program", "mountPath": "/srv"}],
            }
        ],
        "volumes": [{"name": "program", "configMap": {"name": SERVICE}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    return [
        _object("v1", "ConfigMap", SERVICE, data={_SCRIPT.name: _SCRIPT.read_text()}),
        _object("v1", "Service", SERVICE, spec={"selector": labels, "ports": [{"port": 80, "targetPort": PORT}]}),
        _object("apps/v1", "Deployment", SERVICE, spec={"selector": {"matchLabels": labels}, "template": template}),
    ]


def endpoint(name: str, host: str) -> dict[str, Any]:
    """An endpoint of GitHub's scheme at one of the platform's hosts."""
    spec = {
        "auth": {"type": "hmac", "provider": "github"},
        # Long: how fast the machine is must not decide about a call.
        "target": {"service": {"name": SERVICE, "port": 80, "path": f"/{name}"}, "timeout": "30s"},
        "exposure": {"host": host},
    }
    return _object("hookgate.dev/v1alpha1", "WebhookEndpoint", name, spec=spec)


def _object(api: str, kind: str, name: str, **content: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **content}


def is_ready(cluster: Cluster, name: str) -> bool:
    """Whether the endpoint's newest spec is Ready."""
    found = cluster.get("webhookendpoint", name, f"--namespace={NAMESPACE}")
    conditions = found.get("status", {}).get("conditions", ())
    return any(
        each["type"] == "Ready"
        and each["status"] == "True"
        and each.get("observedGeneration") == found["metadata"]["generation"]
        for each in conditions
    )


def connection(cluster: Cluster, name: str) -> tuple[str, bytes]:
    """The URL and the secret, from the connection Secret."""
    data = cluster.get("secret", f"{name}-webhook", f"--namespace={NAMESPACE}")["data"]
    return base64.b64decode(data["url"]).decode(), base64.b64decode(data["secret"])


def pods(cluster: Cluster) -> list[dict[str, Any]]:
    """Those of the service."""
    found: list[dict[str, Any]] = cluster.get("pods", f"--namespace={NAMESPACE}", f"--selector=app={SERVICE}")["items"]
    return found


def book(cluster: Cluster) -> Book:
    """What arrived at the service so far. Its pod is asked: a Service would do as well."""
    (address,) = [pod["status"]["podIP"] for pod in pods(cluster) if "podIP" in pod["status"]]
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        f"http://{address}:{PORT}/book", timeout=30
    ) as answer:
        told = json.load(answer)
    return {delivery: (times, digest) for delivery, (times, digest) in told.items()}


def tell(cluster: Cluster) -> str:
    """What the endpoints say about themselves, for a message about a failure."""
    try:
        return cluster.kubectl("get", "webhookendpoints", "-A", "-o", "yaml").stdout
    except KubectlError as error:
        return str(error)

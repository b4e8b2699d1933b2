"""PURE: the receiver's Deployment and Service as the operator keeps them in its own namespace.

The pods meet the ``restricted`` Pod Security level. The image is the operator's own unless the configuration names one,
so that both planes always speak the same contract.
"""

from __future__ import annotations

from typing import Any

from hookgate.config.platform import ManagedReceivers, PlatformConfig
from hookgate.control.objects import FIELD_MANAGER, LABEL_MANAGED

NAME = "hookgate-receiver"
PUBLIC_PORT = 8080
PRIVATE_PORT = 8081
_LABELS = {"app.kubernetes.io/name": "hookgate", "app.kubernetes.io/component": "receiver"}
#: What selects the receivers' pods.
SELECTOR = ",".join(f"{label}={value}" for label, value in _LABELS.items())


def receiver_objects(
    config: PlatformConfig, receivers: ManagedReceivers, *, namespace: str, binding_namespace: str, image: str
) -> tuple[dict[str, Any], ...]:
    """Return Service and Deployment, in the order to apply them. ``image`` is the operator's own."""
    return (
        _service(config, namespace),
        _deployment(receivers, namespace, binding_namespace, receivers.image or image),
    )


def _meta(name: str, namespace: str) -> dict[str, Any]:
    return {"name": name, "namespace": namespace, "labels": {**_LABELS, LABEL_MANAGED: FIELD_MANAGER}}


def _service(config: PlatformConfig, namespace: str) -> dict[str, Any]:
    port = {"name": "http", "port": config.service_port, "targetPort": "http", "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(config.service_name, namespace),
        "spec": {"selector": dict(_LABELS), "ports": [port]},
    }


def _deployment(receivers: ManagedReceivers, namespace: str, binding_namespace: str, image: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(NAME, namespace),
        "spec": {
            "replicas": receivers.replicas,
            "selector": {"matchLabels": dict(_LABELS)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": dict(_LABELS)}, "spec": _pod(image, binding_namespace)},
        },
    }


def _pod(image: str, binding_namespace: str) -> dict[str, Any]:
    arguments = [
        "receiver",
        f"--listen=0.0.0.0:{PUBLIC_PORT}",
        f"--private-listen=0.0.0.0:{PRIVATE_PORT}",
        f"--bindings-namespace={binding_namespace}",
    ]
    return {
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 45,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "receiver",
                "image": image,
                "args": arguments,
                "ports": [
                    {"name": "http", "containerPort": PUBLIC_PORT, "protocol": "TCP"},
                    {"name": "private", "containerPort": PRIVATE_PORT, "protocol": "TCP"},
                ],
                "readinessProbe": _probe("/readyz", period=2),
                "livenessProbe": _probe("/livez", period=10),
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }


def _probe(path: str, *, period: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "private"}, "periodSeconds": period}

"""PURE: the receivers' Deployment and what belongs to it, as the operator keeps them in its own namespace.

The pods meet the ``restricted`` Pod Security level. The image is the operator's own unless the configuration names one,
so that both planes always speak the same contract.
"""

from __future__ import annotations

from typing import Any

from hookgate.config.platform import Autoscaling, ManagedReceivers, PlatformConfig
from hookgate.control.objects import FIELD_MANAGER, LABEL_MANAGED
from hookgate.control.values import Object

NAME = "hookgate-receiver"
PUBLIC_PORT = 8080
PRIVATE_PORT = 8081
#: A pod that has to go keeps receiving for so long before it is told, since proxies may still send calls to it, ...
PRE_STOP_S = 5
#: ... then for so long after it has said that it is not ready, ...
DRAIN_S = 5
#: ... and is killed after so long in all: the calls in flight have 90 s to end, and there is time to spare.
GRACE_S = 105
#: How many receivers drained nodes may take at a time.
_DISRUPTED = 1
#: Where receivers find what lets them into the store that they share.
_STORE_FOLDER = "/etc/hookgate/replay-store"
#: ... and, as they appear there, the certificate that they serve with and the authorities of their senders.
_TLS_FOLDER, _CLIENT_CA_FOLDER = "/etc/hookgate/tls", "/etc/hookgate/client-ca"
_LABELS = {"app.kubernetes.io/name": "hookgate", "app.kubernetes.io/component": "receiver"}
#: What selects the receivers' pods.
SELECTOR = ",".join(f"{label}={value}" for label, value in _LABELS.items())


def receiver_objects(
    config: PlatformConfig, receivers: ManagedReceivers, *, namespace: str, binding_namespace: str, image: str
) -> tuple[dict[str, Any], ...]:
    """Return Service, Deployment, PodDisruptionBudget and, where asked for, HorizontalPodAutoscaler, in this order.

    ``image`` is the operator's own. With an autoscaler the Deployment says nothing of ``replicas``: see `created`.
    """
    scaling = receivers.autoscaling
    return (
        _service(config, namespace),
        _deployment(receivers, namespace, _pod(receivers, config, receivers.image or image, binding_namespace)),
        _budget(namespace),
        *((_autoscaler(scaling, namespace),) if scaling else ()),
    )


def created(wanted: dict[str, Any], receivers: ManagedReceivers) -> dict[str, Any]:
    """Return an object as it is made the first time: a Deployment begins with the autoscaler's fewest, not with one."""
    if wanted["kind"] != "Deployment" or receivers.autoscaling is None:
        return wanted
    return with_replicas(wanted, receivers.autoscaling.least)


def with_replicas(wanted: dict[str, Any], replicas: int) -> dict[str, Any]:
    """Return a Deployment that says how many there are."""
    return {**wanted, "spec": {**wanted["spec"], "replicas": replicas}}


def handover(found: Object) -> dict[str, Any]:
    """Return the number of receivers that there are now, and nothing else, for another field manager to own.

    Whoever alone owned a field and applies without it takes it away, and a Deployment without a number has one pod.
    """
    metadata = {key: found["metadata"][key] for key in ("name", "namespace", "uid")}
    replicas = int(found["spec"].get("replicas", 1))
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}}


def owns_replicas(found: Object) -> bool:
    """Tell whether the operator owns the number of receivers, as the API server noted it."""
    return any(
        entry.get("manager") == FIELD_MANAGER and "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
        for entry in found["metadata"].get("managedFields") or ()
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


def _budget(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _meta(NAME, namespace),
        "spec": {"maxUnavailable": _DISRUPTED, "selector": {"matchLabels": dict(_LABELS)}},
    }


def _autoscaler(scaling: Autoscaling, namespace: str) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": scaling.target}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _meta(NAME, namespace),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "minReplicas": scaling.least,
            "maxReplicas": scaling.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def _deployment(receivers: ManagedReceivers, namespace: str, pod: dict[str, Any]) -> dict[str, Any]:
    wanted = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(NAME, namespace),
        "spec": {
            "selector": {"matchLabels": dict(_LABELS)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": dict(_LABELS)}, "spec": pod},
        },
    }
    return wanted if receivers.autoscaling else with_replicas(wanted, receivers.replicas)


def _told(receivers: ManagedReceivers, config: PlatformConfig) -> list[str]:
    """Return the arguments for what stands around a receiver: in front, behind, and the store that all share."""
    front, store, tls = config.front, config.replay_store, receivers.tls
    told = {
        "--deny-targets": ",".join(config.denied_targets),
        "--trusted-proxies": ",".join(front.proxies),
        "--trusted-hops": front.hops,
        "--connections-per-address": front.connections,
        "--replay-store": store.url if store else "",
        "--replay-store-secret": _STORE_FOLDER if store and store.secret else "",
        "--tls-cert": f"{_TLS_FOLDER}/tls.crt" if tls else "",
        "--tls-key": f"{_TLS_FOLDER}/tls.key" if tls else "",
        "--tls-client-ca": f"{_CLIENT_CA_FOLDER}/ca.crt" if tls and tls.client_ca else "",
    }
    return [
        *(f"{option}={value}" for option, value in told.items() if value),
        *(["--proxy-protocol"] if front.proxy_protocol else ()),
    ]


def _mounted(receivers: ManagedReceivers, config: PlatformConfig) -> dict[str, tuple[str, str]]:
    """Return the Secrets that receivers find as files: their name and folder, by the name of the volume."""
    store, tls = config.replay_store, receivers.tls
    return {
        **({"replay-store": (store.secret, _STORE_FOLDER)} if store and store.secret else {}),
        **({"tls": (tls.secret, _TLS_FOLDER)} if tls else {}),
        **({"client-ca": (tls.client_ca, _CLIENT_CA_FOLDER)} if tls and tls.client_ca else {}),
    }


def _pod(receivers: ManagedReceivers, config: PlatformConfig, image: str, binding_namespace: str) -> dict[str, Any]:
    arguments = [
        "receiver",
        f"--listen=0.0.0.0:{PUBLIC_PORT}",
        f"--private-listen=0.0.0.0:{PRIVATE_PORT}",
        f"--bindings-namespace={binding_namespace}",
        f"--drain-delay={DRAIN_S}",
        *_told(receivers, config),
    ]
    secrets = _mounted(receivers, config)
    volumes = [{"name": name, "secret": {"secretName": secret}} for name, (secret, _) in secrets.items()]
    mounts = [{"name": name, "mountPath": folder, "readOnly": True} for name, (_, folder) in secrets.items()]
    return {
        "serviceAccountName": NAME,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "topologySpreadConstraints": [_apart("topology.kubernetes.io/zone"), _apart("kubernetes.io/hostname")],
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
                "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_S}}},
                "resources": {"requests": dict(receivers.requests), "limits": dict(receivers.limits)},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                **({"volumeMounts": mounts} if mounts else {}),
            }
        ],
        **({"volumes": volumes} if volumes else {}),
    }


def _apart(topology: str) -> dict[str, Any]:
    """Spread the pods where it is possible; a pod beside another is better than none."""
    return {
        "maxSkew": 1,
        "topologyKey": topology,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(_LABELS)},
    }


def _probe(path: str, *, period: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "private"}, "periodSeconds": period}

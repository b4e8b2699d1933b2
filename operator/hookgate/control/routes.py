"""PURE: the Ingresses and HTTPRoutes that lead to the receivers: one for each endpoint, or one for each host.

They stand beside the receivers' Service, in the operator's namespace. What is particular to a controller is data of the
platform's: class, annotations, parents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from types import MappingProxyType
from typing import Any

from hookgate.config.platform import Exposure, Host, PlatformConfig
from hookgate.control import objects
from hookgate.control.exposed import GATEWAY_GROUP, Classes, route_state
from hookgate.control.objects import FIELD_MANAGER, LABEL_MANAGED, LABEL_ROLE, ROLE_ROUTE, ROLE_SHARED_ROUTE
from hookgate.control.values import Object, Step, Verb
from hookgate.model.conditions import Truth
from hookgate.model.endpoint import PATH_PREFIX

ANNOTATION_MADE_FROM = "hookgate.dev/made-from"
_KINDS = MappingProxyType({Exposure.INGRESS: "Ingress", Exposure.GATEWAY: "HTTPRoute"})
_LONGEST_NAME = 253
#: A path and how it is matched, in the words of Ingresses; HTTPRoutes have others for the same.
_Path = tuple[str, str]
_MATCHES = MappingProxyType({"Exact": "Exact", "Prefix": "PathPrefix"})


def route(
    uid: str, segments: Sequence[str], host: Host, config: PlatformConfig, namespace: str
) -> dict[str, Any] | None:
    """Return an endpoint's own route for exactly these paths on ``host``; None where none of ours is wanted."""
    metadata = {"name": f"hookgate-{uid}", "namespace": namespace, "labels": objects.labels(ROLE_ROUTE, uid)}
    return _route(metadata, [(PATH_PREFIX + segment, "Exact") for segment in segments], host, config)


def shared_route(host: Host, config: PlatformConfig, namespace: str) -> dict[str, Any] | None:
    """Return the route for all endpoints on ``host``; None where none of ours is wanted."""
    labels = {LABEL_MANAGED: FIELD_MANAGER, LABEL_ROLE: ROLE_SHARED_ROUTE}
    metadata = {"name": shared_name(host.name), "namespace": namespace, "labels": labels}
    return _route(metadata, [(PATH_PREFIX, "Prefix")], host, config)


def shares(config: PlatformConfig, host: Host) -> bool:
    """Tell whether the endpoints on ``host`` share one route."""
    return config.shared_routes and host.exposure is not Exposure.NONE


def shared_name(host: str) -> str:
    """Return the name of a host's shared route, of whatever kind."""
    name = f"hookgate-host-{host}"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 17]}-{hashlib.sha256(host.encode()).hexdigest()[:16]}"


def shared_key(host: Host) -> tuple[str, str]:
    """Return kind and name of the shared route of a host that has one."""
    return _KINDS[host.exposure], shared_name(host.name)


def may_go(old: Object, new: Object | None, classes: Classes) -> bool:
    """Tell whether an endpoint can do without its old route: the new one is in force, or as far as the old one is."""
    if new is None:
        return False
    return route_state(new, classes)[0] is Truth.TRUE or route_state(old, classes)[0] is not Truth.TRUE


def shared_steps(
    config: PlatformConfig, found: Iterable[Object], waiting: Collection[str], namespace: str
) -> tuple[Step, ...]:
    """Return what to do about shared routes; ``found`` are all that there are.

    One that is wanted no more stays while endpoints on its host, one of ``waiting``, cannot do without it yet, or while
    that of the other kind is still to be made.
    """
    hosts = {shared_name(host.name): host for host in config.hosts if host.namespaces}
    made = (shared_route(host, config, namespace) for host in hosts.values() if shares(config, host))
    wanted = {_key(obj): obj for obj in made if obj is not None}
    there = {_key(obj): obj for obj in found}
    steps = [Step(verb=Verb.APPLY, object=obj) for key, obj in wanted.items() if key not in there]
    steps += [
        Step(verb=Verb.APPLY, object=objects.at(obj, there[key]))
        for key, obj in wanted.items()
        if key in there and objects.differs(obj, there[key])
    ]
    needed = {name for _, name in wanted.keys() - there.keys()}
    if not config.shared_routes:
        needed |= {name for name, host in hosts.items() if host.name in waiting}
    steps += [
        Step(verb=Verb.DELETE, object=obj) for key, obj in there.items() if key not in wanted and key[1] not in needed
    ]
    return tuple(steps)


def _key(obj: Object) -> tuple[str, str]:
    return str(obj["kind"]), str(objects.meta(obj)["name"])


def _route(
    metadata: dict[str, Any], paths: Sequence[_Path], host: Host, config: PlatformConfig
) -> dict[str, Any] | None:
    if host.exposure is Exposure.NONE:
        return None
    make = _ingress if host.exposure is Exposure.INGRESS else _http_route
    annotations = {"annotations": dict(host.annotations)} if host.annotations else {}
    return _marked({**make(paths, host, config), "metadata": {**metadata, **annotations}})


def _marked(wanted: dict[str, Any]) -> dict[str, Any]:
    """Note in the route what it was made from: what a new configuration leaves out would not be missed otherwise."""
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
    annotations = {**wanted["metadata"].get("annotations", {}), ANNOTATION_MADE_FROM: digest}
    return {**wanted, "metadata": {**wanted["metadata"], "annotations": annotations}}


def _ingress(paths: Sequence[_Path], host: Host, config: PlatformConfig) -> dict[str, Any]:
    backend = {"service": {"name": config.service_name, "port": {"number": config.service_port}}}
    listed = [{"path": path, "pathType": how, "backend": backend} for path, how in paths]
    spec: dict[str, Any] = {"rules": [{"host": host.name, "http": {"paths": listed}}]}
    if host.class_name:
        spec["ingressClassName"] = host.class_name
    if host.scheme == "https":
        tls: dict[str, Any] = {"hosts": [host.name]}
        if host.tls_secret:
            tls["secretName"] = host.tls_secret
        spec["tls"] = [tls]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": spec}


def _http_route(paths: Sequence[_Path], host: Host, config: PlatformConfig) -> dict[str, Any]:
    rule = {
        "matches": [{"path": {"type": _MATCHES[how], "value": path}} for path, how in paths],
        # The server's defaults are spelled out: what we do not name is not ours, and nobody would put it right.
        "backendRefs": [
            {"group": "", "kind": "Service", "name": config.service_name, "port": config.service_port, "weight": 1}
        ],
    }
    return {
        "apiVersion": f"{GATEWAY_GROUP}/v1",
        "kind": "HTTPRoute",
        "spec": {
            "parentRefs": [{"group": GATEWAY_GROUP, "kind": "Gateway", **ref} for ref in host.parent_refs],
            "hostnames": [host.name],
            "rules": [rule],
        },
    }

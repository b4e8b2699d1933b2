"""What NetworkPolicies allow, by the rules of networking.k8s.io/v1: one connection from a source to a destination.

A small second reader, so that a test can ask for connections instead of comparing text. It knows TCP and UDP ports by
number, pods by labels and addresses by number, and no names of ports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from tests.manifests.render import Object

NAMESPACE_NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A pod, or with an address something outside."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


def allowed(policies: Iterable[Object], source: Peer, destination: Peer, port: int, protocol: str = "TCP") -> bool:
    """Whether the policies let ``source`` connect to this port of ``destination``, at both ends."""
    found, end = list(policies), (protocol, port)
    out = _direction(found, "Egress", (source, destination), end)
    return out and _direction(found, "Ingress", (destination, source), end)


def _direction(policies: list[Object], direction: str, peers: tuple[Peer, Peer], end: tuple[str, int]) -> bool:
    """A pod that no policy is about is open; one that any is about is open to what one of them names."""
    subject, other = peers
    if subject.address:
        return True
    concerned = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == subject.namespace
        and _selects(policy["spec"]["podSelector"], subject.labels)
        and direction in policy["spec"]["policyTypes"]
    ]
    rules = [rule for policy in concerned for rule in policy["spec"].get(direction.lower()) or ()]
    side = "to" if direction == "Egress" else "from"
    return not concerned or any(
        _of_port(rule, end) and _of_peer(rule.get(side), other, subject.namespace) for rule in rules
    )


def _of_port(rule: Object, end: tuple[str, int]) -> bool:
    ports = rule.get("ports")
    return not ports or any((each["protocol"], each["port"]) == end for each in ports)


def _of_peer(peers: list[Object] | None, other: Peer, own_namespace: str) -> bool:
    return not peers or any(_is(peer, other, own_namespace) for peer in peers)


def _is(peer: Object, other: Peer, own_namespace: str) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return (
            bool(other.address)
            and _within(other.address, [block["cidr"]])
            and not _within(other.address, block.get("except") or [])
        )
    if other.address:
        return False
    if "namespaceSelector" in peer:
        if not _selects(peer["namespaceSelector"], {NAMESPACE_NAME: other.namespace}):
            return False
    elif other.namespace != own_namespace:
        return False
    return _selects(peer.get("podSelector") or {}, other.labels)


def _within(address: str, networks: Iterable[str]) -> bool:
    return any(ip_address(address) in ip_network(each) for each in networks)


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for each in selector.get("matchExpressions") or ():
        holds = labels.get(each["key"]) in each["values"]
        if holds != {"In": True, "NotIn": False}[each["operator"]]:
            return False
    return True

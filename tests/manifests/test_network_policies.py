"""What may be reached where the NetworkPolicies are in force, asked connection by connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hookgate.control.deployment import PRIVATE_PORT, PUBLIC_PORT
from hookgate.model.addresses import METADATA
from tests.manifests.chart import by_key, essence, template
from tests.manifests.network import Peer, allowed
from tests.manifests.render import COMPONENTS, Object, of_kind, overlay

SYSTEM = "hookgate-system"
PROMETHEUS = Peer(namespace="monitoring", labels={"app.kubernetes.io/name": "prometheus"})
ELSEWHERE = Peer(namespace="team-a", labels={"app": "ci"})
IN_KUBE_SYSTEM = Peer(namespace="kube-system", labels={"k8s-app": "kube-dns"})
HEALTH_PORT = 8082


def ours(component: str) -> Peer:
    """One of our pods."""
    labels = {"app.kubernetes.io/name": "hookgate", "app.kubernetes.io/component": component}
    return Peer(namespace=SYSTEM, labels=labels)


OPERATOR, RECEIVER, UNINSTALL = ours("operator"), ours("receiver"), ours("uninstall")
STRANGER = Peer(namespace=SYSTEM, labels={"app": "stranger"})


def of_chart(values: dict[str, Any] | None = None) -> list[Object]:
    """The policies that the chart makes."""
    return list(of_kind(template({"networkPolicy.enabled": True, **(values or {})}), "NetworkPolicy"))


@pytest.fixture(scope="module", params=["kustomize", "chart"])
def policies(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """The policies, by either way of installing."""
    if request.param == "chart":
        return of_chart()
    folder = tmp_path_factory.mktemp("overlay")
    return list(of_kind(overlay(folder, components=[COMPONENTS / "network-policies"]), "NetworkPolicy"))


def test_calls_reach_receivers_from_anywhere(policies: list[Object]) -> None:
    for source in (ELSEWHERE, Peer(address="203.0.113.7"), Peer(address="2001:db8::1")):
        assert allowed(policies, source, RECEIVER, PUBLIC_PORT)


def test_the_private_port_is_for_the_operator_and_prometheus_alone(policies: list[Object]) -> None:
    """It tells which endpoints there are and what became of their calls."""
    assert allowed(policies, OPERATOR, RECEIVER, PRIVATE_PORT)
    assert allowed(policies, PROMETHEUS, RECEIVER, PRIVATE_PORT)
    others = (ELSEWHERE, STRANGER, RECEIVER, Peer(address="203.0.113.7"), Peer(namespace="monitoring"))
    assert [each for each in others if allowed(policies, each, RECEIVER, PRIVATE_PORT)] == []


def test_the_operator_is_reached_by_prometheus_alone(policies: list[Object]) -> None:
    assert allowed(policies, PROMETHEUS, OPERATOR, HEALTH_PORT)
    others = (ELSEWHERE, STRANGER, RECEIVER, Peer(address="203.0.113.7"))
    assert [each for each in others if allowed(policies, each, OPERATOR, HEALTH_PORT)] == []


def test_receivers_reach_dns_the_api_server_and_targets(policies: list[Object]) -> None:
    assert allowed(policies, RECEIVER, IN_KUBE_SYSTEM, 53, "UDP")
    assert allowed(policies, RECEIVER, IN_KUBE_SYSTEM, 53)
    assert allowed(policies, RECEIVER, Peer(address="10.0.0.1"), 443)
    assert allowed(policies, RECEIVER, Peer(address="10.0.0.1"), 6443)
    assert allowed(policies, RECEIVER, ELSEWHERE, 8080)


def test_receivers_reach_nothing_else(policies: list[Object]) -> None:
    """Neither our own pods nor those of the cluster itself, nor any other port of the world."""
    for port in (PRIVATE_PORT, HEALTH_PORT, 443):
        assert not allowed(policies, RECEIVER, OPERATOR, port)
        assert not allowed(policies, RECEIVER, IN_KUBE_SYSTEM, port)
    assert not allowed(policies, RECEIVER, Peer(address="203.0.113.7"), 8080)
    assert not allowed(policies, RECEIVER, Peer(address="203.0.113.7"), 80)


@pytest.mark.parametrize("source", [OPERATOR, RECEIVER], ids=["operator", "receiver"])
def test_link_local_and_metadata_addresses_are_out_of_reach(policies: list[Object], source: Peer) -> None:
    """Those that the receivers refuse by themselves, and whatever is link-local."""
    forbidden = ["169.254.169.254", "169.254.1.1", "fe80::1", *(str(net.network_address) for net in METADATA)]
    reached = [
        (address, port)
        for address in forbidden
        for port in (53, 80, 443, 6443, 8080)
        for protocol in ("TCP", "UDP")
        if allowed(policies, source, Peer(address=address), port, protocol)
    ]
    assert reached == []


def test_a_pod_that_nobody_thought_of_reaches_nothing(policies: list[Object]) -> None:
    """Default deny, both ways."""
    assert not allowed(policies, STRANGER, Peer(address="203.0.113.7"), 443)
    assert not allowed(policies, STRANGER, IN_KUBE_SYSTEM, 53, "UDP")
    assert not allowed(policies, ELSEWHERE, STRANGER, 8080)


def test_without_the_policies_everything_is_allowed() -> None:
    """The questions above can be answered otherwise."""
    assert allowed([], RECEIVER, Peer(address="169.254.169.254"), 80)


def test_both_ways_of_installing_make_the_same_policies(tmp_path: Path) -> None:
    """But for the one of the Job that only the chart has."""
    rendered = overlay(tmp_path, components=[COMPONENTS / "network-policies"])
    expected = {key: essence(each) for key, each in by_key(of_kind(rendered, "NetworkPolicy")).items()}
    found = {key: essence(each) for key, each in by_key(of_chart()).items()}
    del found["NetworkPolicy", "hookgate-uninstall", SYSTEM]
    assert found.keys() == expected.keys()
    targets = [
        found["NetworkPolicy", "hookgate-receiver", SYSTEM]["spec"]["egress"].pop() for found in (found, expected)
    ]
    assert targets[0]["to"][0]["namespaceSelector"]["matchExpressions"][0]["operator"] == "NotIn"
    assert found == expected


def test_the_job_that_uninstalls_reaches_the_api_server() -> None:
    found = of_chart()
    assert allowed(found, UNINSTALL, Peer(address="10.0.0.1"), 443)
    assert not allowed(found, UNINSTALL, ELSEWHERE, 8080)


def test_the_chart_opens_what_the_configuration_names_as_targets_and_no_more() -> None:
    """Namespaces by name where the hosts name them, and the ports of URLs."""
    hosts = [{"name": "hooks.example.com", "exposure": "ingress", "namespaces": ["team-a", "team-b"]}]
    urls = [{"prefix": f"https://ci.example.com{port}/x", "namespaces": ["team-a"]} for port in ("", ":8443")]
    found = of_chart({"config.hosts": hosts, "config.targets": {"urls": urls}})
    assert allowed(found, RECEIVER, ELSEWHERE, 8080)
    assert not allowed(found, RECEIVER, Peer(namespace="team-c"), 8080)
    assert allowed(found, RECEIVER, Peer(address="203.0.113.7"), 8443)
    assert not allowed(found, RECEIVER, Peer(address="169.254.169.254"), 8443)
    assert not allowed(found, RECEIVER, Peer(address="203.0.113.7"), 8444)
    wild = of_chart({"config.hosts": [{**hosts[0], "namespaces": ["team-*"]}]})
    assert allowed(wild, RECEIVER, Peer(namespace="team-c"), 8080)
    only = of_chart({"namespaces": ["team-b"]})
    assert not allowed(only, RECEIVER, ELSEWHERE, 8080)


def test_the_chart_opens_what_else_the_configuration_makes_receivers_reach() -> None:
    """The store that they share, and Amazon SNS where they may confirm subscriptions; nothing of it otherwise."""
    narrow = {"networkPolicy.apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]}}
    outside, store = Peer(address="203.0.113.7"), Peer(namespace="kube-system", labels={"app": "valkey"})
    shut = of_chart(narrow)
    assert not any(allowed(shut, RECEIVER, outside, port) for port in (443, 6379, 6380))
    shared = of_chart({**narrow, "config.replay": {"store": {"url": "rediss://valkey.example.com:6380/1"}}})
    assert allowed(shared, RECEIVER, outside, 6380)
    assert allowed(shared, RECEIVER, store, 6380)
    assert not allowed(shared, RECEIVER, outside, 6379)
    usual = of_chart({**narrow, "config.replay": {"store": {"url": "redis://valkey"}}})
    assert allowed(usual, RECEIVER, store, 6379)
    confirming = of_chart({**narrow, "config.auth": {"confirmSubscriptions": True}})
    assert allowed(confirming, RECEIVER, outside, 443)
    assert not allowed(confirming, RECEIVER, Peer(address="169.254.169.254"), 443)


def test_the_api_servers_own_address_closes_the_rest_of_the_world() -> None:
    found = of_chart({"networkPolicy.apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]}})
    assert allowed(found, RECEIVER, Peer(address="10.0.0.1"), 6443)
    assert not allowed(found, RECEIVER, Peer(address="10.0.0.2"), 6443)
    assert not allowed(found, RECEIVER, Peer(address="203.0.113.7"), 443)

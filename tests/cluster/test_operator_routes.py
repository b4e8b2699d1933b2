"""What gateways and ingress controllers say of routes, as endpoints tell it, on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import gateway
from tests.cluster.plane import GATEWAY_HOST, HOST, Plane
from tests.cluster.team import Team, condition

REF = {
    "group": "gateway.networking.k8s.io",
    "kind": "Gateway",
    "namespace": "gateways",
    "name": "public",
    "sectionName": "https",
    "port": 443,
}


def refuse(_: dict[str, Any]) -> list[dict[str, Any]]:
    """What a Gateway says whose listeners take no routes of this namespace."""
    return [gateway.condition("Accepted", "False", "NotAllowedByListeners", "no listener takes this namespace")]


def lost(_: dict[str, Any]) -> list[dict[str, Any]]:
    """What a Gateway says of a route whose Service does not exist."""
    found = gateway.condition("ResolvedRefs", "False", "BackendNotFound", "Service hookgate-receiver not found")
    return [gateway.condition("Accepted", "True", "Accepted"), found]


def test_parents_are_handed_through_as_the_platform_wrote_them(team: Team) -> None:
    """Every member, to the letter; and each listener is asked for its own word."""
    plane = team.plane
    hosts = [h for h in plane.configuration["hosts"] if h["name"] == GATEWAY_HOST]
    refs = [REF, {**REF, "sectionName": "http", "port": 80}]
    plane.reload({**plane.configuration, "hosts": [{**hosts[0], "parentRefs": refs}]})
    endpoint = team.created("push")
    route = team.route(endpoint, "HTTPRoute")
    assert route is not None
    assert route["spec"]["parentRefs"] == refs
    assert len(route["status"]["parents"]) == 2


def test_a_route_that_no_gateway_accepts_is_not_ready_and_says_why(team: Team) -> None:
    """Silence, a refusal, a broken reference: each is told in the conditions, and over when it is over."""
    plane = team.plane
    plane.gateway.says = gateway.silence
    team.create("push", exposure={"host": GATEWAY_HOST})
    told = team.until("push", "Ready", "False", "GatewayPending")
    assert "Gateway gateways/public" in condition(told, "Ready")["message"]
    plane.gateway.says = refuse
    told = team.until("push", "Ready", "False", "NotAllowedByListeners")
    assert condition(told, "Exposed")["reason"] == "NotAllowedByListeners"
    assert "no listener takes this namespace" in condition(told, "Ready")["message"]
    plane.gateway.says = lost
    team.until("push", "Exposed", "False", "BackendNotFound")
    plane.gateway.says = gateway.accept
    assert condition(team.ready("push", "Active"), "Exposed")["status"] == "True"


@pytest.fixture
def classes(plane: Plane) -> Iterator[Plane]:
    """A cluster with one class of Ingress, which no host of the configuration names."""
    ingress_class = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "other"},
        "spec": {"controller": "example.com/other"},
    }
    plane.admin.create(ingress_class)
    yield plane
    for name in ("other", "contour"):
        plane.admin.delete("IngressClass", None, name)


def test_a_class_that_does_not_exist_is_told_until_it_does(classes: Plane, team: Team) -> None:
    """With the classes that there are; no more is needed than to make it."""
    team.create("push", exposure={"host": HOST})
    told = team.until("push", "Ready", "False", "IngressClassNotFound")
    assert "no IngressClass contour; there are: other" in condition(told, "Ready")["message"]
    spec = {"controller": "projectcontour.io/ingress-controller"}
    made = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "contour"}, "spec": spec}
    classes.admin.create(made)
    told = team.ready("push", "Active")
    assert (condition(told, "Exposed")["status"], condition(told, "Exposed")["reason"]) == ("Unknown", "NoAddress")

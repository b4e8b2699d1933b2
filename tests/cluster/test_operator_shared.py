"""Shared routes on a real API server: one for each host, kept right, and endpoints that come to them and leave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import gateway
from tests.cluster.calls import github
from tests.cluster.plane import BINDINGS, GATEWAY_HOST, HOST, SYSTEM, Plane
from tests.cluster.team import Team, condition

SHARED = "hookgate.dev/role%3Dshared-route"
NAME = f"hookgate-host-{HOST}"
MADE = ("create", BINDINGS)


def shared(plane: Plane) -> dict[str, Any]:
    """The configuration of most tests, with shared routes."""
    return {**plane.configuration, "exposure": {"granularity": "shared"}}


def shared_routes(plane: Plane) -> list[str]:
    """The hosts that have a shared route, by its kind."""
    found = [(kind, each) for kind in ("Ingress", "HTTPRoute") for each in plane.admin.list(kind, SYSTEM, SHARED)]
    return sorted(f"{kind} {each['metadata']['name'].removeprefix('hookgate-host-')}" for kind, each in found)


@pytest.fixture
def sharing(plane: Plane) -> Iterator[Plane]:
    """A plane on which routes are shared."""
    plane.reload(shared(plane))
    yield plane
    plane.reload(plane.configuration)


def test_endpoints_share_one_route_for_each_host_and_cost_none_of_their_own(sharing: Plane, team: Team) -> None:
    """Four writes for an endpoint instead of five, and calls arrive as ever."""
    sharing.wait(lambda: len(shared_routes(sharing)) >= 2, "the shared routes")
    sharing.quiet()
    mark = sharing.mark()
    first = team.created("push", exposure={"host": HOST})
    sharing.quiet()
    # The endpoints of earlier tests may be going meanwhile: theirs are other namespaces, and they make no binding.
    ours = [w for w in sharing.writes(mark) if w.namespace == team.namespace or (w.verb, w.namespace) == MADE]
    assert sorted(f"{w.verb} {w.resource}" for w in ours) == [
        "create events",
        "create secrets",
        "create secrets",
        "patch webhookendpoints",
        "patch webhookendpoints/status",
    ]
    second = team.created("other", exposure={"host": GATEWAY_HOST})
    assert shared_routes(sharing) == [
        "HTTPRoute gateway.example.com",
        "Ingress hooks.example.com",
        "Ingress somebody-elses.example.com",
    ]
    assert [team.route(each, kind) for each in (first, second) for kind in ("Ingress", "HTTPRoute")] == [None] * 4
    assert condition(second, "Exposed")["status"] == "True"
    signed = github(team.connection("push")["secret"], b"{}")
    assert team.call(first["status"]["url"], b"{}", signed).status == 200


def test_a_shared_route_that_was_changed_or_deleted_is_put_right(sharing: Plane, team: Team) -> None:
    """And then it is left alone; a new operator finds nothing to write about it."""
    team.created("push", exposure={"host": HOST})
    sharing.admin.merge("Ingress", SYSTEM, NAME, {"spec": {"rules": [{"host": "elsewhere.example.com"}]}})

    def right() -> bool:
        found = sharing.admin.find("Ingress", SYSTEM, NAME)
        return found is not None and found["spec"]["rules"][0]["host"] == HOST

    sharing.wait(right, "the change to be undone")
    sharing.admin.delete("Ingress", SYSTEM, NAME)
    sharing.wait(right, "the route to be back")
    team.ready("push", "Active")
    sharing.quiet()
    mark = sharing.mark()
    sharing.operator.end()
    sharing.start()
    sharing.quiet(2.0)
    assert [w for w in sharing.writes(mark) if w.resource == "ingresses" and w.name.startswith("hookgate-host-")] == []


def test_what_the_gateway_says_of_the_shared_route_is_told_by_every_endpoint(sharing: Plane, team: Team) -> None:
    """Refused, none is Ready; accepted again, all are."""
    for name in ("a", "b"):
        team.created(name, exposure={"host": GATEWAY_HOST})
    sharing.gateway.says = lambda _: [gateway.condition("Accepted", "False", "NotAllowedByListeners")]
    for name in ("a", "b"):
        team.until(name, "Ready", "False", "NotAllowedByListeners")
    sharing.gateway.says = gateway.accept
    for name in ("a", "b"):
        team.ready(name, "Active")


def test_type_none_is_served_on_a_host_with_a_shared_route(sharing: Plane, team: Team) -> None:
    """No object but its connection Secret and its binding has the URL."""
    endpoint = team.created("open", auth={"type": "none"}, exposure={"host": HOST})
    url = team.connection("open")["url"].decode()
    assert team.call(url, b"{}").status == 200
    segment = url.rpartition("/")[2]
    routes = [*sharing.admin.list("Ingress", SYSTEM), *sharing.admin.list("HTTPRoute", SYSTEM)]
    assert segment not in str([endpoint, *routes])


def test_endpoints_come_to_the_shared_route_and_leave_it_without_losing_their_way(plane: Plane, team: Team) -> None:
    """At every moment each has a route; what is no longer needed goes."""
    endpoint = team.created("push", exposure={"host": HOST})
    plane.reload(shared(plane))
    plane.wait(lambda: team.route(endpoint) is None, "its own route to go")
    assert f"Ingress {HOST}" in shared_routes(plane)
    plane.reload(plane.configuration)
    # An endpoint of an earlier test, whose namespace goes, gets no route of its own any more: that may take a while.
    plane.wait(lambda: shared_routes(plane) == [], "the shared routes to go", seconds=120)
    assert team.route(endpoint) is not None
    assert team.ready("push", "Active")["status"]["url"] == endpoint["status"]["url"]


def test_the_shared_route_stays_while_the_gateway_has_not_accepted_the_endpoints_own(plane: Plane, team: Team) -> None:
    """A route that is merely there leads nowhere yet."""
    plane.reload(shared(plane))
    endpoint = team.created("push", exposure={"host": GATEWAY_HOST})
    mine = f"HTTPRoute {GATEWAY_HOST}"
    plane.gateway.says = gateway.silence
    plane.reload(plane.configuration)
    team.until("push", "Exposed", "False", "GatewayPending")
    plane.quiet(3.0)
    assert mine in shared_routes(plane)
    assert team.route(endpoint, "HTTPRoute") is not None
    plane.gateway.says = gateway.accept
    team.ready("push", "Active")
    plane.wait(lambda: mine not in shared_routes(plane), "the shared route to go", seconds=120)

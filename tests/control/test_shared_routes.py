"""One route for each host instead of one for each endpoint: its looks, and how endpoints come to it and leave."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.config.load import parse_config
from hookgate.config.platform import PlatformConfig
from hookgate.control.routes import shared_route, shared_steps
from hookgate.control.values import Object
from tests.control.stage import GATEWAY, OFFER, SHARED, Stage, platform

SYSTEM = "hookgate-system"
GRANULARITY = "exposure: {granularity: shared}\n"
OPEN = "auth: {allowedTypes: [hmac, token, none]}\n"


def config_of(*hosts: str, more: str = GRANULARITY) -> PlatformConfig:
    """Return a configuration that offers these hosts."""
    return parse_config(platform(*hosts, more=more), source="hookgate.yaml")


def names(config: PlatformConfig, found: list[Object], *waiting: str) -> list[str]:
    """Return what is to be done, as verb, kind and name."""
    steps = shared_steps(config, found, waiting, SYSTEM)
    return [f"{s.verb.value} {s.object['kind']} {s.object['metadata']['name']}" for s in steps]


def made(config: PlatformConfig) -> list[Object]:
    """Return all shared routes as an API server would show them."""
    routes = [step.object for step in shared_steps(config, [], (), SYSTEM)]
    return [{**route, "metadata": {**route["metadata"], "uid": f"uid-{i}"}} for i, route in enumerate(routes)]


# What is made ---------------------------------------------------------------------------------------------------------


def test_an_ingress_leads_everything_below_the_common_prefix_to_the_receivers() -> None:
    (ingress,) = made(config_of())
    assert ingress["metadata"]["name"] == "hookgate-host-hooks.example.com"
    backend = {"service": {"name": "hookgate-receiver", "port": {"number": 80}}}
    paths = [{"path": "/h/", "pathType": "Prefix", "backend": backend}]
    assert ingress["spec"]["rules"] == [{"host": "hooks.example.com", "http": {"paths": paths}}]


def test_an_http_route_does_so_in_its_own_words() -> None:
    (route,) = made(config_of(GATEWAY))
    assert route["kind"] == "HTTPRoute"
    assert route["spec"]["rules"][0]["matches"] == [{"path": {"type": "PathPrefix", "value": "/h/"}}]
    assert route["spec"]["hostnames"] == ["hooks.example.com"]


def test_a_shared_route_is_no_endpoint_s() -> None:
    """Nothing that sweeps up after endpoints takes it for one of theirs."""
    labels = made(config_of())[0]["metadata"]["labels"]
    assert labels == {"app.kubernetes.io/managed-by": "hookgate", "hookgate.dev/role": "shared-route"}


def test_hosts_that_nobody_may_use_or_that_the_platform_routes_itself_have_none() -> None:
    nobody = "{name: other.example.com, exposure: ingress}"
    assert names(config_of(nobody, SHARED), []) == []
    assert names(config_of(OFFER, more=""), []) == []


def test_long_hosts_have_names_of_their_own() -> None:
    base = ".".join(["a" * 60] * 4)
    hosts = [f"{{name: {base}.{end}, exposure: ingress, namespaces: [a]}}" for end in ("bb", "cc")]
    found = {route["metadata"]["name"] for route in made(config_of(*hosts))}
    assert len(found) == 2
    assert all(len(name) <= 253 for name in found)


def test_what_is_right_is_left_alone_and_what_was_changed_is_put_right() -> None:
    config = config_of()
    (route,) = made(config)
    assert names(config, [route]) == []
    assert names(config, [{**route, "spec": {"rules": []}}]) == ["apply Ingress hookgate-host-hooks.example.com"]


def test_a_host_that_is_withdrawn_loses_its_route_at_once() -> None:
    found = made(config_of())
    assert names(config_of(SHARED), found) == ["delete Ingress hookgate-host-hooks.example.com"]
    other = "{name: other.example.com, exposure: none}"
    assert names(config_of(other), found, "hooks.example.com") == ["delete Ingress hookgate-host-hooks.example.com"]


def test_another_exposure_makes_the_new_route_before_the_old_one_goes() -> None:
    old, config = made(config_of()), config_of(GATEWAY)
    assert names(config, old) == ["apply HTTPRoute hookgate-host-hooks.example.com"]
    assert names(config, [*old, *made(config)]) == ["delete Ingress hookgate-host-hooks.example.com"]


def test_a_route_that_is_shared_no_more_stays_while_an_endpoint_depends_on_it() -> None:
    found, config = made(config_of()), config_of(more="")
    assert names(config, found, "hooks.example.com") == []
    assert names(config, found, "other.example.com") == ["delete Ingress hookgate-host-hooks.example.com"]


# What endpoints make of it --------------------------------------------------------------------------------------------


def share(stage: Stage, *hosts: str, more: str = "", **status: Any) -> None:
    """Let the platform share routes, and let them be there, with this status."""
    text = platform(*hosts, more=GRANULARITY + more)
    stage.configure(text)
    config = parse_config(text, source="hookgate.yaml")
    for host in config.hosts:
        route = shared_route(host, config, SYSTEM)
        if route is not None:
            stage.world.put({**route, "status": status})


def own(stage: Stage) -> list[str]:
    """Return the kinds of the endpoint's own routes."""
    return [r["kind"] for r in stage.routes() if r["metadata"]["labels"]["hookgate.dev/role"] == "route"]


ACCEPTED = {
    "parentRef": {"name": "public"},
    "conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted"}],
}


def test_an_endpoint_on_a_shared_route_costs_no_route_of_its_own(stage: Stage) -> None:
    share(stage)
    stage.declare()
    assert [w for w in stage.settle() if not w.startswith("(")] == [
        "hold finalizer",
        "create binding",
        "create Secret ci-webhook",
        "status True Active",
    ]
    assert own(stage) == []
    assert stage.says("Exposed") == "Unknown NoAddress"
    share(stage, loadBalancer={"ingress": [{"ip": "192.0.2.1"}]})
    stage.settle()
    assert stage.says("Exposed") == "True Exposed"


def test_until_the_shared_route_is_there_the_endpoint_waits_for_it(stage: Stage) -> None:
    stage.configure(platform(more=GRANULARITY))
    stage.declare()
    stage.settle()
    assert stage.ready() == "False RoutePending"


def test_what_the_gateway_says_of_the_shared_route_holds_for_every_endpoint(stage: Stage) -> None:
    share(stage, GATEWAY)
    stage.declare()
    stage.declare("other")
    for name in ("ci", "other"):
        stage.settle(name)
    assert (stage.ready(), stage.ready("other")) == ("False GatewayPending",) * 2
    share(stage, GATEWAY, parents=[ACCEPTED])
    for name in ("ci", "other"):
        stage.settle(name)
    assert (stage.ready(), stage.ready("other")) == ("True Active",) * 2


def test_type_none_is_allowed_where_no_route_shows_its_path(stage: Stage) -> None:
    share(stage, more=OPEN)
    stage.declare(auth={"type": "none"})
    stage.settle()
    assert stage.ready() == "True Active"
    segment = stage.binding().segment
    assert segment
    shown = [
        obj["kind"] for obj in stage.world.of_kind("Ingress", "HTTPRoute", "WebhookEndpoint") if segment in str(obj)
    ]
    assert shown == []


def test_an_own_route_goes_when_the_shared_one_is_in_force(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    (route,) = stage.routes()
    address: dict[str, Any] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    stage.edit("Ingress", route["metadata"]["name"], SYSTEM, status=address)
    stage.settle()
    stage.configure(platform(more=GRANULARITY))
    stage.settle()
    assert own(stage) == ["Ingress"]
    share(stage)
    stage.settle()
    assert own(stage) == ["Ingress"]
    share(stage, **address)
    stage.settle()
    assert own(stage) == []
    assert stage.ready() == "True Active"


def test_where_no_route_ever_has_an_address_that_of_the_host_is_enough(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    share(stage)
    stage.settle()
    assert own(stage) == []


def test_back_from_the_shared_route_an_endpoint_has_its_own_again(stage: Stage) -> None:
    share(stage)
    stage.declare()
    stage.settle()
    stage.configure(platform())
    stage.settle()
    assert own(stage) == ["Ingress"]
    assert stage.ready() == "True Active"


@pytest.mark.parametrize("state", ["inactive", "absent"])
def test_an_endpoint_that_ends_leaves_the_shared_route_alone(stage: Stage, state: str) -> None:
    share(stage)
    stage.declare()
    stage.settle()
    stage.change(state=state)
    stage.settle()
    assert len(stage.world.of_kind("Ingress")) == 1

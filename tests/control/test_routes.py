"""Routes: what they look like, when they are made, how they are repaired, and what a gateway says about them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookgate.control.exposed import route_state
from hookgate.model.conditions import Truth
from tests.control.stage import GATEWAY, OFFER, SHARED, Stage, platform

SYSTEM = "hookgate-system"


@pytest.fixture
def ingress(stage: Stage) -> dict[str, Any]:
    """The Ingress of an active endpoint."""
    stage.declare()
    stage.settle()
    return stage.routes()[0]


@pytest.fixture
def gateway() -> Stage:
    """An active endpoint on a host of a Gateway."""
    stage = Stage(platform(GATEWAY))
    stage.declare()
    stage.settle()
    return stage


def edit(stage: Stage, **members: Any) -> None:
    (route,) = stage.routes()
    stage.edit(route["kind"], route["metadata"]["name"], SYSTEM, **members)


def message(stage: Stage) -> str:
    """Return the message of the condition Exposed."""
    return next(str(c["message"]) for c in stage.status()["conditions"] if c["type"] == "Exposed")


def parent(accepted: str, resolved: str = "True", reason: str = "Accepted") -> dict[str, Any]:
    """What one parent of an HTTPRoute says."""
    conditions = [
        {"type": "Accepted", "status": accepted, "reason": reason},
        {"type": "ResolvedRefs", "status": resolved, "reason": reason},
    ]
    return {"parentRef": {"name": "public"}, "conditions": conditions}


def test_an_ingress_leads_exactly_one_path_of_one_host_to_the_receivers(ingress: dict[str, Any], stage: Stage) -> None:
    assert ingress["metadata"]["namespace"] == SYSTEM
    assert ingress["spec"] == {
        "rules": [
            {
                "host": "hooks.example.com",
                "http": {
                    "paths": [
                        {
                            "path": f"/h/{stage.binding().segment}",
                            "pathType": "Exact",
                            "backend": {"service": {"name": "hookgate-receiver", "port": {"number": 80}}},
                        }
                    ]
                },
            }
        ],
        "tls": [{"hosts": ["hooks.example.com"]}],
    }


def test_class_certificate_and_annotations_are_the_platform_s_data() -> None:
    more = "className: nginx, tlsSecretName: hooks-tls, annotations: {example.com/limit: '9'}"
    stage = Stage(platform(OFFER.replace("exposure: ingress", f"exposure: ingress, {more}")))
    stage.declare()
    stage.settle()
    (route,) = stage.routes()
    assert route["spec"]["ingressClassName"] == "nginx"
    assert route["spec"]["tls"] == [{"hosts": ["hooks.example.com"], "secretName": "hooks-tls"}]
    assert route["metadata"]["annotations"]["example.com/limit"] == "9"


def test_over_plain_http_an_ingress_has_no_certificate() -> None:
    stage = Stage(platform(OFFER.replace("exposure: ingress", "exposure: ingress, scheme: http, port: 8080")))
    stage.declare()
    stage.settle()
    assert "tls" not in stage.routes()[0]["spec"]
    assert stage.status()["url"].startswith("http://hooks.example.com:8080/h/")


def test_an_http_route_leads_exactly_one_path_of_one_host_to_the_receivers(gateway: Stage) -> None:
    (route,) = gateway.routes()
    assert route["kind"] == "HTTPRoute"
    assert route["spec"] == {
        "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"}],
        "hostnames": ["hooks.example.com"],
        "rules": [
            {
                "matches": [{"path": {"type": "Exact", "value": f"/h/{gateway.binding().segment}"}}],
                "backendRefs": [{"group": "", "kind": "Service", "name": "hookgate-receiver", "port": 80, "weight": 1}],
            }
        ],
    }


def test_a_host_that_the_platform_routes_itself_gets_no_route() -> None:
    stage = Stage(platform(SHARED))
    stage.declare()
    stage.settle()
    assert stage.routes() == []
    assert stage.says("Exposed") == "Unknown NotManaged"
    assert stage.ready() == "True Active"


def test_a_changed_route_is_repaired(ingress: dict[str, Any], stage: Stage) -> None:
    edit(stage, spec={"rules": [{"host": "elsewhere.example.com"}]})
    assert stage.settle() == ["apply Ingress"]
    assert stage.routes()[0]["spec"]["rules"] == ingress["spec"]["rules"]


def test_a_deleted_route_comes_back(ingress: dict[str, Any], stage: Stage) -> None:
    stage.world.drop("Ingress", SYSTEM, ingress["metadata"]["name"])
    assert stage.settle() == ["apply Ingress"]
    assert stage.routes()[0]["spec"] == ingress["spec"]


def test_what_a_server_or_others_add_to_a_route_is_no_drift(ingress: dict[str, Any], stage: Stage) -> None:
    added = {**ingress["metadata"], "annotations": {**ingress["metadata"].get("annotations", {}), "others": "own"}}
    edit(stage, metadata=added, spec={**ingress["spec"], "ingressClassName": "the-cluster-s"})
    assert stage.settle() == []


def test_what_the_platform_no_longer_wants_leaves_the_routes() -> None:
    more = "exposure: ingress, className: nginx, annotations: {example.com/limit: '9'}"
    stage = Stage(platform(OFFER.replace("exposure: ingress", more)))
    stage.declare()
    stage.settle()
    stage.configure(platform())
    assert stage.settle() == ["apply Ingress"]
    (route,) = stage.routes()
    assert "ingressClassName" not in route["spec"]
    assert "example.com/limit" not in route["metadata"].get("annotations", {})
    assert stage.settle() == []


@pytest.mark.parametrize(("before", "after", "kinds"), [(OFFER, GATEWAY, ["HTTPRoute"]), (GATEWAY, OFFER, ["Ingress"])])
def test_another_exposure_makes_the_new_route_before_the_old_one_goes(
    before: str, after: str, kinds: list[str]
) -> None:
    stage = Stage(platform(before))
    stage.declare()
    stage.settle()
    url = stage.status()["url"]
    stage.configure(platform(after))
    writes = stage.settle()
    assert [w.split()[0] for w in writes] == ["apply", "delete", "status"]
    assert [r["kind"] for r in stage.routes()] == kinds
    assert stage.status()["url"] == url


def test_handing_a_host_s_routes_to_the_platform_removes_ours(ingress: dict[str, Any], stage: Stage) -> None:
    stage.configure(platform(SHARED))
    assert stage.settle() == ["delete Ingress", "status True Active"]


def test_a_route_goes_to_the_service_that_the_platform_names(ingress: dict[str, Any], stage: Stage) -> None:
    stage.configure(platform(more="receiver: {service: {name: gate, port: 8443}}\n"))
    assert stage.settle() == ["apply Ingress"]
    backend = stage.routes()[0]["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    assert backend == {"service": {"name": "gate", "port": {"number": 8443}}}


# What gateways say ----------------------------------------------------------------------------------------------------


def test_an_ingress_without_an_address_does_not_block_readiness(ingress: dict[str, Any], stage: Stage) -> None:
    assert stage.says("Exposed") == "Unknown NoAddress"
    assert stage.ready() == "True Active"


def test_an_ingress_with_an_address_is_exposed(ingress: dict[str, Any], stage: Stage) -> None:
    edit(stage, status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})
    stage.settle()
    assert stage.says("Exposed") == "True Exposed"


def test_a_route_that_no_gateway_has_accepted_is_not_ready_and_says_whose_word_is_missing(gateway: Stage) -> None:
    assert gateway.says("Exposed") == "False GatewayPending"
    assert gateway.ready() == "False GatewayPending"
    assert gateway.says("Reconciling") == "True GatewayPending"
    assert "Gateway hookgate-system/public" in message(gateway)


def test_a_gateway_that_gives_a_route_up_makes_the_endpoint_not_ready(gateway: Stage) -> None:
    edit(gateway, status={"parents": [parent("True")]})
    gateway.settle()
    edit(gateway, status={"parents": []})
    gateway.settle()
    assert gateway.ready() == "False GatewayPending"


def test_a_route_that_the_gateway_accepts_is_exposed(gateway: Stage) -> None:
    edit(gateway, status={"parents": [parent("True")]})
    gateway.settle()
    assert gateway.says("Exposed") == "True Exposed"


@pytest.mark.parametrize(
    "said", [parent("False", reason="NoMatchingHost"), parent("True", "False", reason="NoMatchingHost")]
)
def test_a_route_that_the_gateway_refuses_makes_the_endpoint_not_ready(gateway: Stage, said: dict[str, Any]) -> None:
    edit(gateway, status={"parents": [parent("True"), said]})
    gateway.settle()
    assert gateway.says("Exposed") == "False NoMatchingHost"
    assert gateway.ready() == "False NoMatchingHost"
    assert gateway.says("Reconciling") == "True NoMatchingHost"
    edit(gateway, status={"parents": [parent("True")]})
    gateway.settle()
    assert gateway.ready() == "True Active"


def test_one_of_two_gateways_is_not_enough() -> None:
    stage = Stage(platform(GATEWAY.replace("{name: public}", "{name: public}, {name: private}")))
    stage.declare()
    stage.settle()
    edit(stage, status={"parents": [parent("True")]})
    stage.settle()
    assert stage.ready() == "False GatewayPending"
    assert "Gateway hookgate-system/private" in message(stage)
    assert "public" not in message(stage)


def test_of_a_gateway_that_is_no_longer_asked_nothing_counts(gateway: Stage) -> None:
    edit(gateway, status={"parents": [parent("True")]})
    gateway.settle()
    gateway.configure(platform(GATEWAY.replace("{name: public}", "{name: private}")))
    gateway.settle()
    assert gateway.ready() == "False GatewayPending"


@pytest.mark.parametrize("accepted", ["True", "False"])
def test_what_a_gateway_said_of_the_route_as_it_was_before_counts_no_more(gateway: Stage, accepted: str) -> None:
    (route,) = gateway.routes()

    def say(observed: int) -> Truth:
        said = parent(accepted, reason="Told")
        for condition in said["conditions"]:
            condition["observedGeneration"] = observed
        changed = {**route, "metadata": {**route["metadata"], "generation": 2}, "status": {"parents": [said]}}
        truth, reason, _ = route_state(changed, None)
        assert (reason == "GatewayPending") == (observed < 2)
        return truth

    assert say(1) is Truth.FALSE
    assert say(2).value == accepted


@pytest.mark.parametrize(
    "other", [{"sectionName": "http"}, {"port": 80}, {"namespace": "gateways"}, {"kind": "Service"}]
)
def test_a_listener_s_word_is_not_another_s(other: dict[str, Any]) -> None:
    ref = {"name": "public", "sectionName": "https", "port": 443}
    stage = Stage(platform(GATEWAY.replace("{name: public}", json.dumps(ref))))
    stage.declare()
    stage.settle()
    edit(stage, status={"parents": [{**parent("True"), "parentRef": {**ref, **other}}]})
    stage.settle()
    assert stage.ready() == "False GatewayPending"
    edit(stage, status={"parents": [{**parent("True"), "parentRef": ref}]})
    stage.settle()
    assert stage.ready() == "True Active"


def test_one_of_two_controllers_of_a_parent_may_accept_but_none_may_refuse(gateway: Stage) -> None:
    silent = {**parent("Unknown"), "controllerName": "other"}
    edit(gateway, status={"parents": [silent, parent("True")]})
    gateway.settle()
    assert gateway.ready() == "True Active"
    edit(gateway, status={"parents": [parent("True"), {**parent("False", reason="Busy"), "controllerName": "other"}]})
    gateway.settle()
    assert gateway.ready() == "False Busy"


def test_what_a_gateway_says_is_repeated_without_the_path(gateway: Stage) -> None:
    path = f"/h/{gateway.binding().segment}"
    said = parent("False", reason="Conflicted")
    said["conditions"][0]["message"] = f"path {path} is\n taken by another route"
    edit(gateway, status={"parents": [said]})
    gateway.settle()
    assert message(gateway) == (
        "Gateway hookgate-system/public says Accepted=False, Conflicted: path /h/… is taken by another route"
    )
    assert gateway.world.events[-1] == ("Warning", "Conflicted")


@pytest.mark.parametrize("reason", ["", "no reason", "-", None, 7])
def test_a_reason_that_is_none_is_replaced(gateway: Stage, reason: Any) -> None:
    said = parent("False")
    said["conditions"][0]["reason"] = reason
    edit(gateway, status={"parents": [said]})
    gateway.settle()
    assert gateway.ready() == "False Refused"


def test_a_parent_is_handed_through_as_the_platform_wrote_it() -> None:
    ref = {"group": "example.com", "kind": "Mesh", "namespace": "nets", "name": "a", "sectionName": "b", "port": 8443}
    stage = Stage(platform(GATEWAY.replace("{name: public}", json.dumps(ref))))
    stage.declare()
    stage.settle()
    assert stage.routes()[0]["spec"]["parentRefs"] == [ref]


# What classes there are -----------------------------------------------------------------------------------------------

CLASSED = OFFER.replace("exposure: ingress", "exposure: ingress, className: nginx")


def exposed_with(config: str, classes: dict[str, bool] | None) -> Stage:
    """Return an endpoint in a cluster with these classes of Ingress."""
    stage = Stage(platform(config))
    stage.world.classes = classes
    stage.declare()
    stage.settle()
    return stage


def test_a_class_that_does_not_exist_makes_the_endpoint_not_ready_and_the_others_are_named() -> None:
    stage = exposed_with(CLASSED, {"traefik": False, "contour": True})
    assert stage.says("Exposed") == "False IngressClassNotFound"
    assert stage.ready() == "False IngressClassNotFound"
    assert "no IngressClass nginx; there are: contour, traefik" in message(stage)


@pytest.mark.parametrize("classes", [{"nginx": False, "contour": True}, {}, None])
def test_a_class_that_exists_or_cannot_be_judged_does_not_block_readiness(classes: dict[str, bool] | None) -> None:
    stage = exposed_with(CLASSED, classes)
    assert (stage.says("Exposed"), stage.ready()) == ("Unknown NoAddress", "True Active")


def test_an_address_proves_that_somebody_looks_after_the_route() -> None:
    stage = exposed_with(CLASSED, {"contour": True})
    edit(stage, status={"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}})
    stage.settle()
    assert stage.ready() == "True Active"


def test_a_route_without_a_class_where_none_is_the_default_is_told() -> None:
    stage = exposed_with(OFFER, {"contour": False})
    assert (stage.says("Exposed"), stage.ready()) == ("Unknown NoIngressClass", "True Active")
    assert exposed_with(OFFER, {"contour": True}).says("Exposed") == "Unknown NoAddress"

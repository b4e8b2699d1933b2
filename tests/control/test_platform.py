"""What the platform allows and withdraws: hosts, types, providers, targets, sizes, and how many endpoints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookgate.model.rate import Rate
from tests.control.stage import OFFER, SHARED, Stage, platform
from tests.scheme.senders import certificate

OTHER = "{name: other.example.com, exposure: ingress, namespaces: [team-a]}"
NOBODY = OFFER.replace("team-*", "nobody")
NONE_ALLOWED = "auth: {allowedTypes: [hmac, none]}\n"


@pytest.fixture
def told(stage: Stage) -> dict[str, bytes]:
    """An active endpoint's connection Secret as first told."""
    stage.declare()
    stage.settle()
    return stage.connection()


def is_refused(stage: Stage, reason: str, name: str = "ci") -> bool:
    """Tell whether an endpoint is not Accepted for that reason, and all that follows from it."""
    return (
        stage.ready(name) == f"False {reason}"
        and stage.says("Accepted", name) == f"False {reason}"
        and stage.says("ResolvedRefs", name) == "Unknown NotAccepted"
        and stage.says("Stalled", name) == f"True {reason}"
        and stage.answer(name) == 404
    )


# Hosts ----------------------------------------------------------------------------------------------------------------


def test_without_a_wish_an_endpoint_gets_the_first_host_of_its_namespace(stage: Stage) -> None:
    stage.configure(platform(NOBODY.replace("hooks", "closed"), OTHER, OFFER))
    stage.declare()
    stage.settle()
    assert stage.status()["url"].startswith("https://other.example.com/h/")


def test_an_endpoint_may_choose_among_the_hosts_of_its_namespace(stage: Stage) -> None:
    stage.configure(platform(OFFER, OTHER))
    stage.declare(exposure={"host": "other.example.com"})
    stage.settle()
    assert stage.status()["url"].startswith("https://other.example.com/h/")


@pytest.mark.parametrize("host", ["nowhere.example.com", "other.example.com"])
def test_a_host_that_is_unknown_or_offered_to_others_is_refused(stage: Stage, host: str) -> None:
    stage.configure(platform(OFFER, OTHER.replace("team-a", "team-b")))
    stage.declare(exposure={"host": host})
    stage.settle()
    assert is_refused(stage, "HostNotAllowed")
    assert not stage.has_binding()
    assert stage.secret() is None


def test_a_namespace_without_any_host_is_told_whom_to_ask(stage: Stage) -> None:
    stage.configure(platform(NOBODY))
    stage.declare()
    stage.settle()
    assert is_refused(stage, "HostNotAllowed")
    assert "ask the platform team" in stage.message()


def test_a_withdrawn_host_closes_its_endpoints_and_drops_their_routes(stage: Stage, told: dict[str, bytes]) -> None:
    stage.configure(platform(NOBODY))
    assert stage.settle() == ["apply binding", "delete Ingress", "status False HostNotAllowed"]
    assert is_refused(stage, "HostNotAllowed")
    assert stage.binding().closed


def test_a_withdrawn_host_leaves_path_and_secret_as_they_are(stage: Stage, told: dict[str, bytes]) -> None:
    stage.configure(platform(NOBODY))
    stage.settle()
    assert stage.connection() == told
    assert stage.status()["url"] == told["url"].decode()
    stage.configure(platform())
    stage.settle()
    assert (stage.ready(), stage.connection(), stage.answer()) == ("True Active", told, "verdict")


def test_an_endpoint_is_not_moved_silently_when_its_host_is_withdrawn(stage: Stage, told: dict[str, bytes]) -> None:
    stage.configure(platform(OTHER))
    stage.settle()
    assert is_refused(stage, "HostNotAllowed")
    stage.change(exposure={"host": "other.example.com"})
    stage.settle()
    assert stage.status()["url"] == told["url"].decode().replace("hooks", "other")


def test_a_host_put_first_later_takes_no_endpoint_away_from_its_own(stage: Stage, told: dict[str, bytes]) -> None:
    stage.configure(platform(OTHER, OFFER))
    assert stage.settle() == []


def test_a_rotation_asked_for_while_closed_is_done_on_the_return(stage: Stage, told: dict[str, bytes]) -> None:
    stage.configure(platform(NOBODY))
    stage.secret_policy(rotate="2026-01")
    stage.settle()
    assert stage.connection() == told
    stage.configure(platform())
    stage.settle()
    assert stage.connection()["previous-secrets"] == told["secret"]


def test_a_closed_endpoint_loses_old_secrets_and_old_paths_in_time(stage: Stage, told: dict[str, bytes]) -> None:
    stage.change(exposure={"rotateURL": "1", "overlap": "1h"})
    stage.secret_policy(rotate="1", overlap="1h")
    stage.settle()
    stage.configure(platform(NOBODY))
    stage.settle()
    stage.wait(7200)
    stage.settle()
    assert len(stage.verifying()) == 1
    assert stage.binding().retired == ()
    assert "previous-secrets" not in stage.connection()
    assert stage.again is None


# Types and providers --------------------------------------------------------------------------------------------------


def test_a_type_that_the_platform_does_not_allow_is_refused_with_those_that_it_does(stage: Stage) -> None:
    stage.configure(platform(more="auth: {allowedTypes: [token]}\n"))
    stage.declare()
    stage.settle()
    assert is_refused(stage, "AuthTypeNotAllowed")
    assert "choose one of: token" in stage.message()


def test_a_type_that_is_forbidden_later_closes_its_endpoints(stage: Stage, told: dict[str, bytes]) -> None:
    stage.configure(platform(more="auth: {allowedTypes: [token]}\n"))
    stage.settle()
    assert is_refused(stage, "AuthTypeNotAllowed")
    stage.configure(platform())
    stage.settle()
    assert (stage.ready(), stage.connection()) == ("True Active", told)


def test_an_unknown_provider_is_refused_with_the_names_of_those_that_exist(stage: Stage) -> None:
    stage.declare(auth={"type": "hmac", "provider": "githup"})
    stage.settle()
    assert is_refused(stage, "UnknownProvider")
    assert '"githup"' in stage.message()
    assert "github" in stage.message()


def test_a_provider_of_another_type_is_refused(stage: Stage) -> None:
    stage.declare(auth={"type": "token", "provider": "github"})
    stage.settle()
    assert is_refused(stage, "ProviderTypeMismatch")


def test_the_platform_may_add_providers_of_its_own(stage: Stage) -> None:
    stage.configure(platform(more="providers: {ours: {scheme: {type: token, header: X-Ours}}}\n"))
    stage.declare(auth={"type": "token", "provider": "ours"})
    stage.settle()
    assert (stage.ready(), stage.status()["header"]) == ("True Active", "X-Ours")


def test_receivers_confirm_subscriptions_only_where_the_platform_lets_them(stage: Stage) -> None:
    topics = ["arn:aws:sns:eu-west-1:123456789012:orders"]
    way = {"type": "signature", "provider": "aws-sns", "signature": {"publicKey": certificate().decode()}}
    way["signature"]["sns"] = {"topics": topics, "confirm": True}  # type: ignore[index]
    stage.declare(auth=way)
    stage.settle()
    assert is_refused(stage, "ConfirmationNotAllowed")
    assert "auth.confirmSubscriptions" in stage.message()
    stage.configure(platform(more="auth: {confirmSubscriptions: true}\n"))
    stage.settle()
    assert stage.ready() == "True Active"
    assert stage.binding().auth["sns"] == {"topics": topics, "confirm": True}


# Type none ------------------------------------------------------------------------------------------------------------


def test_type_none_is_not_allowed_unless_the_platform_says_so(stage: Stage) -> None:
    stage.configure(platform(SHARED))
    stage.declare(auth={"type": "none"})
    stage.settle()
    assert is_refused(stage, "AuthTypeNotAllowed")


def test_type_none_needs_a_host_whose_routes_show_no_single_path(stage: Stage) -> None:
    stage.configure(platform(more=NONE_ALLOWED))
    stage.declare(auth={"type": "none"})
    stage.settle()
    assert is_refused(stage, "ExposureNotAllowed")


def test_the_url_of_type_none_is_told_in_the_connection_secret_and_nowhere_else(stage: Stage) -> None:
    stage.configure(platform(SHARED, more=NONE_ALLOWED))
    stage.declare(auth={"type": "none"})
    stage.settle()
    segment = stage.binding().segment or ""
    assert stage.ready() == "True Active"
    assert stage.connection() == {"url": f"https://hooks.example.com/h/{segment}".encode()}
    assert segment not in json.dumps(stage.endpoint())
    assert "header" not in stage.status()
    assert stage.routes() == []
    assert stage.answer() == "verdict"


def test_taking_the_authentication_away_takes_the_url_out_of_the_status(stage: Stage) -> None:
    stage.configure(platform(SHARED, more=NONE_ALLOWED))
    stage.declare()
    stage.settle()
    assert "url" in stage.status()
    stage.change(auth={"type": "none"})
    stage.settle()
    assert (stage.ready(), stage.verifying()) == ("True Active", [])
    assert "url" not in stage.status()
    assert set(stage.connection()) == {"url"}


# Targets --------------------------------------------------------------------------------------------------------------


def test_a_url_target_has_to_be_allowed_for_the_namespace(stage: Stage) -> None:
    target = {"url": "https://ci.example.com/hooks/build"}
    stage.declare(target=target)
    stage.settle()
    assert is_refused(stage, "TargetNotAllowed")
    allowed = "targets: {urls: [{prefix: 'https://ci.example.com/hooks', namespaces: [team-a]}]}\n"
    stage.configure(platform(more=allowed))
    stage.settle()
    assert (stage.ready(), stage.binding().target) == ("True Active", target["url"])
    stage.configure(platform(more=allowed.replace("team-a", "team-b")))
    stage.settle()
    assert is_refused(stage, "TargetNotAllowed")


def test_a_service_target_is_always_in_the_endpoint_s_own_namespace(stage: Stage) -> None:
    stage.serve("elsewhere", namespace="team-b")
    stage.declare(target={"service": {"name": "elsewhere", "port": 8080}})
    stage.settle()
    assert stage.ready() == "False TargetNotFound"
    assert stage.binding().target == "http://elsewhere.team-a.svc:8080/"


@pytest.mark.parametrize("service", [{"name": "gone", "port": 8080}, {"name": "app", "port": 9999}])
def test_a_missing_service_or_port_is_said_and_ends_when_it_appears(stage: Stage, service: dict[str, Any]) -> None:
    stage.declare(target={"service": service})
    stage.settle()
    assert stage.ready() == "False TargetNotFound"
    assert stage.says("Reconciling") == "True TargetNotFound"
    assert stage.answer() == "verdict"
    stage.serve(service["name"], service["port"])
    stage.settle()
    assert stage.ready() == "True Active"


def test_an_external_name_service_is_refused_since_it_could_lead_anywhere(stage: Stage) -> None:
    stage.serve("app", kind="ExternalName")
    stage.declare()
    stage.settle()
    assert stage.ready() == "False TargetNotAllowed"
    assert stage.says("Stalled") == "True TargetNotAllowed"
    assert stage.answer() == 503


def test_a_service_that_becomes_an_external_name_later_is_refused_from_then_on(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    assert stage.answer() == "verdict"
    stage.serve("app", kind="ExternalName")
    stage.settle()
    assert (stage.ready(), stage.answer()) == ("False TargetNotAllowed", 503)


# Sizes and numbers ----------------------------------------------------------------------------------------------------


def test_a_body_limit_above_the_platform_s_is_refused(stage: Stage) -> None:
    stage.configure(platform(more="limits: {maxBodyBytes: 1000000}\n"))
    stage.declare(limits={"maxBodyBytes": 1_000_001})
    stage.settle()
    assert is_refused(stage, "LimitNotAllowed")
    stage.change(limits={"maxBodyBytes": 1_000_000})
    stage.settle()
    assert stage.ready() == "True Active"


RATES = "limits: {rate: {requests: 10, per: 1m, burst: 20}, maxInFlight: 5}\n"


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"rate": {"requests": 11, "per": "1m", "burst": 5}}, "rate"),
        ({"rate": {"requests": 10, "per": "59s"}}, "rate"),
        ({"rate": {"requests": 1, "per": "1h", "burst": 21}}, "rate"),
        ({"maxInFlight": 6}, "maxInFlight"),
    ],
)
def test_a_rate_or_concurrency_above_the_platform_s_is_refused(
    stage: Stage, limits: dict[str, Any], field: str
) -> None:
    stage.configure(platform(more=RATES))
    stage.declare(limits=limits)
    stage.settle()
    assert is_refused(stage, "LimitNotAllowed")
    assert f"spec.limits.{field}: the platform allows at most" in stage.message("Ready")


def test_a_rate_and_a_concurrency_below_the_platform_s_are_the_endpoint_s(stage: Stage) -> None:
    stage.configure(platform(more=RATES))
    stage.declare(limits={"rate": {"requests": 10, "per": "1m", "burst": 20}, "maxInFlight": 5})
    stage.settle()
    assert stage.ready() == "True Active"
    assert (stage.binding().rate, stage.binding().max_in_flight) == (Rate(requests=10, per_ms=60_000, burst=20), 5)


def test_endpoints_that_ask_for_no_rate_get_the_platform_s(stage: Stage) -> None:
    stage.configure(platform(more=RATES))
    stage.declare()
    stage.settle()
    assert (stage.binding().rate, stage.binding().max_in_flight) == (Rate(requests=10, per_ms=60_000, burst=20), 5)
    stage.configure(platform())
    stage.settle()
    assert (stage.binding().rate, stage.binding().max_in_flight) == (None, None)


def test_an_endpoint_says_where_its_calls_may_come_from(stage: Stage) -> None:
    stage.declare(limits={"allowCIDRs": ["192.0.2.0/24"]})
    stage.settle()
    assert stage.binding().allowed_networks == ("192.0.2.0/24",)
    stage.change(limits={})
    stage.settle()
    assert stage.binding().allowed_networks == ()


def test_where_endpoints_are_limited_the_elder_ones_are_served(stage: Stage) -> None:
    stage.configure(platform(more="limits: {maxEndpointsPerNamespace: 2}\n"))
    for name in ("first", "second", "third"):
        stage.declare(name)
        stage.settle(name)
        stage.wait(1)
    assert [stage.ready(n) for n in ("first", "second")] == ["True Active", "True Active"]
    assert is_refused(stage, "TooManyEndpoints", "third")
    stage.delete("first")
    stage.settle("first")
    stage.settle("third")
    assert stage.ready("third") == "True Active"


def test_absent_endpoints_take_no_room(stage: Stage) -> None:
    stage.configure(platform(more="limits: {maxEndpointsPerNamespace: 1}\n"))
    stage.declare("first", state="absent")
    stage.wait(1)
    stage.declare("second")
    stage.settle("first")
    stage.settle("second")
    assert stage.ready("second") == "True Active"


def test_other_namespaces_do_not_count(stage: Stage) -> None:
    stage.configure(platform(more="limits: {maxEndpointsPerNamespace: 1}\n"))
    stage.declare("first", namespace="team-b")
    stage.wait(1)
    stage.declare("second")
    stage.settle("second")
    assert stage.ready("second") == "True Active"


def test_a_lowered_limit_closes_the_younger_ones_and_a_raised_one_brings_them_back(stage: Stage) -> None:
    for name in ("first", "second"):
        stage.declare(name)
        stage.settle(name)
        stage.wait(1)
    told = stage.connection("second-webhook")
    stage.configure(platform(more="limits: {maxEndpointsPerNamespace: 1}\n"))
    stage.settle("second")
    assert is_refused(stage, "TooManyEndpoints", "second")
    stage.configure(platform())
    stage.settle("second")
    assert stage.ready("second") == "True Active"
    assert stage.connection("second-webhook") == told

"""What an endpoint asks for about repeated calls, and what its status says that it has."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.model.binding import encode
from hookgate.model.replay import USUAL, ReplayMode, ReplayPolicy
from tests.control.stage import Stage, platform

STORE = "replay: {store: {url: 'redis://redis.example:6379'}}\n"


def declared(replay: dict[str, Any] | None = None, *, stage: Stage | None = None, **auth: Any) -> Stage:
    """A stage with one endpoint, standard-webhooks unless told otherwise."""
    stage = stage or Stage()
    spec: dict[str, Any] = {"auth": auth or {"type": "hmac", "provider": "standard-webhooks"}}
    if replay is not None:
        spec["replay"] = replay
    stage.declare("push", **spec)
    stage.settle("push")
    return stage


GITHUB: dict[str, Any] = {"type": "hmac", "provider": "github"}
GITLAB: dict[str, Any] = {"type": "token", "provider": "gitlab"}


@pytest.mark.parametrize(
    ("auth", "replay", "told"),
    [
        (
            {"type": "hmac", "provider": "standard-webhooks"},
            None,
            {"protection": "SignedTimestamp", "window": "24h", "scope": "Replica"},
        ),
        (
            {"type": "hmac", "provider": "typeform"},
            {"window": "90m"},
            {"protection": "SignedId", "window": "90m", "scope": "Replica"},
        ),
        (
            {"type": "hmac", "provider": "calendly"},
            {},
            {"protection": "SignedTimestamp", "window": "3m", "scope": "Replica"},
        ),
        (GITHUB, None, {"protection": "None"}),
        (GITHUB, {"mode": "DeliveryId"}, {"protection": "DeliveryId", "window": "24h", "scope": "Replica"}),
        (GITHUB, {"mode": "Signature"}, {"protection": "SignedContent", "window": "24h", "scope": "Replica"}),
        ({"type": "hmac", "provider": "standard-webhooks"}, {"mode": "Disabled"}, {"protection": "None"}),
    ],
)
def test_the_status_says_what_an_endpoint_has(
    auth: dict[str, Any], replay: dict[str, Any] | None, told: dict[str, str]
) -> None:
    assert declared(replay, **auth).status("push")["replay"] == told


def test_with_a_shared_store_the_status_says_that_receivers_share() -> None:
    stage = declared(stage=Stage(platform(more=STORE)))
    assert stage.status("push")["replay"]["scope"] == "Shared"


def test_a_binding_that_asks_for_nothing_unusual_stays_as_it_was() -> None:
    """Receivers of an older version go on understanding it, and an upgrade rewrites none."""
    found = declared().binding("push")
    assert (b"replay" in encode(found), found.replay) == (False, USUAL)


def test_what_is_asked_for_reaches_the_receivers() -> None:
    found = declared({"mode": "Signature", "window": "2h", "required": True}, **GITHUB).binding("push")
    assert found.replay == ReplayPolicy(mode=ReplayMode.SIGNATURE, window=7200, required=True)


@pytest.mark.parametrize(
    ("auth", "replay", "field"),
    [
        (GITHUB, {"required": True}, "spec.replay.required"),
        (GITHUB, {"required": True, "mode": "DeliveryId"}, "spec.replay.required"),
        (GITLAB, {"mode": "Signature"}, "spec.replay.mode"),
        ({"type": "token", "token": {"header": "X-Token"}}, {"mode": "DeliveryId"}, "spec.replay.mode"),
    ],
)
def test_what_the_scheme_cannot_give_is_not_promised(auth: dict[str, Any], replay: dict[str, Any], field: str) -> None:
    stage = declared(replay, **auth)
    assert stage.says("Accepted", "push") == "False ReplayNotPossible"
    assert stage.message("Accepted", "push").startswith(f"{field}: ")


def test_an_endpoint_that_requires_what_its_scheme_has_is_accepted() -> None:
    assert declared({"required": True}).says("Accepted", "push").startswith("True")

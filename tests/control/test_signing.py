"""The key that forwarded calls are signed with: made once, told, rotated, kept and recovered."""

from __future__ import annotations

import base64

import pytest

from tests.control.stage import SHARED, Stage, platform

SERVICE = {"service": {"name": "app", "port": 8080}}


@pytest.fixture
def active(stage: Stage) -> Stage:
    """An active endpoint."""
    stage.declare()
    stage.settle()
    return stage


def raw(told: bytes) -> bytes:
    """Return the key in a value of the connection Secret."""
    assert told.startswith(b"whsec_")
    return base64.b64decode(told.removeprefix(b"whsec_"), validate=True)


def keys(stage: Stage) -> list[bytes]:
    """Return the keys that receivers sign with."""
    return [raw(key.value.reveal()) for key in stage.binding().forward_keys]


def test_it_is_made_with_the_endpoint_and_told_in_the_connection_secret(active: Stage) -> None:
    told = active.forward_secrets()["forward-secret"]
    assert keys(active) == [raw(told)]
    assert len(raw(told)) == 32
    assert active.binding().generated[0].value.reveal() not in (told, raw(told))


def test_it_stays_when_anything_else_changes(active: Stage) -> None:
    before = keys(active)
    active.change(auth={"type": "token", "token": {"header": "X-Token"}, "secret": {"rotate": "1"}})
    active.settle()
    active.change(state="inactive")
    active.settle()
    active.change(state="active", exposure={"rotateURL": "1"})
    active.settle()
    assert keys(active) == before


def test_a_rotation_signs_with_both_keys_until_the_overlap_is_over(active: Stage) -> None:
    (old,) = keys(active)
    active.change(target={**SERVICE, "signing": {"rotate": "1", "overlap": "1h"}})
    active.settle()
    new, kept = keys(active)
    assert kept == old != new
    told = active.forward_secrets()
    assert (raw(told["forward-secret"]), raw(told["previous-forward-secrets"])) == (new, old)
    active.wait(3601)
    active.settle()
    assert keys(active) == [new]
    assert "previous-forward-secrets" not in active.forward_secrets()


def test_an_overlap_of_nothing_ends_the_old_key_at_once(active: Stage) -> None:
    (old,) = keys(active)
    active.change(target={**SERVICE, "signing": {"rotate": "1", "overlap": "0s"}})
    active.settle()
    assert len(keys(active)) == 1
    assert keys(active) != [old]


def test_a_request_counts_once_and_one_that_comes_with_the_endpoint_is_met(stage: Stage) -> None:
    stage.declare(target={**SERVICE, "signing": {"rotate": "1"}})
    stage.settle()
    before = keys(stage)
    stage.change(limits={"maxBodyBytes": 7})
    stage.settle()
    assert (keys(stage), len(before)) == (before, 1)


def test_the_senders_secret_and_this_one_are_rotated_apart(active: Stage) -> None:
    secret, signing = active.connection()["secret"], keys(active)
    active.annotate("hookgate.dev/rotate", "1")
    active.settle()
    assert (active.connection()["secret"] != secret, keys(active)) == (True, signing)
    secret = active.connection()["secret"]
    active.change(target={**SERVICE, "signing": {"rotate": "1"}})
    active.settle()
    assert (active.connection()["secret"], keys(active)[1:]) == (secret, signing)


def test_a_lost_binding_gets_it_back_from_the_connection_secret(active: Stage) -> None:
    before = keys(active)
    active.world.drop("Secret", "hookgate-bindings", active.endpoint()["metadata"]["uid"])
    active.settle()
    assert keys(active) == before


def test_an_endpoint_of_type_none_has_one_too(stage: Stage) -> None:
    stage.configure(platform(SHARED, more="auth: {allowedTypes: [none]}\n"))
    stage.declare(auth={"type": "none"})
    stage.settle()
    assert keys(stage) == [raw(stage.forward_secrets()["forward-secret"])]

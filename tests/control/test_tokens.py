"""Endpoints that take tokens of an identity provider: where its keys come from and what happens without them."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.control.names import names_of
from hookgate.control.values import Published
from hookgate.model.endpoint import KeySet
from tests.control.stage import Stage
from tests.scheme.tokens import ISSUER, RULES, curve, key_set, rsa

DISCOVERED = KeySet(issuer=ISSUER)


def jwt(**changes: Any) -> dict[str, Any]:
    rules = {name: value for name, value in RULES.items() if name != "type"}
    return {"type": "jwt", "jwt": {**rules, **changes}}


@pytest.fixture
def taking(stage: Stage) -> Stage:
    """An active endpoint whose issuer's keys are known."""
    stage.key_sets[DISCOVERED] = Published(value=key_set())
    stage.declare(auth=jwt())
    stage.settle()
    return stage


def test_the_issuers_key_set_verifies(taking: Stage) -> None:
    assert (taking.ready(), taking.verifying()) == ("True Active", [key_set()])
    assert set(taking.connection()) == {"url", "header"}


def test_before_the_first_fetch_the_endpoint_waits(stage: Stage) -> None:
    stage.declare(auth=jwt())
    stage.settle()
    assert stage.ready() == "False KeySetUnavailable"
    assert stage.message() == "spec.auth.jwt: the keys of the issuer: not fetched yet"
    assert stage.says("Stalled") == ""
    assert stage.answer() == 503


def test_a_failed_fetch_says_why(stage: Stage) -> None:
    stage.key_sets[DISCOVERED] = Published(problem="discovery answered 404")
    stage.declare(auth=jwt())
    stage.settle()
    assert stage.message() == "spec.auth.jwt: the keys of the issuer: discovery answered 404"


def test_a_new_key_set_replaces_the_old_one(taking: Stage) -> None:
    taking.key_sets[DISCOVERED] = Published(value=key_set(rsa("new")))
    taking.settle()
    assert taking.verifying() == [key_set(rsa("new"))]


def test_an_outage_of_the_issuer_changes_nothing(taking: Stage) -> None:
    taking.key_sets[DISCOVERED] = Published(value=key_set(), problem="discovery answered 503")
    assert taking.settle() == []
    assert taking.ready() == "True Active"


def test_a_restart_during_an_outage_changes_nothing(taking: Stage) -> None:
    """The binding still knows the keys of this very issuer."""
    taking.key_sets.clear()
    assert taking.settle() == []
    assert taking.ready() == "True Active"


@pytest.mark.parametrize("changes", [{"issuer": "https://other.example"}, {"jwks": {"url": "https://other.example/k"}}])
def test_keys_of_another_issuer_or_place_are_not_kept(taking: Stage, changes: dict[str, Any]) -> None:
    taking.change(auth=jwt(**changes))
    taking.settle()
    assert (taking.ready(), taking.verifying()) == ("False KeySetUnavailable", [])


def test_keys_that_were_brought_are_not_kept_for_discovery(stage: Stage) -> None:
    stage.bring("mine", secret=key_set())
    stage.declare(auth={**jwt(), "secret": {"ref": {"name": "mine"}}})
    stage.settle()
    assert (stage.ready(), stage.verifying()) == ("True Active", [key_set()])
    stage.change(auth=jwt())
    stage.settle()
    assert stage.verifying() == []


def test_a_key_set_without_a_usable_key_is_told_of(stage: Stage) -> None:
    stage.key_sets[DISCOVERED] = Published(value=key_set(curve()))
    stage.declare(auth=jwt())
    stage.settle()
    assert stage.message().endswith("The key set has no public key with a kid for RS256.")


def test_what_an_endpoint_needs_fetched_is_read_from_any_manifest() -> None:
    def key_sets(auth: Any) -> frozenset[KeySet]:
        return names_of({"metadata": {"name": "a"}, "spec": {"auth": auth}}).key_sets

    assert key_sets(jwt()) == {DISCOVERED}
    assert key_sets({"type": "anyOf", "anyOf": [jwt(jwks={"url": f"{ISSUER}/k"}), {"type": "basic"}]}) == {
        KeySet(issuer=ISSUER, url=f"{ISSUER}/k")
    }
    assert key_sets({**jwt(), "secret": {"ref": {"name": "a"}}}) == frozenset()
    wrong: list[Any] = [
        None,
        [],
        {"anyOf": 3},
        jwt(issuer=7),
        jwt(issuer="http://a.example"),
        jwt(jwks={"url": "file:///"}),
    ]
    assert [key_sets(auth) for auth in wrong] == [frozenset()] * len(wrong)

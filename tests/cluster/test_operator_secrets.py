"""Secrets that a team brings: what happens to them shows at the receiver within moments, and every doubt is a no."""

from __future__ import annotations

import pytest

from tests.cluster.calls import github
from tests.cluster.team import GITHUB, Team, encoded

BODY = b'{"zen":"Design for failure."}'


@pytest.fixture
def url(team: Team) -> str:
    """The URL of an endpoint that verifies by the team's own Secret ``mine``, whose value is ``first``."""
    team.give_secret("mine", b"first")
    made = team.created("push", auth={**GITHUB, "secret": {"ref": {"name": "mine"}}})
    assert team.call(made["status"]["url"], BODY, github(b"first", BODY)).status == 200
    return str(made["status"]["url"])


def set_value(team: Team, value: bytes) -> None:
    """Change the value of the team's Secret."""
    team.plane.admin.merge("Secret", team.namespace, "mine", {"data": encoded({"secret": value})})


def test_a_changed_value_verifies_and_the_old_one_no_longer(team: Team, url: str) -> None:
    """No overlap is invented where the team did not ask for one."""
    set_value(team, b"second")
    team.answers(200, url, BODY, github(b"second", BODY))
    assert team.call(url, BODY, github(b"first", BODY)).status == 401


def test_a_deleted_secret_closes_the_endpoint(team: Team, url: str) -> None:
    """503, so that senders try again; given back, it serves as before."""
    team.plane.admin.delete("Secret", team.namespace, "mine")
    team.answers(503, url, BODY, github(b"first", BODY))
    team.until("push", "ResolvedRefs", "False", "SecretNotUsable")
    team.give_secret("mine", b"first")
    team.answers(200, url, BODY, github(b"first", BODY))
    assert team.ready("push", "Active")["status"]["url"] == url


def test_a_secret_that_loses_our_label_closes_the_endpoint(team: Team, url: str) -> None:
    """The label is the permission, so taking it off takes the permission back."""
    labels = {"metadata": {"labels": {"hookgate.dev/webhook": None}}}
    team.plane.admin.merge("Secret", team.namespace, "mine", labels)
    team.answers(503, url, BODY, github(b"first", BODY))
    assert team.until("push", "Ready", "False", "SecretNotUsable")


@pytest.mark.parametrize("value", [b"", b"\n"], ids=["empty", "newline"])
def test_an_empty_value_closes_the_endpoint(team: Team, url: str, value: bytes) -> None:
    """An empty key would verify what anybody signs with nothing."""
    set_value(team, value)
    team.answers(503, url, BODY, github(b"", BODY))
    assert team.call(url, BODY, github(b"first", BODY)).status == 503


def test_a_key_that_is_missing_closes_the_endpoint(team: Team, url: str) -> None:
    """The Secret is there, its value is not."""
    team.plane.admin.merge("Secret", team.namespace, "mine", {"data": {"secret": None, **encoded({"other": b"first"})}})
    team.answers(503, url, BODY, github(b"first", BODY))


def test_a_previous_secret_verifies_until_it_is_taken_out(team: Team, url: str) -> None:
    """The way to change a secret without losing a call."""
    team.give_secret("new", b"second")
    both = {"ref": {"name": "new"}, "previousRefs": [{"name": "mine"}]}
    team.patched("push", auth={"secret": both})
    assert [team.call(url, BODY, github(value, BODY)).status for value in (b"first", b"second")] == [200, 200]
    team.patched("push", auth={"secret": {"previousRefs": None}})
    assert [team.call(url, BODY, github(value, BODY)).status for value in (b"first", b"second")] == [401, 200]


def test_a_rotation_of_a_generated_secret_overlaps_as_asked(team: Team) -> None:
    """Both verify during the overlap; with none, the old one is revoked at once. The URL stays."""
    url = team.created("push")["status"]["url"]
    first = team.connection("push")["secret"]
    team.patched("push", auth={"secret": {"rotate": "1"}})
    second = team.connection("push")["secret"]
    assert first != second
    assert team.connection("push")["previous-secrets"] == first
    assert [team.call(url, BODY, github(value, BODY)).status for value in (first, second)] == [200, 200]
    team.patched("push", auth={"secret": {"rotate": "2", "overlap": "0s"}})
    third = team.connection("push")
    assert {first, second}.isdisjoint(third.values())
    statuses = [team.call(url, BODY, github(value, BODY)).status for value in (first, second, third["secret"])]
    assert statuses == [401, 401, 200]
    assert third["url"].decode() == url

"""What a deleted endpoint leaves behind, and who may have it: its successor that asks for it, in the same namespace."""

from __future__ import annotations

import signal
from collections.abc import Callable

from tests.cluster.calls import github
from tests.cluster.team import Object, Team, encoded

ADOPT = {"hookgate.dev/adopt": "true"}


def left_behind(team: Team) -> tuple[Object, dict[str, bytes]]:
    """An endpoint that is gone, and its connection Secret, which stayed."""
    endpoint = team.created("push", deletionPolicy="Retain")
    team.delete("push")
    team.gone("push")
    return endpoint, team.connection("push")


def adopting(team: Team, name: str = "push") -> Object:
    """Create an endpoint that asks for what was left."""
    manifest = team.endpoint(name, secretName="push-webhook")
    manifest["metadata"]["annotations"] = ADOPT
    return team.plane.admin.create(manifest)


def test_a_successor_that_asks_gets_url_and_secret(team: Team) -> None:
    """While nobody has them, no call is answered; afterwards nothing is retained, and a restart writes nothing."""
    plane = team.plane
    before, told = left_behind(team)
    url, signed = told["url"].decode(), github(told["secret"], b"{}")
    team.answers(404, url, b"{}", signed)
    adopting(team)
    after = team.ready("push", "Active")
    assert after["status"]["url"] == url
    assert team.connection("push") == told
    assert team.binding(before) is None
    plane.quiet()
    since = plane.mark()
    plane.restart_operator(signal.SIGTERM)
    plane.quiet()
    # The endpoints of earlier tests may be going meanwhile: theirs are other bindings.
    ours = {each["metadata"]["uid"] for each in (before, after)}
    assert [w for w in plane.writes(since) if w.namespace == team.namespace or w.name in ours] == []
    assert team.call(url, b"{}", signed).status == 200
    owner = plane.admin.get("Secret", team.namespace, "push-webhook")["metadata"]["ownerReferences"]
    assert [each["uid"] for each in owner] == [after["metadata"]["uid"]]


def test_a_successor_of_another_name_gets_them_too(team: Team) -> None:
    """What counts is the Secret that it names."""
    _, told = left_behind(team)
    adopting(team, "renamed")
    assert team.ready("renamed", "Active")["status"]["url"] == told["url"].decode()


def test_of_two_that_ask_for_it_one_gets_it_and_the_other_is_told_that_the_name_is_taken(team: Team) -> None:
    """Whatever is known to third parties goes on working."""
    _, told = left_behind(team)
    names = ("one", "two")
    for name in names:
        adopting(team, name)
    team.plane.wait(lambda: sorted(ready(team, name) for name in names) == ["Active", "SecretNameTaken"], "one to win")
    assert team.call(told["url"].decode(), b"{}", github(told["secret"], b"{}")).status == 200
    assert len({team.get(name)["status"]["url"] for name in names}) == len(names)


def ready(team: Team, name: str) -> str:
    """The reason of Ready, "" before there is one."""
    told = team.get(name)["status"].get("conditions", [])
    return next((each["reason"] for each in told if each["type"] == "Ready"), "")


def test_one_that_does_not_ask_is_told_that_the_name_is_taken(team: Team) -> None:
    """A Secret is never taken over silently; asked afterwards, it is adopted."""
    _, told = left_behind(team)
    team.create("push")
    found = team.until("push", "Ready", "False", "SecretNameTaken")
    assert found["status"].get("url") != told["url"].decode()
    assert team.connection("push") == told
    team.plane.admin.merge("WebhookEndpoint", team.namespace, "push", {"metadata": {"annotations": ADOPT}})
    assert team.ready("push", "Active")["status"]["url"] == told["url"].decode()


def test_what_another_namespace_left_cannot_be_had(teams: Callable[[], Team]) -> None:
    """Not even by whoever knows its uid and its Secret to the letter; the rightful successor is not disturbed."""
    ours, theirs = teams(), teams()
    before, told = left_behind(ours)
    copy = ours.plane.admin.get("Secret", ours.namespace, "push-webhook")
    theirs.plane.admin.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "push-webhook",
                "namespace": theirs.namespace,
                "annotations": copy["metadata"]["annotations"],
            },
            "data": encoded(told),
        }
    )
    assert copy["metadata"]["annotations"]["hookgate.dev/retained-from"] == before["metadata"]["uid"]
    adopting(theirs)
    found = theirs.until("push", "Ready", "False", "SecretNameTaken")
    assert found["status"].get("url") != told["url"].decode()
    assert theirs.call(told["url"].decode(), b"{}", github(told["secret"], b"{}")).status == 404
    adopting(ours)
    assert ours.ready("push", "Active")["status"]["url"] == told["url"].decode()


def test_a_secret_that_claims_to_be_left_behind_plants_nothing(team: Team) -> None:
    """Whoever may write Secrets but no bindings chooses neither path nor key."""
    team.plane.admin.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "push-webhook",
                "namespace": team.namespace,
                "annotations": {"hookgate.dev/retained-from": "00000000-0000-4000-8000-000000000000"},
            },
            "data": encoded({"url": b"https://hooks.example.com/h/" + b"a" * 32, "secret": b"planted"}),
        }
    )
    adopting(team)
    found = team.until("push", "Ready", "False", "SecretNameTaken")
    assert "a" * 32 not in str(found["status"])

"""Who may do what, by the roles that are shipped: asked of the real authorizer, and tried."""

from __future__ import annotations

import json

import pytest
import yaml

from hookgate.cli.main import main
from tests.cluster.plane import SYSTEM
from tests.cluster.team import Team
from tests.manifests.render import BASE, find, render

EDITOR, VIEWER, BUILT_IN = "editor", "viewer", "built-in-editor"


@pytest.fixture
def people(team: Team) -> Team:
    """A team with one who configures, one who looks, and one with the built-in role `edit`."""
    cluster = team.plane.cluster
    endpoints = "webhookendpoints.hookgate.dev"
    for who, role, what in (
        (EDITOR, "hookgate-edit", endpoints),
        (VIEWER, "hookgate-view", endpoints),
        (BUILT_IN, "edit", "secrets"),
    ):
        cluster.kubectl("create", "rolebinding", who, f"--clusterrole={role}", f"--user={who}", "-n", team.namespace)
        cluster.until_allowed(who, "get", what, team.namespace)
    return team


def may(team: Team, who: str, verb: str, what: str, *options: str) -> bool:
    """What the authorizer answers: ``kubectl auth can-i``."""
    return team.plane.cluster.may(who, verb, what, *options, f"--namespace={team.namespace}")


def tried(team: Team, who: str, *command: str) -> str:
    """What the API server says to somebody who tries, "" where it does what it is told."""
    done = team.plane.cluster.kubectl(*command, f"--as={who}", f"--namespace={team.namespace}", check=False)
    return done.stderr if done.returncode else ""


def test_an_editor_configures_endpoints_and_reads_no_secret(people: Team) -> None:
    """These are two rights: for the one, the other is not needed."""
    people.created("push")
    assert all(may(people, EDITOR, verb, "webhookendpoints.hookgate.dev") for verb in ("create", "patch", "delete"))
    change = ("patch", "webhookendpoint", "push", "--type=merge", "-p", '{"spec":{"state":"inactive"}}')
    assert tried(people, EDITOR, *change) == ""
    people.ready("push", "Inactive")
    assert not may(people, EDITOR, "get", "secrets")
    assert "forbidden" in tried(people, EDITOR, "get", "secret", "push-webhook")


def test_an_editor_writes_no_status(people: Team) -> None:
    """What the status says, the operator has said."""
    people.created("push")
    assert not may(people, EDITOR, "patch", "webhookendpoints.hookgate.dev", "--subresource=status")
    change = (
        "patch",
        "webhookendpoint",
        "push",
        "--subresource=status",
        "--type=merge",
        "-p",
        '{"status":{"url":"x"}}',
    )
    assert "forbidden" in tried(people, EDITOR, *change)


def test_a_viewer_sees_endpoints_and_changes_none(people: Team) -> None:
    people.created("push")
    assert tried(people, VIEWER, "get", "webhookendpoint", "push") == ""
    assert "forbidden" in tried(people, VIEWER, "delete", "webhookendpoint", "push")
    assert "forbidden" in tried(people, VIEWER, "get", "secret", "push-webhook")


def test_the_built_in_role_edit_reads_every_secret_and_no_endpoint(people: Team) -> None:
    """As the README says: it is for whom the namespace's Secrets are no secret."""
    people.created("push")
    assert tried(people, BUILT_IN, "get", "secret", "push-webhook") == ""
    assert not may(people, BUILT_IN, "get", "webhookendpoints.hookgate.dev")


def test_a_printed_role_reads_just_these_connection_secrets(people: Team, capsys: pytest.CaptureFixture[str]) -> None:
    """Applied as printed, for whoever is named in it."""
    for name in ("push", "release", "other"):
        people.created(name)
    cluster = people.plane.cluster
    arguments = ("push", "release", "-n", people.namespace, "--user=reader", "--serviceaccount=ci:deployer")
    assert main(["rbac", *arguments, "--kubeconfig", str(cluster.admin_kubeconfig)]) == 0
    printed = capsys.readouterr().out
    assert tried(people, "reader", "get", "secret", "push-webhook") != ""
    cluster.apply(printed)
    for who in ("reader", "system:serviceaccount:ci:deployer"):
        cluster.until_allowed(who, "get", "secrets/push-webhook", people.namespace)
        assert tried(people, who, "get", "secret", "push-webhook") == ""
        assert tried(people, who, "get", "secret", "release-webhook") == ""
        assert "forbidden" in tried(people, who, "get", "secret", "other-webhook")
        assert "forbidden" in tried(people, who, "get", "secrets")
        assert "forbidden" in tried(people, who, "delete", "secret", "push-webhook")
        assert "forbidden" in tried(people, who, "get", "webhookendpoint", "push")


def test_a_printed_role_never_names_somebody_elses_secret(people: Team, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever declares endpoints could otherwise have the role for any Secret of the namespace printed."""
    people.give_secret("database", b"hunter2", labelled=False)
    people.create("thief", secretName="database")
    people.until("thief", "Ready", "False", "SecretNameTaken")
    kubeconfig = str(people.plane.cluster.admin_kubeconfig)
    assert main(["rbac", "thief", "-n", people.namespace, "--kubeconfig", kubeconfig]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{people.namespace}/thief: has no connection Secret now" in captured.err


def test_a_role_for_an_endpoint_that_is_not_there_is_not_printed(
    team: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = str(team.plane.cluster.admin_kubeconfig)
    assert main(["rbac", "nobody", "-n", team.namespace, "--kubeconfig", kubeconfig]) == 1
    assert "nobody" in capsys.readouterr().err


def test_without_a_subject_there_is_a_role_and_no_binding(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    team.created("push")
    kubeconfig = str(team.plane.cluster.admin_kubeconfig)
    assert main(["rbac", "push", "-n", team.namespace, "--role=readers", "--kubeconfig", kubeconfig]) == 0
    (role,) = yaml.safe_load_all(capsys.readouterr().out)
    assert (role["kind"], role["metadata"]) == ("Role", {"name": "readers", "namespace": team.namespace})
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["push-webhook"], "verbs": ["get"]}
    ]


def test_nobody_but_the_two_planes_has_rights_where_the_keys_are(people: Team) -> None:
    """Not by any role that is shipped."""
    review = people.plane.cluster.kubectl("get", "rolebindings", "-n", "hookgate-bindings", "-o", "json")
    bound = {
        (subject["kind"], subject["namespace"], subject["name"])
        for binding in json.loads(review.stdout)["items"]
        for subject in binding["subjects"]
    }
    assert bound == {("ServiceAccount", SYSTEM, f"hookgate-{plane}") for plane in ("operator", "receiver")}
    assert find(render(BASE), "ClusterRole", "hookgate-view")["rules"][0]["resources"] == ["webhookendpoints"]

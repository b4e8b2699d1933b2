"""The command line against a real API server: look, send, change, and leave alone what Git owns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hookgate.cli.main import main
from tests.cluster.calls import github
from tests.cluster.plane import HOST, SYSTEM
from tests.cluster.team import Team

Run = Callable[..., tuple[int, str, str]]
BODY = b'{"ref": "main"}'


@pytest.fixture(name="run")
def _run(team: Team, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command as the administrator, in the team's namespace; returns exit code and both outputs."""

    def run(*arguments: str, kubeconfig: Path = team.plane.cluster.admin_kubeconfig) -> tuple[int, str, str]:
        code = main([*arguments, "-n", team.namespace, "--kubeconfig", str(kubeconfig)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(name="body")
def _body(tmp_path: Path) -> str:
    """A file with a body to send."""
    (tmp_path / "body.json").write_bytes(BODY)
    return str(tmp_path / "body.json")


def test_get_url_and_secret_tell_what_the_sender_needs(run: Run, team: Team) -> None:
    """As a table, as objects, and one value at a time."""
    endpoint = team.created("push")
    url = endpoint["status"]["url"]
    assert run("get")[1].splitlines()[1].split() == [
        team.namespace, "push", "active", "True", "Active", "X-Hub-Signature-256", url,
    ]  # fmt: skip
    assert json.loads(run("get", "push", "-o", "json")[1]) == team.get("push")
    assert run("url", "push") == (0, f"{url}\n", "")
    assert run("secret", "push") == (0, team.connection("push")["secret"].decode() + "\n", "")
    assert run("get", "nobody")[0] == 1


def test_send_goes_the_way_of_a_call(run: Run, team: Team, body: str) -> None:
    """Through a port-forward, since the test's host has no address; spoiled, it is refused."""
    team.created("push")
    via = ("--via", f"http://127.0.0.1:{team.plane.public}")
    assert run("send", "push", "--data", body, *via)[0] == 0
    assert run("send", "push", "--data", body, "--tamper", *via)[1].startswith("401 ")
    assert [each.body for each in team.target.at(f"/{team.namespace}/push")] == [BODY]


def test_send_signs_with_a_referenced_secret(run: Run, team: Team, body: str) -> None:
    """The team's own, wherever the endpoint says."""
    team.give_secret("own", b"a secret of the team's own\n", key="value")
    auth = {"type": "hmac", "provider": "github", "secret": {"ref": {"name": "own", "key": "value"}}}
    team.created("push", auth=auth)
    assert run("send", "push", "--data", body, "--via", f"http://127.0.0.1:{team.plane.public}")[0] == 0


def test_activate_and_deactivate_wait_until_it_is_so(run: Run, team: Team) -> None:
    """The change is in the object and confirmed when the command returns; the URL stays."""
    url = team.created("push")["status"]["url"]
    assert run("deactivate", "push", "--yes") == (0, f"{team.namespace}/push is inactive\n", "")
    assert team.call(url, BODY).status == 503
    code, out, _ = run("activate", "push")
    assert (code, out) == (0, f"{team.namespace}/push is active\nURL:    {url}\nHeader: X-Hub-Signature-256\n")
    assert team.call(url, BODY).status == 401
    assert run("deconfigure", "push", "--yes")[0] == 0
    assert (team.call(url, BODY).status, team.secret("push-webhook")) == (404, None)


def test_a_first_activation_prints_the_new_url(run: Run, team: Team) -> None:
    """Which did not exist before."""
    team.created("push", state="inactive")
    assert run("url", "push")[0] == 1
    code, out, _ = run("activate", "push")
    assert code == 0
    assert f"URL:    https://{HOST}/h/" in out


def test_what_git_owns_is_not_changed_but_told(run: Run, team: Team) -> None:
    """Exit code 3, and the change to make there."""
    team.created("push")
    marks = {"annotations": {"argocd.argoproj.io/tracking-id": "hooks:hookgate.dev/WebhookEndpoint:a/push"}}
    team.plane.admin.merge("WebhookEndpoint", team.namespace, "push", {"metadata": marks})
    code, out, errors = run("deactivate", "push", "--yes")
    assert (code, out) == (3, "")
    assert errors == (
        f"hookgate: {team.namespace}/push: not changed, because the Argo CD application hooks would put it back; "
        "change it in Git:\n\nspec:\n  state: inactive\n"
    )
    assert team.get("push")["spec"]["state"] == "active"


def test_rotate_makes_a_new_secret_and_says_so_when_receivers_have_it(run: Run, team: Team) -> None:
    """The former one works on, as long as the endpoint says; Git's declaration is not touched."""
    url = team.created("push")["status"]["url"]
    marks = {"annotations": {"argocd.argoproj.io/tracking-id": "hooks:hookgate.dev/WebhookEndpoint:a/push"}}
    declared = team.plane.admin.merge("WebhookEndpoint", team.namespace, "push", {"metadata": marks})["spec"]
    before = team.connection("push")["secret"]
    assert run("rotate", "push")[0] == 2
    code, out, _ = run("rotate", "push", "--yes")
    assert (code, out.splitlines()[0]) == (
        0, f"{team.namespace}/push has a new secret; the former one works for 86400 s more",
    )  # fmt: skip
    after = team.connection("push")["secret"]
    assert after != before
    assert [team.call(url, BODY, github(key, BODY)).status for key in (before, after)] == [200, 200]
    assert team.get("push")["spec"] == declared
    assert run("rotate", "push", "--yes")[0] == 0
    assert team.connection("push")["secret"] not in (before, after)


def test_rotate_makes_a_new_url(run: Run, team: Team) -> None:
    """Both lead to the endpoint until the overlap is over."""
    url = team.created("push")["status"]["url"]
    code, out, _ = run("rotate", "push", "--url", "--yes")
    new = team.get("push")["status"]["url"]
    assert (code, out.splitlines()[1]) == (0, f"URL:    {new}")
    assert new != url
    signed = github(team.connection("push")["secret"], BODY)
    assert [team.call(each, BODY, signed).status for each in (url, new)] == [200, 200]


def test_a_new_url_is_asked_for_in_git_where_git_owns_the_endpoint(run: Run, team: Team) -> None:
    """It is declared in the spec, which the tool would put back; so is an annotation that stands in Git."""
    url = team.created("push")["status"]["url"]
    marks = {"labels": {"kustomize.toolkit.fluxcd.io/name": "hooks"}, "annotations": {"hookgate.dev/rotate": "1"}}
    team.plane.admin.merge("WebhookEndpoint", team.namespace, "push", {"metadata": marks})
    team.ready("push")
    code, _, errors = run("rotate", "push", "--url", "--yes")
    assert (code, errors.splitlines()[-3:-1]) == (3, ["spec:", "  exposure:"])
    code, _, errors = run("rotate", "push", "--yes")
    assert (code, errors.splitlines()[-3:-1]) == (3, ["metadata:", "  annotations:"])
    assert team.get("push")["status"]["url"] == url


def test_an_activation_that_is_refused_says_why(run: Run, team: Team) -> None:
    """At once, since waiting would not help."""
    team.create("push", state="inactive", exposure={"host": "nobodys.example.com"})
    code, _, errors = run("activate", "push")
    assert code == 1
    assert errors.startswith(f"hookgate: {team.namespace}/push: HostNotAllowed: spec.exposure.host: ")


def test_missing_rights_are_told(run: Run, team: Team) -> None:
    """The receiver's account may read bindings and nothing else."""
    receiver = team.plane.cluster.kubeconfig_for(SYSTEM, "hookgate-receiver")
    code, _, errors = run("get", kubeconfig=receiver)
    assert code == 1
    assert "you may not do this there" in errors


def test_status_tells_who_leads_what_runs_and_how_endpoints_are(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    """Pods are stored and never run here: no operator counts as ready, although one leads."""
    plane = team.plane
    team.created("push")
    team.create("idle", target={"service": {"name": "none", "port": 80}})
    team.until("idle", "Ready", "False", "TargetNotFound")
    code = main(["status", "--kubeconfig", str(plane.cluster.admin_kubeconfig)])
    said = capsys.readouterr().out.splitlines()
    holder = plane.admin.get("Lease", SYSTEM, "hookgate-operator")["spec"]["holderIdentity"]
    assert (code, said[0], said[1]) == (1, f"leader:     {holder}", "operator:   0 of 2 ready")
    assert said[2].startswith("receivers:  no Deployment")
    counted = [line.split(maxsplit=1) for line in said[4:]]
    assert {reason for _, reason in counted} >= {"Active", "TargetNotFound (not ready)"}
    assert said[3] == f"endpoints:  {sum(int(number) for number, _ in counted)}"


def test_an_api_server_that_is_away_is_told(run: Run, team: Team, tmp_path: Path) -> None:
    """Exit code 4."""
    away = tmp_path / "kubeconfig"
    text = team.plane.cluster.admin_kubeconfig.read_text()
    away.write_text(text.replace(team.plane.cluster.url, "https://127.0.0.1:9"))
    code, _, errors = run("get", kubeconfig=away)
    assert code == 4
    assert "the cluster does not answer" in errors

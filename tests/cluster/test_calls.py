"""Calls as people see them on a real API server: in the status, as metrics, explained; and never more than is safe."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hookgate.cli.main import main
from tests.cluster.calls import github
from tests.cluster.plane import SYSTEM, Plane
from tests.cluster.team import Object, Team

BODY = b'{"ref": "canary-in-the-body"}'
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(name="run")
def _run(team: Team, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in the team's namespace; returns exit code and both outputs."""

    def run(*arguments: str, kubeconfig: Path = team.plane.cluster.admin_kubeconfig) -> tuple[int, str, str]:
        code = main([*arguments, "-n", team.namespace, "--kubeconfig", str(kubeconfig)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def asked(port: int, method: str, path: str, question: object = None) -> str:
    """Ask a private port or the operator's probes."""
    caller = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        caller.request(method, path, body=None if question is None else json.dumps(question))
        answer = caller.getresponse()
        assert answer.status == 200, path
        return answer.read().decode()
    finally:
        caller.close()


def value(text: str, metric: str, **labels: str) -> float:
    """Sum up the samples of a metric that have these labels."""
    samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
    return sum(s.value for s in samples if s.name == metric and labels.items() <= s.labels.items())


def told_of_calls(team: Team, name: str) -> Mapping[str, Any]:
    """Wait until an endpoint's status tells of calls, and return what it tells."""
    team.plane.wait(lambda: "calls" in team.get(name)["status"], "the status to tell of calls", seconds=60)
    found: Mapping[str, Any] = team.get(name)["status"]["calls"]
    return found


def called(team: Team, name: str) -> Object:
    """Make an endpoint, call it well once and ill twice, and return it as it was before."""
    endpoint = team.created(name)
    url, secret = endpoint["status"]["url"], team.connection(name)["secret"]
    assert team.call(url, BODY, github(secret, BODY)).status == 200
    assert team.call(url, BODY, github(b"another", BODY)).status == 401
    assert team.call(url, BODY, {"X-Hub-Signature-256": "canary-in-a-header"}).status == 401
    return endpoint


def test_the_status_tells_of_calls_once_and_is_left_alone_then(team: Team) -> None:
    """Soon after the first ones; further calls within five minutes write nothing, and neither does rest."""
    url = called(team, "push")["status"]["url"]
    told = told_of_calls(team, "push")
    assert (told["accepted"], told["refused"], told["lastRefused"]["reason"]) == (1, 2, "wrong-prefix")
    team.plane.quiet()
    since, version = team.plane.mark(), team.get("push")["metadata"]["resourceVersion"]
    assert team.call(url, BODY).status == 401
    assert team.plane.restart_operator(signal.SIGTERM) == 0  # the new one asks receivers as soon as it leads
    team.plane.quiet(3.0)
    assert team.get("push")["metadata"]["resourceVersion"] == version
    assert [each for each in team.plane.writes(since) if each.namespace == team.namespace] == []


def test_while_two_secrets_verify_the_status_tells_which_one_is_used(team: Team) -> None:
    """The old one goes on being used until the sender is given the new one."""
    url, old = team.created("push")["status"]["url"], team.connection("push")["secret"]
    secret = {"secret": {"rotate": "1", "overlap": "1h"}}
    team.patched("push", auth={"type": "hmac", "provider": "github", **secret})
    assert team.call(url, BODY, github(old, BODY)).status == 200
    told_of_calls(team, "push")
    current, previous = team.get("push")["status"]["keys"]
    assert ("lastUsed" in current, "expires" in current) == (False, False)
    assert ("lastUsed" in previous, "expires" in previous) == (True, True)


def test_metrics_tell_of_calls_and_of_the_operators_work(team: Team, plane: Plane) -> None:
    """Both planes, each on its own port."""
    called(team, "push")
    place = {"namespace": team.namespace, "name": "push"}
    receiver, operator = asked(plane.private, "GET", "/metrics"), asked(plane.health, "GET", "/metrics")
    outcomes = ("accepted", "wrong-credential", "wrong-prefix")
    metric = "hookgate_receiver_calls_total"
    assert [value(receiver, metric, **place, outcome=outcome) for outcome in outcomes] == [1, 1, 1]
    assert value(operator, "hookgate_operator_endpoints", ready="True", reason="Active") >= 1
    assert value(operator, "hookgate_operator_writes_total", verb="create", kind="Secret") >= 2
    assert value(operator, "hookgate_operator_reconciles_total") >= 1
    team.delete("push")
    team.gone("push")
    assert value(asked(plane.private, "GET", "/metrics"), metric, **place) == 0


def test_no_secret_url_or_word_of_a_call_is_told_anywhere(team: Team, plane: Plane) -> None:
    """Looked for in metrics, in what the private port tells, in both logs and in the status."""
    endpoint = called(team, "push")
    uid, secret = endpoint["metadata"]["uid"], team.connection("push")["secret"].decode()
    told_of_calls(team, "push")
    everything = [
        asked(plane.private, "GET", "/metrics"),
        asked(plane.health, "GET", "/metrics"),
        asked(plane.private, "POST", "/calls", [uid]),
        asked(plane.private, "POST", "/refusals", uid),
        plane.operator_log(),
        plane.receiver_log(),
        json.dumps(team.get("push")["status"]["calls"]),
    ]
    assert "wrong-credential" in everything[3]
    words = ("canary", secret, urlsplit(endpoint["status"]["url"]).path.rpartition("/")[2])
    assert [word for word in words if word in "".join(everything)] == []


def test_explain_tells_what_the_status_tells_where_no_receiver_can_be_asked(run: Run, team: Team) -> None:
    """Here they are no pods; and a tenant who may only look is told that it lacks the right."""
    called(team, "push")
    told_of_calls(team, "push")
    code, out, errors = run("explain", "push")
    assert (code, out.splitlines()[0].split(", as of")[0]) == (0, f"{team.namespace}/push: 1 accepted, 2 refused")
    assert "wrong-prefix (the last one)" in out
    assert errors.startswith(f"hookgate: no receiver is ready in {SYSTEM}, or they run elsewhere")
    team.plane.cluster.kubectl("create", "serviceaccount", "looker", "-n", team.namespace)
    account = f"--serviceaccount={team.namespace}:looker"
    binding = ("create", "rolebinding", "looker", "--clusterrole=hookgate-view", account, "-n", team.namespace)
    team.plane.cluster.kubectl(*binding)
    user = f"system:serviceaccount:{team.namespace}:looker"
    team.plane.cluster.until_allowed(user, "get", "webhookendpoints.hookgate.dev", team.namespace)
    looker = team.plane.cluster.kubeconfig_for(team.namespace, "looker")
    code, out, errors = run("explain", "push", kubeconfig=looker)
    assert (code, errors.split(";")[0]) == (0, f"hookgate: you may not list pods in {SYSTEM}")
    assert "wrong-prefix (the last one)" in out

"""An operator for some namespaces, installed as `manifests/namespaced` ships it: at work there, and nowhere else.

What it asks the API server for is read from the server's audit log; what it could do, the authorizer says.
"""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import binaries
from tests.cluster.calls import github
from tests.cluster.controlplane import ControlPlane
from tests.cluster.fixtures import aloud, refuse
from tests.cluster.plane import BINDINGS, OPERATOR_USER, SYSTEM, Plane, audited, configuration, installed
from tests.cluster.processes import free_port
from tests.cluster.rest import Rest
from tests.cluster.target import Target
from tests.cluster.team import Team, encoded
from tests.manifests.render import ROOT, find, render

REFUSED = "team-b: list WebhookEndpoint team-b: 403 Forbidden"
OURS, FOREIGN = ("team-a", "team-b"), "team-c"


@pytest.fixture(scope="module")
def tenants(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, target: Target
) -> Iterator[dict[str, Team]]:
    """Teams in the namespaces that the overlay names, and in one that it does not."""
    folder = tmp_path_factory.mktemp("tenants")
    try:
        found = binaries.locate(say=aloud(pytestconfig))
    except binaries.Unavailable as reason:
        refuse(pytestconfig, str(reason))
    with ControlPlane(folder, binaries=found, apiserver_flags=audited(folder)) as cluster:
        for name in (*OURS, FOREIGN):
            cluster.kubectl("create", "namespace", name)
        installed(cluster, "namespaced")
        ports = [free_port() for _ in range(3)]
        offered = configuration(target.url, [ports[1]])
        offered["hosts"] = [{**host, "namespaces": ["team-*"]} for host in offered["hosts"]]
        offered["targets"]["urls"][0]["namespaces"] = ["team-*"]
        plane = Plane(folder, cluster, offered, ports, (*shipped_options(), "--resync", "1"))
        try:
            plane.start()
            yield {name: Team(plane, target, name) for name in (*OURS, FOREIGN)}
        finally:
            plane.stop()


@pytest.fixture
def plane(tenants: dict[str, Team]) -> Iterator[Plane]:
    """The installation; what a test did to rights and processes is undone."""
    plane = tenants["team-a"].plane
    yield plane
    plane.cluster.apply([each for each in render(ROOT / "manifests" / "namespaced") if bound_in(each) in OURS])
    plane.restore()


def shipped_options() -> tuple[str, ...]:
    """The options that the overlay adds to the operator's."""
    deployment = find(render(ROOT / "manifests" / "namespaced"), "Deployment", "hookgate-operator", SYSTEM)
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return tuple(each for each in arguments if each.startswith("--namespaces="))


def bound_in(obj: dict[str, Any]) -> str | None:
    """The namespace of a RoleBinding, None for anything else."""
    return obj["metadata"]["namespace"] if obj["kind"] == "RoleBinding" else None


def asked(plane: Plane, since: int) -> list[dict[str, Any]]:
    """Every request of the operator since a mark, reads included, without what clients ask to find their way."""
    told = plane.requests(since)
    return [each for each in told if each["user"]["username"] == OPERATOR_USER and "objectRef" in each]


def may(plane: Plane, verb: str, resource: str, *place: str) -> bool:
    """Whether the authorizer lets the operator do this."""
    return plane.cluster.may(OPERATOR_USER, verb, resource, *place)


def test_in_its_namespaces_it_does_all_that_it_does(tenants: dict[str, Team], plane: Plane) -> None:
    """From creation to deletion, referenced Secrets and drift included, without one refused request."""
    since = plane.mark()
    for name in OURS:
        team = tenants[name]
        team.give_secret("own", b"a value of the team's own")
        team.created("own", auth={"type": "hmac", "provider": "github", "secret": {"ref": {"name": "own"}}})
        url = team.created("push")["status"]["url"]
        before = team.connection("push")
        assert team.call(url, b"{}", github(before["secret"], b"{}")).status == 200
        plane.admin.delete("Secret", name, "push-webhook")
        plane.wait(lambda team=team: team.secret("push-webhook") is not None, "the connection Secret")  # type: ignore[misc]
        assert team.connection("push") == before
        for endpoint in ("own", "push"):
            team.delete(endpoint)
            team.gone(endpoint)
        plane.admin.delete("Secret", name, "own")
    assert [(e["verb"], e["objectRef"]) for e in asked(plane, since) if e["responseStatus"]["code"] == 403] == []


def test_elsewhere_it_neither_looks_nor_touches(tenants: dict[str, Team], plane: Plane) -> None:
    """An endpoint there stays as its user made it, whatever is listed again and whoever starts anew."""
    since, foreign = plane.mark(), tenants[FOREIGN]
    made = foreign.create("push")
    plane.restart_operator(signal.SIGTERM)
    tenants["team-a"].created("sentinel")
    plane.wait(lambda: lists(plane, since) > 3 * len(OURS), "everything to be listed again")
    assert foreign.get("push") == made
    assert foreign.secret("push-webhook") is None
    refs = [each["objectRef"] for each in asked(plane, since)]
    assert {ref["namespace"] for ref in refs if "namespace" in ref} == {*OURS, SYSTEM, BINDINGS}
    assert {ref["resource"] for ref in refs if "namespace" not in ref} <= {"ingressclasses"}
    foreign.delete("push")
    tenants["team-a"].delete("sentinel")


def lists(plane: Plane, since: int) -> int:
    """How often endpoints were listed."""
    return sum(e["verb"] == "list" and e["objectRef"]["resource"] == "webhookendpoints" for e in asked(plane, since))


def test_its_rights_end_at_its_namespaces(tenants: dict[str, Team], plane: Plane) -> None:
    """The authorizer says so, and the server refuses what is asked for all the same."""
    verbs = ("get", "list", "watch", "create", "update", "patch", "delete")
    everywhere = [("--namespace", FOREIGN), ("--namespace", "kube-system"), ("--all-namespaces",)]
    assert [v for v in verbs for place in everywhere if may(plane, v, "secrets", *place)] == []
    assert [v for v in verbs if not may(plane, v, "secrets", "--namespace", "team-b")] == []
    tenants[FOREIGN].give_secret("theirs", b"not for the operator")
    token = plane.cluster.token_for(SYSTEM, "hookgate-operator")
    operator = Rest(plane.cluster.url, str(plane.cluster.ca_file), token)
    for path in (f"/api/v1/namespaces/{FOREIGN}/secrets/theirs", f"/api/v1/namespaces/{FOREIGN}/secrets"):
        assert operator.send("GET", path).status == 403
    assert operator.send("GET", "/api/v1/secrets").status == 403
    assert operator.send("GET", "/apis/hookgate.dev/v1alpha1/webhookendpoints").status == 403


def test_a_namespace_of_its_own_can_be_deleted_with_endpoints_in_it(
    tenants: dict[str, Team], plane: Plane, target: Target
) -> None:
    """Although that takes its rights there away at any moment: nothing is left, and the others are served on."""
    kept = tenants["team-a"].created("kept")
    for _ in range(3):
        team = tenants["team-b"]
        lost = [team.created(f"push-{i}") for i in range(3)] + [team.created("retained", deletionPolicy="Retain")]
        plane.cluster.kubectl("delete", "namespace", "team-b", "--wait=false")
        plane.wait(lambda: not plane.cluster.exists("namespace", "team-b"), "the namespace to be gone", seconds=60)
        for endpoint in lost[:3]:
            assert (team.binding(endpoint), team.route(endpoint)) == (None, None)
        plane.cluster.kubectl("create", "namespace", "team-b")
        plane.cluster.apply([each for each in render(ROOT / "manifests" / "namespaced") if bound_in(each) == "team-b"])
    secret = tenants["team-a"].connection("kept")["secret"]
    assert tenants["team-a"].call(kept["status"]["url"], b"{}", github(secret, b"{}")).status == 200
    assert tenants["team-b"].created("again")["status"]["url"]
    for namespace, name in (("team-a", "kept"), ("team-b", "again")):
        tenants[namespace].delete(name)
        tenants[namespace].gone(name)


@pytest.mark.parametrize("restarted", [True, False], ids=["operator restarts", "watches are cut"])
def test_where_its_rights_are_taken_away_nothing_changes_until_they_are_back(
    tenants: dict[str, Team], plane: Plane, restarted: bool
) -> None:
    """Calls are judged as before, the other namespaces are worked on, and nothing is concluded from seeing nothing."""
    ours, theirs = tenants["team-a"], tenants["team-b"]
    theirs.give_secret("own", b"a value of the team's own")
    own = {"type": "hmac", "provider": "github", "secret": {"ref": {"name": "own"}}}
    before = theirs.created("push", auth=own)
    plane.cluster.kubectl("delete", "rolebinding", "hookgate-operator", "--namespace", "team-b")
    said = plane.operator_log().count(REFUSED)
    if restarted:
        plane.restart_operator(signal.SIGTERM)
    else:
        plane.cluster.expire_watches()
    # Where a watch was cut, kopf tries it six times over 18 s before it tells.
    plane.wait(lambda: plane.operator_log().count(REFUSED) > said, "a word about it", seconds=120)
    ours.created("push")
    theirs.patch("push", state="inactive")
    assert theirs.call(before["status"]["url"], b"{}", github(b"a value of the team's own", b"{}")).status == 200
    assert theirs.binding(before) is not None
    assert theirs.route(before) is not None

    pid = plane.operator.pid
    plane.cluster.apply([each for each in render(ROOT / "manifests" / "namespaced") if bound_in(each) == "team-b"])
    plane.wait(lambda: theirs.get("push")["status"]["observedGeneration"] == 2, "the change to be seen", seconds=60)
    theirs.ready("push", "Inactive")
    assert plane.operator.pid == pid
    for team in (ours, theirs):
        team.delete("push")
        team.gone("push")
    plane.admin.delete("Secret", "team-b", "own")


def test_orphans_are_judged_only_where_endpoints_were_listed(tenants: dict[str, Team], plane: Plane) -> None:
    """What an endpoint of its namespaces left is swept up; a binding of another namespace is not its to judge."""
    team = tenants["team-a"]
    endpoint = team.created("push")
    binding = team.binding(endpoint)
    assert binding is not None
    foreign = planted(binding, FOREIGN)
    plane.admin.create(foreign)
    plane.operator.end(signal.SIGTERM)
    plane.admin.merge("WebhookEndpoint", "team-a", "push", {"metadata": {"finalizers": None}})
    team.delete("push")
    team.gone("push")
    plane.start()
    plane.wait(lambda: team.binding(endpoint) is None, "the orphan to be swept up")
    since = plane.mark()
    plane.wait(lambda: lists(plane, since) > 2 * len(OURS), "another look at everything")
    assert plane.admin.find("Secret", BINDINGS, foreign["metadata"]["name"]) is not None
    plane.admin.delete("Secret", BINDINGS, foreign["metadata"]["name"])


def planted(binding: dict[str, Any], namespace: str) -> dict[str, Any]:
    """A binding like this one, of an endpoint in another namespace that nobody knows."""
    uid = "00000000-0000-4000-8000-000000000000"
    document = json.loads(base64.b64decode(binding["data"]["binding"]))
    document |= {"uid": uid, "namespace": namespace, "path": "a" * 32}
    labels = {**binding["metadata"]["labels"], "hookgate.dev/endpoint-uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": binding["type"],
        "metadata": {"name": uid, "namespace": BINDINGS, "labels": labels},
        "data": encoded({"binding": json.dumps(document).encode()}),
    }


def test_without_rights_in_any_namespace_it_says_so_and_ends(plane: Plane) -> None:
    """One line, with what to apply."""
    for name in OURS:
        plane.cluster.kubectl("delete", "rolebinding", "hookgate-operator", "--namespace", name)
    kubeconfig = plane.cluster.kubeconfig_for(SYSTEM, "hookgate-operator")
    program = plane.operator_with("refused", plane.config_file, kubeconfig)
    program.start()
    assert program.exit_code() == 1
    last = program.log.read_text().splitlines()[-1]
    assert last == "hookgate: no permission to list endpoints in any of team-a, team-b, see manifests/namespaced"

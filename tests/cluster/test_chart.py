"""The chart on a real API server: taken without a word, installed, upgraded, removed without a trace.

There is no node. Where the chart starts a Job, the test does what the Job says, with the rights of its account.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hookgate.cli.main import main
from tests.cluster import binaries
from tests.cluster.calls import github
from tests.cluster.cluster import Cluster
from tests.cluster.controlplane import ControlPlane
from tests.cluster.definitions import definitions
from tests.cluster.fixtures import aloud, refuse
from tests.cluster.plane import BINDINGS, GATEWAY_HOST, HOST, SYSTEM, Plane, audited, configuration
from tests.cluster.processes import free_port, wait_until
from tests.cluster.target import Target
from tests.cluster.team import Team
from tests.cluster.test_manifests import RESTRICTED, at_home_in, pod, try_out
from tests.cluster.test_uninstall import objects_of_receivers
from tests.manifests.chart import CHART, helm, is_hook, program, template
from tests.manifests.render import ROOT, of_kind, pod_templates

#: Every release that this one can replace.
PREVIOUS = sorted((ROOT / "tests" / "manifests" / "previous").glob("hookgate-*.tgz"))
OPTIONS = ("--namespace", SYSTEM, "--set-json", f'config.hosts=[{{"name":"{HOST}","exposure":"ingress"}}]')

TEAM = "test-team"
UNINSTALLER = f"system:serviceaccount:{SYSTEM}:hookgate-uninstall"
Right = tuple[str, str, str]

#: What makes every optional object.
EVERYTHING: dict[str, Any] = {
    "networkPolicy.enabled": True,
    "prometheus.servicemonitor.enabled": True,
    "prometheus.rules.enabled": True,
    "config.hosts": [{"name": HOST, "exposure": "ingress", "namespaces": ["team-a"]}],
    "config.targets": {"urls": [{"prefix": "https://ci.example.com:8443", "namespaces": ["team-a"]}]},
}


@pytest.fixture(autouse=True)
def _helm(pytestconfig: pytest.Config) -> None:
    try:
        program()
    except binaries.Unavailable as reason:
        refuse(pytestconfig, str(reason))


@pytest.fixture
def cluster(pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[ControlPlane]:
    """An API server of this test alone: a chart has objects that are there once in a cluster."""
    try:
        found = binaries.locate(say=aloud(pytestconfig))
        gateway = binaries.gateway_crds(say=aloud(pytestconfig))
    except binaries.Unavailable as reason:
        refuse(pytestconfig, str(reason))
    flags = audited(tmp_path)
    policy = tmp_path / "audit-policy.yaml"
    rules = yaml.safe_load(policy.read_text())
    rules["rules"][0]["users"].append(UNINSTALLER)
    policy.write_text(yaml.safe_dump(rules))
    with ControlPlane(tmp_path, binaries=found, apiserver_flags=flags) as plane:
        plane.install_crds(gateway)
        plane.kubectl("create", "namespace", TEAM)
        yield plane


def done(cluster: Cluster, *arguments: str | Path) -> str:
    """Run helm on the cluster and return what it prints."""
    ran = helm(*arguments, kubeconfig=cluster.admin_kubeconfig)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def everything_of_ours(cluster: Cluster) -> list[str]:
    """Every object in our namespaces and every one elsewhere that has our name, but for those that Kubernetes makes."""
    kinds = cluster.kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name").stdout.split()
    skipped = {"events", "events.events.k8s.io", "endpoints", "localsubjectaccessreviews.authorization.k8s.io"}
    inside = ",".join(sorted(set(kinds) - skipped))
    found: list[str] = []
    for namespace in (SYSTEM, BINDINGS):
        listed = cluster.kubectl("get", inside, f"--namespace={namespace}", "-o", "name").stdout.split()
        found += [f"{namespace}: {name}" for name in listed]
    outside = "clusterroles,clusterrolebindings,customresourcedefinitions"
    found += [name for name in cluster.kubectl("get", outside, "-o", "name").stdout.split() if "hookgate" in name]
    return [name for name in found if not name.endswith(("configmap/kube-root-ca.crt", "serviceaccount/default"))]


@contextlib.contextmanager
def serving(cluster: ControlPlane, folder: Path, target: Target, *options: str) -> Iterator[Team]:
    """A team whose endpoints an operator with the chart's rights looks after."""
    ports = [free_port() for _ in range(3)]
    plane = Plane(folder, cluster, configuration(target.url, [ports[1]]), ports, options)
    try:
        plane.start()
        yield Team(plane, target, TEAM)
    finally:
        plane.stop()


def granted() -> set[Right]:
    """Every right of the Job's roles: group, resource and verb."""
    roles = [obj for obj in of_kind(template(), "ClusterRole", "Role") if is_hook(obj)]
    return {
        (group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(cluster: ControlPlane) -> set[Right]:
    """Every right that the Job has made use of, by the server's audit log."""
    told = [json.loads(line) for line in (cluster.folder / "audit.log").read_text().splitlines()]
    about = [
        (each["objectRef"], each["verb"])
        for each in told
        if each["user"]["username"] == UNINSTALLER and each.get("responseStatus", {}).get("code", 0) < 400
    ]
    return {
        (what.get("apiGroup", ""), "/".join(filter(None, (what["resource"], what.get("subresource")))), verb)
        for what, verb in about
    }


def one_of_everything(team: Team) -> None:
    """Whatever an uninstallation may find: both kinds of routes, a Secret to be retained, objects of receivers."""
    gate = team.create("gate", exposure={"host": GATEWAY_HOST})
    team.created("kept", deletionPolicy="Retain")
    team.plane.wait(lambda: team.route(gate, "HTTPRoute") is not None, "the route to the Gateway")
    for obj in objects_of_receivers(SYSTEM):
        team.plane.admin.create(obj)


def uninstalled(team: Team) -> str:
    """Remove the release while the test stands in for the node that runs the Job; what helm says."""
    cluster = team.plane.cluster
    removal = threading.Thread(target=lambda: said.append(done(cluster, *command)))
    said: list[str] = []
    command = ("uninstall", "hookgate", "--namespace", SYSTEM, "--wait", "--timeout", "240s")
    removal.start()
    wait_until(lambda: cluster.exists("job", "hookgate-uninstall", f"--namespace={SYSTEM}"), "the Job", seconds=60)
    job = cluster.get("job", "hookgate-uninstall", f"--namespace={SYSTEM}")
    spec = job["spec"]["template"]["spec"]
    team.plane.operator.end(signal.SIGTERM)  # as its Deployment would, once it is scaled to nothing
    team.plane.admin.delete("Lease", SYSTEM, "hookgate-operator")
    account = cluster.kubeconfig_for(SYSTEM, spec["serviceAccountName"])
    code = main([*spec["containers"][0]["args"], "--kubeconfig", str(account)])
    replicas = cluster.get("deployment", "hookgate-operator", f"--namespace={SYSTEM}")["spec"]["replicas"]
    cluster.kubectl(
        *("patch", "job", "hookgate-uninstall", f"--namespace={SYSTEM}", "--subresource=status", "--type=merge"),
        *("--patch", finished(code)),
    )
    removal.join()
    assert (code, replicas) == (0, 0)
    (told,) = said
    return told


def finished(code: int) -> str:
    """The status of a Job that has succeeded or failed, as its controller writes it."""
    now = "2026-01-01T00:00:00Z"
    kinds = ("SuccessCriteriaMet", "Complete") if code == 0 else ("FailureTarget", "Failed")
    conditions = ",".join(
        f'{{"type":"{kind}","status":"True","reason":"Test","lastProbeTime":"{now}","lastTransitionTime":"{now}"}}'
        for kind in kinds
    )
    times = f'"startTime":"{now}"' + (f',"completionTime":"{now}","succeeded":1' if code == 0 else "")
    return f'{{"status":{{{times},"conditions":[{conditions}]}}}}'


def test_the_server_takes_every_object_without_a_warning(control_plane: Cluster, namespace: str) -> None:
    """No unknown field, no deprecated version, no Pod Security warning; the hooks as well."""
    folder = definitions("prometheus-operator")
    names = ("servicemonitors", "prometheusrules")
    control_plane.install_crds(*(folder / f"monitoring.coreos.com_{name}.yaml" for name in names))
    control_plane.kubectl("label", "namespace", namespace, RESTRICTED)
    assert try_out(control_plane, [at_home_in(namespace, obj) for obj in template(EVERYTHING)]) == ""


def test_every_pod_runs_where_restricted_is_enforced(control_plane: Cluster, namespace: str) -> None:
    control_plane.kubectl("label", "namespace", namespace, RESTRICTED)
    templates = dict(pod_templates(template(EVERYTHING)))
    refusals = {name: try_out(control_plane, [pod(namespace, each)]) for name, each in templates.items()}
    assert refusals == {"Deployment/hookgate-operator": "", "Job/hookgate-uninstall": ""}


def test_it_is_upgraded_from_its_predecessor_and_leaves_nothing_behind(
    cluster: ControlPlane, tmp_path: Path, target: Target
) -> None:
    """An endpoint keeps its URL and its secret; the Job that removes everything needs each of its rights."""
    assert PREVIOUS, "there is no predecessor to upgrade from"
    done(cluster, "install", "hookgate", PREVIOUS[-1], "--create-namespace", *OPTIONS)
    cluster.restart_controller_manager()
    with serving(cluster, tmp_path, target) as team:
        before = team.created("push")
        told = team.connection("push")
        removable = ("--set", "crds.keep=false", "--set", "bindings.keep=false")
        done(cluster, "upgrade", "hookgate", CHART, *OPTIONS, *removable)
        after = team.ready("push")
        assert (after["metadata"]["uid"], after["status"]["url"]) == (
            before["metadata"]["uid"],
            before["status"]["url"],
        )
        assert team.connection("push") == told
        assert team.call(after["status"]["url"], b"{}", github(told["secret"], b"{}")).status == 200
        uninstalled(team)
        wait_until(lambda: not cluster.exists("namespace", BINDINGS), "the bindings' namespace to be gone", seconds=60)
        wait_until(lambda: everything_of_ours(cluster) == [], "nothing of ours to be left", seconds=60)


def test_what_is_to_be_kept_is_kept_and_a_second_installation_takes_it_over(
    cluster: ControlPlane, tmp_path: Path, target: Target
) -> None:
    """The definition stays, with the endpoints; these are whole again, with the same URL, after an installation."""
    done(cluster, "install", "hookgate", CHART, "--create-namespace", *OPTIONS)
    cluster.restart_controller_manager()
    with serving(cluster, tmp_path, target) as team:
        before = team.created("push")["status"]["url"]
        assert "[CustomResourceDefinition] webhookendpoints.hookgate.dev\n" in uninstalled(team)
        kept = everything_of_ours(cluster)
        assert kept == ["customresourcedefinition.apiextensions.k8s.io/webhookendpoints.hookgate.dev"]
        freed = team.get("push")
        assert "finalizers" not in freed["metadata"]
        team.plane.receiver.end(signal.SIGTERM)
        done(cluster, "install", "hookgate", CHART, *OPTIONS)
        for name in ("hookgate-operator", "hookgate-receiver"):
            cluster.kubeconfig_for(SYSTEM, name)  # in place of the former: tokens end with their accounts
        team.plane.start()
        assert team.ready("push", "Active")["status"]["url"] == before


def test_an_installation_for_some_namespaces_is_removed_with_rights_in_these_only(
    cluster: ControlPlane, tmp_path: Path, target: Target
) -> None:
    """The Job asks for nothing elsewhere, and needs nothing there."""
    namespaces = ("--set", f"namespaces={{{TEAM}}}")
    done(cluster, "install", "hookgate", CHART, "--create-namespace", *OPTIONS, *namespaces)
    cluster.restart_controller_manager()
    with serving(cluster, tmp_path, target, f"--namespaces={TEAM}") as team:
        endpoint = team.created("push")
        uninstalled(team)
        assert "finalizers" not in team.get("push")["metadata"]
        assert team.binding(endpoint) is None
        assert team.route(endpoint) is None
        log = (cluster.folder / "audit.log").read_text().splitlines()
        asked = [each for each in map(json.loads, log) if each["user"]["username"] == UNINSTALLER]
        about = {each["objectRef"].get("namespace") for each in asked if each["objectRef"]["resource"] == "secrets"}
        assert about == {TEAM, BINDINGS}
        assert [each["objectRef"] for each in asked if each["responseStatus"]["code"] == 403] == []


def test_somebody_elses_definition_is_not_taken_over(cluster: ControlPlane) -> None:
    """Two installations by different means do not fight: the second is told."""
    cluster.install_crds(ROOT / "crds")
    ran = helm("install", "hookgate", CHART, "--create-namespace", *OPTIONS, kubeconfig=cluster.admin_kubeconfig)
    assert ran.returncode != 0
    assert "webhookendpoints.hookgate.dev" in ran.stderr
    done(cluster, "install", "hookgate", CHART, "--create-namespace", *OPTIONS, "--set", "crds.enabled=false")


def test_the_notes_tell_the_next_step(cluster: ControlPlane) -> None:
    """First a host, then an endpoint."""
    common = ("--namespace", SYSTEM, "--create-namespace")
    assert "NEXT: name a host" in done(cluster, "install", "hookgate", CHART, *common)
    assert f"NEXT: declare an endpoint in a namespace that may use {HOST}" in done(
        cluster, "upgrade", "hookgate", CHART, *OPTIONS
    )

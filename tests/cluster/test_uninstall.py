"""`hookgate uninstall` on a real API server: afterwards everything can be deleted, although no operator runs."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

from hookgate.cli.main import main
from hookgate.config.load import default_config
from hookgate.config.platform import Autoscaling, Exposure, Host, ManagedReceivers
from hookgate.control.deployment import receiver_objects
from hookgate.control.installation import config_map
from hookgate.control.routes import shared_route
from hookgate.control.uninstall import remove_receivers
from hookgate.kube.api import Api
from tests.cluster.calls import github
from tests.cluster.plane import GATEWAY_HOST, SYSTEM, Plane
from tests.cluster.team import Team, condition

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(team: Team, capsys: pytest.CaptureFixture[str]) -> Run:
    """Uninstall as the administrator; returns exit code and both outputs."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["uninstall", *arguments, "--kubeconfig", str(team.plane.cluster.admin_kubeconfig)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_while_an_operator_runs_nothing_is_done(run: Run, team: Team) -> None:
    """It would undo it; the line says how to end it."""
    endpoint = team.created("push")
    code, out, errors = run("--yes", "-n", team.namespace)
    assert (code, out) == (1, "")
    assert "an operator runs (" in errors
    assert "--replicas 0" in errors
    assert team.binding(endpoint) is not None


def test_nothing_is_done_without_a_yes(run: Run, team: Team) -> None:
    """Standard input is no terminal here."""
    team.created("push")
    code, _, errors = run("-n", team.namespace)
    told = f"1 endpoint in {team.namespace} will answer no call any more; add --yes to say that this is meant"
    assert (code, errors) == (2, f"hookgate: {told}\n")


def test_afterwards_the_namespace_can_be_deleted(run: Run, team: Team) -> None:
    """No call is answered, and nothing waits for an operator that is not there."""
    plane = team.plane
    endpoints = [team.created("push"), team.created("gate", exposure={"host": GATEWAY_HOST})]
    url, signed = endpoints[0]["status"]["url"], github(team.connection("push")["secret"], b"{}")
    plane.operator.end(signal.SIGTERM)
    code, out, _ = run("--yes", "-n", team.namespace)
    assert (code, out.splitlines()[0]) == (0, "freed 2 endpoints; no URL of theirs is answered any more")
    team.answers(404, url, b"{}", signed)
    assert [team.binding(each) for each in endpoints] == [None, None]
    assert [team.route(endpoints[0]), team.route(endpoints[1], "HTTPRoute")] == [None, None]
    freed = team.get("push")
    assert "finalizers" not in freed["metadata"]
    assert (condition(freed, "Ready")["status"], condition(freed, "Ready")["reason"]) == ("False", "Uninstalled")
    plane.cluster.kubectl("delete", "namespace", team.namespace, "--wait=false")
    plane.wait(lambda: not plane.cluster.exists("namespace", team.namespace), "the namespace to be gone", seconds=60)


def test_an_operator_that_is_installed_later_makes_them_whole_again(run: Run, team: Team) -> None:
    """With the same URL and secret, from the connection Secret that stayed."""
    plane = team.plane
    before = team.created("push")["status"]["url"]
    told = team.connection("push")
    plane.operator.end(signal.SIGTERM)
    assert run("--yes", "-n", team.namespace)[0] == 0
    plane.start()
    assert team.ready("push", "Active")["status"]["url"] == before
    assert team.connection("push") == told
    assert team.call(before, b"{}", github(told["secret"], b"{}")).status == 200


def test_what_is_to_be_retained_is_retained(run: Run, team: Team) -> None:
    """As on a deletion: the Secret survives its endpoint, and a later one can adopt it."""
    plane = team.plane
    endpoint = team.created("push", deletionPolicy="Retain")
    told = team.connection("push")
    plane.operator.end(signal.SIGTERM)
    code, out, _ = run("--yes", "-n", team.namespace)
    assert code == 0
    assert endpoint["metadata"]["uid"] in out
    team.delete("push")
    team.gone("push")
    kept = team.binding(endpoint)
    assert kept is not None
    assert kept["metadata"]["labels"]["hookgate.dev/role"] == "retained"
    assert team.connection("push") == told


def test_of_the_whole_cluster_nothing_stays_that_leads_anywhere(run: Run, team: Team) -> None:
    """Orphans included; so the definition of endpoints itself can be deleted."""
    plane = team.plane
    rehouse(plane)
    endpoint = team.created("push")
    orphan = team.created("orphan")
    plane.operator.end(signal.SIGTERM)
    plane.admin.merge("WebhookEndpoint", team.namespace, "orphan", {"metadata": {"finalizers": None}})
    team.delete("orphan")
    team.gone("orphan")
    code, out, errors = run("--yes")
    assert errors == ""
    assert code == 0
    assert re.search(r"^deleted \d+ objects of endpoints that were gone before$", out, re.MULTILINE)
    assert [team.binding(each) for each in (endpoint, orphan)] == [None, None]
    assert plane.admin.list("Ingress", SYSTEM) == []
    assert [e for e in plane.admin.list("WebhookEndpoint", None) if e["metadata"].get("finalizers")] == []
    assert run("--yes")[1].splitlines()[0].endswith("no URL of theirs is answered any more")


def test_an_endpoint_that_has_outlived_its_namespace_is_told_and_keeps_nobody_else(run: Run, team: Team) -> None:
    """An API server lets it be seen and not changed, until somebody makes the namespace anew."""
    plane = team.plane
    rehouse(plane)
    endpoint, name = team.created("push"), team.namespace
    plane.operator.end(signal.SIGTERM)
    path = f"/api/v1/namespaces/{name}"
    plane.admin.send("DELETE", path)
    held = plane.admin.send("GET", path).body
    plane.admin.send("PUT", f"{path}/finalize", {**held, "spec": {"finalizers": []}})
    plane.wait(lambda: plane.admin.find("Namespace", None, name) is None, "the namespace to be gone")
    assert team.get("push")["metadata"]["finalizers"]

    code, _, errors = run("--yes")
    told = f"{name}/push: cannot be freed, because the namespace no longer exists; create it, and call this again"
    assert (code, errors) == (1, f"{told}\n")
    assert team.binding(endpoint) is None
    assert team.route(endpoint) is None

    plane.admin.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert run("--yes")[0] == 0
    assert not [e for e in plane.admin.list("WebhookEndpoint", name) if e["metadata"].get("finalizers")]


def rehouse(plane: Plane) -> None:
    """Make the namespaces anew that endpoints of other tests have outlived.

    When an API server has just come back, the deletion of a namespace may not know of endpoints yet.
    """
    for endpoint in plane.admin.list("WebhookEndpoint", None):
        name = endpoint["metadata"]["namespace"]
        if plane.admin.find("Namespace", None, name) is None:
            plane.admin.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})


def test_an_endpoint_whose_deletion_waits_for_an_operator_goes(run: Run, team: Team) -> None:
    """Which is how it looks when the operator was removed first."""
    plane = team.plane
    team.created("push")
    plane.operator.end(signal.SIGTERM)
    team.delete("push")
    assert team.get("push")["metadata"]["deletionTimestamp"]
    assert run("--yes", "-n", team.namespace)[0] == 0
    team.gone("push")


def test_an_operator_that_died_is_waited_for(run: Run, team: Team) -> None:
    """Its Lease runs out."""
    team.created("push")
    team.plane.operator.end(signal.SIGKILL)
    assert run("--yes", "-n", team.namespace)[0] == 0
    assert "finalizers" not in team.get("push")["metadata"]


def objects_of_receivers(namespace: str) -> tuple[dict[str, Any], ...]:
    """What the operator would make there."""
    receivers = ManagedReceivers(autoscaling=Autoscaling(most=3))
    made = receiver_objects(
        default_config(), receivers, namespace=namespace, binding_namespace="hookgate-bindings", image="x"
    )
    host = Host(name="hooks.example.com", exposure=Exposure.INGRESS, namespaces=("*",))
    shared = shared_route(host, default_config(), namespace)
    assert shared is not None
    return (*made, config_map([], namespace), shared)


def left_of(team: Team) -> list[str]:
    """The kinds of which something of ours is in the team's namespace."""
    kinds = ("Ingress", "Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ConfigMap")
    labelled = "app.kubernetes.io/managed-by%3Dhookgate"
    return [kind for kind in kinds if team.plane.admin.list(kind, team.namespace, labelled)]


def test_receivers_go_which_no_manifest_knows_of(team: Team) -> None:
    """Everything that an operator makes for them, and nothing of anybody else."""
    plane, namespace = team.plane, team.namespace
    for obj in objects_of_receivers(namespace):
        plane.admin.create(obj)
    plane.admin.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": namespace}})

    async def remove() -> tuple[int, tuple[str, ...]]:
        async with await Api.connect(kubeconfig=str(plane.cluster.admin_kubeconfig), light=True) as api:
            return await remove_receivers(api, namespace)

    assert asyncio.run(remove()) == (6, ())
    assert left_of(team) == []
    assert plane.admin.find("ConfigMap", namespace, "other") is not None
    assert asyncio.run(remove()) == (0, ())


def test_what_may_not_be_deleted_is_named(team: Team) -> None:
    """Endpoints are freed all the same."""
    plane, namespace = team.plane, team.namespace
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody", "namespace": namespace}}
    plane.admin.create(account)
    nobody = plane.cluster.kubeconfig_for(team.namespace, "nobody")

    async def remove() -> tuple[int, tuple[str, ...]]:
        async with await Api.connect(kubeconfig=str(nobody), light=True) as api:
            return await remove_receivers(api, team.namespace)

    assert asyncio.run(remove()) == (
        0,
        (
            "ingresses",
            "httproutes",
            "horizontalpodautoscalers",
            "deployments",
            "poddisruptionbudgets",
            "services",
            "configmaps",
        ),
    )

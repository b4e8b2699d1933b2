"""The receivers that the operator runs: made from its configuration, put right when changed, left alone when right."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from hookgate.cli.main import main
from tests.cluster.plane import SYSTEM, Plane, Program, probe
from tests.cluster.processes import free_port
from tests.cluster.rest import path_of
from tests.cluster.team import Team

NAME = "hookgate-receiver"
IMAGE = "registry.example.com/hookgate:under-test"
OLD, NEW = "registry.example.com/hookgate:1", "registry.example.com/hookgate:2"


@pytest.fixture
def managed(team: Team) -> Iterator[Plane]:
    """A plane whose configuration asks for three receivers of its own."""
    plane = team.plane
    receiver = {"managed": {"image": IMAGE, "replicas": 3}}
    plane.configure({**plane.configuration, "receiver": receiver})
    made = ("Deployment", "Service", "PodDisruptionBudget")
    plane.wait(lambda: all(plane.admin.find(kind, SYSTEM, NAME) for kind in made), "receivers to be made")
    yield plane
    plane.configure(plane.configuration)
    for kind in ("Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"):
        plane.admin.delete(kind, SYSTEM, NAME)
    plane.admin.delete("ConfigMap", SYSTEM, "hookgate-status")


def test_receivers_are_made_as_the_configuration_wants_them(managed: Plane) -> None:
    """A Deployment of so many pods of that image, and the Service that routes point to, found by the pods' labels."""
    deployment = managed.admin.get("Deployment", SYSTEM, NAME)
    service = managed.admin.get("Service", SYSTEM, NAME)
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert (deployment["spec"]["replicas"], container["image"]) == (3, IMAGE)
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert [port["port"] for port in service["spec"]["ports"]] == [80]


def test_changed_receivers_are_put_right_once(managed: Plane) -> None:
    """A scaled Deployment gets its size back, a deleted Service comes back, a budget that selects no pod selects them
    again, and then nothing is written any more."""
    selected = managed.admin.get("PodDisruptionBudget", SYSTEM, NAME)["spec"]["selector"]
    surplus = {"spec": {"selector": {"matchLabels": {"surplus": "yes"}}}}
    managed.admin.merge("Deployment", SYSTEM, NAME, {"spec": {"replicas": 1}})
    managed.admin.merge("PodDisruptionBudget", SYSTEM, NAME, surplus)
    managed.admin.delete("Service", SYSTEM, NAME)

    def right() -> bool:
        replicas = managed.admin.get("Deployment", SYSTEM, NAME)["spec"]["replicas"]
        budget = managed.admin.get("PodDisruptionBudget", SYSTEM, NAME)["spec"]["selector"]
        return replicas == 3 and budget == selected and managed.admin.find("Service", SYSTEM, NAME) is not None

    managed.wait(right, "Deployment and Service to be as wanted")
    managed.quiet(6.0)
    mark = managed.mark()
    managed.restart_operator(signal.SIGTERM)
    managed.quiet(6.0)
    assert [write for write in managed.writes(mark) if write.namespace == SYSTEM] == []


def test_a_drained_node_cannot_take_all_of_them(managed: Plane) -> None:
    """A budget is kept for the receivers, and comes back when somebody removes it."""
    managed.wait(lambda: managed.admin.find("PodDisruptionBudget", SYSTEM, NAME) is not None, "the budget")
    managed.admin.delete("PodDisruptionBudget", SYSTEM, NAME)
    managed.wait(lambda: managed.admin.find("PodDisruptionBudget", SYSTEM, NAME) is not None, "the budget to be back")
    assert managed.admin.get("PodDisruptionBudget", SYSTEM, NAME)["spec"]["maxUnavailable"] == 1


def owners_of_replicas(plane: Plane) -> set[str]:
    """Who owns the number of receivers, as the API server noted it."""
    return {
        entry["manager"]
        for entry in plane.admin.get("Deployment", SYSTEM, NAME)["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }


def scale(plane: Plane, replicas: int) -> None:
    """What the autoscaler does."""
    plane.cluster.kubectl("scale", "deployment", NAME, "-n", SYSTEM, f"--replicas={replicas}")


def test_an_autoscaler_is_given_the_number_and_gives_it_back(managed: Plane) -> None:
    """Nothing drops to one pod on the way, and no scale is undone while it is the autoscaler's to decide."""
    base = managed.configuration
    managed.configure({**base, "receiver": {"managed": {"image": IMAGE, "autoscaling": {"maxReplicas": 9}}}})
    managed.wait(lambda: managed.admin.find("HorizontalPodAutoscaler", SYSTEM, NAME) is not None, "the autoscaler")
    managed.wait(lambda: "hookgate" not in owners_of_replicas(managed), "the operator to give the number up")
    assert managed.admin.get("Deployment", SYSTEM, NAME)["spec"]["replicas"] == 3
    scale(managed, 7)
    assert "hookgate-autoscaling" not in owners_of_replicas(managed)
    managed.admin.merge("Deployment", SYSTEM, NAME, {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 4}}}})

    def repaired() -> bool:
        spec = managed.admin.get("Deployment", SYSTEM, NAME)["spec"]
        return bool(spec["strategy"]["rollingUpdate"]["maxSurge"] == 1)

    managed.wait(repaired, "all else to be put right")
    assert managed.admin.get("Deployment", SYSTEM, NAME)["spec"]["replicas"] == 7

    managed.configure({**base, "receiver": {"managed": {"image": IMAGE, "replicas": 4}}})
    managed.wait(
        lambda: managed.admin.get("Deployment", SYSTEM, NAME)["spec"]["replicas"] == 4, "the platform's number"
    )
    assert managed.admin.find("HorizontalPodAutoscaler", SYSTEM, NAME) is None


def test_the_first_receivers_of_an_autoscaler_are_its_fewest(managed: Plane) -> None:
    """Not a single one, until it has looked."""
    scaling = {"minReplicas": 3, "maxReplicas": 9}
    managed.configure({**managed.configuration, "receiver": {"managed": {"image": IMAGE, "autoscaling": scaling}}})
    managed.wait(lambda: managed.admin.find("HorizontalPodAutoscaler", SYSTEM, NAME) is not None, "the autoscaler")
    managed.admin.delete("Deployment", SYSTEM, NAME)
    managed.wait(lambda: managed.admin.find("Deployment", SYSTEM, NAME) is not None, "the Deployment to be made anew")
    assert managed.admin.get("Deployment", SYSTEM, NAME)["spec"]["replicas"] == 3


def test_an_operator_of_another_version_brings_its_receivers_along(managed: Plane) -> None:
    """The image is the leader's own where the configuration names none; one that stands by changes nothing."""
    managed.configure({**managed.configuration, "receiver": {"managed": {}}})
    managed.operator.end(signal.SIGTERM)
    kubeconfig = managed.cluster.kubeconfig_for(SYSTEM, "hookgate-operator")
    ports, operators = {OLD: free_port(), NEW: free_port()}, dict[str, Program]()

    def image() -> str:
        template = managed.admin.get("Deployment", SYSTEM, NAME)["spec"]["template"]
        return str(template["spec"]["containers"][0]["image"])

    def start(version: str) -> None:
        operators[version] = managed.operator_with(
            f"operator-{len(operators)}",
            managed.config_file,
            kubeconfig,
            ports[version],
            environment={"HOOKGATE_IMAGE": version},
        )
        operators[version].start()
        managed.wait(lambda: probe(ports[version], "/readyz") == 200, "the operator to be ready")

    try:
        start(OLD)
        managed.wait(lambda: image() == OLD, "the receivers of this version")
        start(NEW)
        managed.quiet(6.0)
        assert image() == OLD
        operators[OLD].end(signal.SIGTERM)
        managed.wait(lambda: image() == NEW, "the receivers of the next version")
    finally:
        for operator in operators.values():
            operator.stop()


def test_the_installation_tells_how_its_receivers_are(managed: Plane, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a quota admits no pod, `hookgate status` says so in the words of the cluster."""

    def told() -> str:
        found = managed.admin.find("ConfigMap", SYSTEM, "hookgate-status")
        return str(found["data"]["receivers"]) if found else ""

    managed.wait(lambda: "type: Applied" in told(), "the conditions to be told")
    # What the Deployment controller notes, which does not run here.
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: none"}
    path = f"{path_of('Deployment', SYSTEM, NAME)}/status"
    patch = {"status": {"conditions": [failure]}}
    assert managed.admin.send("PATCH", path, patch, content_type="application/merge-patch+json").ok
    managed.wait(lambda: "FailedCreate" in told(), "the quota to be told of")
    assert main(["status", "--kubeconfig", str(managed.cluster.admin_kubeconfig)]) == 1
    assert "Available=False, FailedCreate: exceeded quota: none" in capsys.readouterr().out

"""The receivers that the operator runs: made from its configuration, put right when changed, left alone when right."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.cluster.plane import SYSTEM, Plane
from tests.cluster.team import Team

NAME = "hookgate-receiver"
IMAGE = "registry.example.com/hookgate:under-test"


@pytest.fixture
def managed(team: Team) -> Iterator[Plane]:
    """A plane whose configuration asks for three receivers of its own."""
    plane = team.plane
    receiver = {"managed": {"image": IMAGE, "replicas": 3}}
    plane.configure({**plane.configuration, "receiver": receiver})
    plane.wait(lambda: plane.admin.find("Deployment", SYSTEM, NAME) is not None, "the Deployment to be made")
    yield plane
    plane.configure(plane.configuration)
    for kind in ("Deployment", "Service"):
        plane.admin.delete(kind, SYSTEM, NAME)


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
    """A scaled Deployment gets its size back, a deleted Service comes back, and then nothing is written any more."""
    managed.admin.merge("Deployment", SYSTEM, NAME, {"spec": {"replicas": 1}})
    managed.admin.delete("Service", SYSTEM, NAME)

    def right() -> bool:
        replicas = managed.admin.get("Deployment", SYSTEM, NAME)["spec"]["replicas"]
        return replicas == 3 and managed.admin.find("Service", SYSTEM, NAME) is not None

    managed.wait(right, "Deployment and Service to be as wanted")
    before = managed.admin.get("Deployment", SYSTEM, NAME)["metadata"]["generation"]
    managed.restart_operator(signal.SIGTERM)
    assert managed.admin.get("Deployment", SYSTEM, NAME)["metadata"]["generation"] == before

"""The receivers' Deployment and Service: what pods may do, and when the objects are written."""

from __future__ import annotations

from typing import Any, cast

import pytest

from hookgate.config.platform import FixedReceivers, ManagedReceivers, PlatformConfig
from hookgate.control.deployer import Deployer
from hookgate.control.deployment import receiver_objects
from hookgate.kube.api import Api
from hookgate.kube.resources import Resource
from tests.kube.asyncrun import run

NAMESPACE, IMAGE = "hookgate-system", "registry.example/hookgate:1"


def made(receivers: ManagedReceivers | None = None, **config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return Service and Deployment."""
    service, deployment = receiver_objects(
        PlatformConfig(**config),
        receivers or ManagedReceivers(),
        namespace=NAMESPACE,
        binding_namespace="hookgate-bindings",
        image=IMAGE,
    )
    return service, deployment


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def test_both_stand_in_the_operator_s_namespace_and_say_who_keeps_them() -> None:
    for each in made():
        assert each["metadata"]["namespace"] == NAMESPACE
        assert each["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "hookgate"


def test_the_service_leads_to_the_pods_and_to_their_public_port_only() -> None:
    service, deployment = made(service_name="gate", service_port=8443)
    (port,) = service["spec"]["ports"]
    ports = {p["name"]: p["containerPort"] for p in container(deployment)["ports"]}
    assert service["metadata"]["name"] == "gate"
    assert (port["port"], port["targetPort"]) == (8443, "http")
    assert ports["http"] != ports["private"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_image_is_the_operator_s_own_unless_the_platform_names_one() -> None:
    assert container(made()[1])["image"] == IMAGE
    assert container(made(ManagedReceivers(image="other:2"))[1])["image"] == "other:2"


def test_the_platform_chooses_the_number_of_replicas_and_no_rollout_takes_one_away() -> None:
    spec = made(ManagedReceivers(replicas=5))[1]["spec"]
    assert spec["replicas"] == 5
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_pods_meet_the_restricted_level_of_pod_security() -> None:
    pod = made()[1]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in pod["containers"]:
        assert each["securityContext"]["allowPrivilegeEscalation"] is False
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert each["securityContext"]["readOnlyRootFilesystem"] is True
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes"} & pod.keys()


def test_a_pod_is_alive_and_ready_by_its_private_port() -> None:
    found = container(made()[1])
    assert (found["readinessProbe"]["httpGet"]["port"], found["livenessProbe"]["httpGet"]["port"]) == ("private",) * 2


# When they are written ------------------------------------------------------------------------------------------------


class FakeApi:
    """Two objects, and what was applied."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.applied: list[str] = []

    async def get(self, resource: Resource, name: str, namespace: str) -> dict[str, Any] | None:
        return self.objects.get(resource.kind)

    async def apply(self, resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
        self.applied.append(resource.kind)
        self.objects[resource.kind] = {**obj, "status": {}}
        return obj


def deployer(api: FakeApi, config: PlatformConfig, image: str = IMAGE) -> Deployer:
    return Deployer(
        cast("Api", api), lambda: config, namespace=NAMESPACE, binding_namespace="hookgate-bindings", image=image
    )


def test_a_second_look_writes_nothing() -> None:
    api = FakeApi()
    keeper = deployer(api, PlatformConfig())
    assert [run(keeper.once()), run(keeper.once())] == [2, 0]
    assert api.applied == ["Service", "Deployment"]


def test_drift_is_repaired_and_what_a_server_adds_is_none() -> None:
    api = FakeApi()
    keeper = deployer(api, PlatformConfig())
    run(keeper.once())
    api.objects["Deployment"]["spec"]["revisionHistoryLimit"] = 10
    assert run(keeper.once()) == 0
    api.objects["Deployment"] = {**api.objects["Deployment"], "spec": {"replicas": 0}}
    assert run(keeper.once()) == 1


def test_receivers_at_fixed_addresses_are_somebody_else_s() -> None:
    api = FakeApi()
    assert run(deployer(api, PlatformConfig(receivers=FixedReceivers(addresses=()))).once()) == 0
    assert api.applied == []


def test_without_any_image_nothing_is_written_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    keeper = deployer(FakeApi(), PlatformConfig(), image="")
    assert [run(keeper.once()), run(keeper.once())] == [0, 0]
    assert caplog.text.count("receiver.managed.image") == 1

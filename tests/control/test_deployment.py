"""The receivers' Deployment and Service: what pods may do, and when the objects are written."""

from __future__ import annotations

from typing import Any, cast

import pytest

from hookgate.config.platform import (
    Autoscaling,
    FixedReceivers,
    Front,
    ManagedReceivers,
    PlatformConfig,
    ReceiverTls,
    ReplayStore,
)
from hookgate.control.deployer import Deployer
from hookgate.control.deployment import receiver_objects
from hookgate.control.installation import APPLIED, conditions_in, placed, receivers_told
from hookgate.kube.api import Api, ApiError
from hookgate.kube.resources import Resource
from hookgate.model.parse import _TIMEOUT
from hookgate.receiver.settings import ReceiverSettings
from tests.kube.asyncrun import run

NAMESPACE, IMAGE = "hookgate-system", "registry.example/hookgate:1"


SCALING = Autoscaling(least=3, most=9, target=60)


def all_made(receivers: ManagedReceivers | None = None, **config: Any) -> tuple[dict[str, Any], ...]:
    """Return every object."""
    return receiver_objects(
        PlatformConfig(**config),
        receivers or ManagedReceivers(),
        namespace=NAMESPACE,
        binding_namespace="hookgate-bindings",
        image=IMAGE,
    )


def made(receivers: ManagedReceivers | None = None, **config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return Service and Deployment."""
    service, deployment, *_ = all_made(receivers, **config)
    return service, deployment


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def test_all_stand_in_the_operator_s_namespace_and_say_who_keeps_them() -> None:
    for each in all_made(ManagedReceivers(autoscaling=SCALING)):
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
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_with_an_autoscaler_the_number_is_not_the_operators() -> None:
    _, deployment, _, autoscaler = all_made(ManagedReceivers(autoscaling=SCALING))
    assert "replicas" not in deployment["spec"]
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert (autoscaler["spec"]["minReplicas"], autoscaler["spec"]["maxReplicas"]) == (3, 9)
    (metric,) = autoscaler["spec"]["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}


def test_drained_nodes_take_one_receiver_at_a_time() -> None:
    _, deployment, budget = all_made()
    assert budget["kind"] == "PodDisruptionBudget"
    assert budget["spec"] == {"maxUnavailable": 1, "selector": deployment["spec"]["selector"]}


def test_pods_are_spread_over_zones_and_nodes_where_that_is_possible() -> None:
    pod = made()[1]["spec"]["template"]
    spread = {c["topologyKey"]: c for c in pod["spec"]["topologySpreadConstraints"]}
    assert set(spread) == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    for each in spread.values():
        assert each["whenUnsatisfiable"] == "ScheduleAnyway"
        assert each["labelSelector"]["matchLabels"] == pod["metadata"]["labels"]


def test_a_pod_that_has_to_go_is_given_the_time_that_its_receiver_needs_to_drain() -> None:
    """Read from the receiver's own defaults: calls in flight must have ended before the pod is killed."""
    pod, drain = made()[1]["spec"]["template"]["spec"], ReceiverSettings()
    (argument,) = (a for a in container(made()[1])["args"] if a.startswith("--drain-delay="))
    before = container(made()[1])["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before >= 5
    assert before + float(argument.partition("=")[2]) + drain.grace < pod["terminationGracePeriodSeconds"]
    assert drain.grace * 1000 >= drain.body_seconds * 1000 + _TIMEOUT.high


def test_the_platform_chooses_what_a_receiver_may_use() -> None:
    chosen = ManagedReceivers(requests={"cpu": "1"}, limits={"memory": "1Gi"})
    assert container(made(chosen)[1])["resources"] == {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}
    usual = container(made()[1])["resources"]
    assert "memory" in usual["limits"]
    assert "cpu" in usual["requests"]
    assert "cpu" not in usual["limits"]


def test_the_pods_are_told_what_stands_in_front_of_them() -> None:
    front = Front(proxies=("10.0.0.0/8", "::1"), proxy_protocol=True, connections=10)
    _, plain = made()
    _, fronted = made(front=front)
    _, counted = made(front=Front(hops=2))
    usual = container(plain)["args"]
    assert container(fronted)["args"][len(usual) :] == [
        "--trusted-proxies=10.0.0.0/8,::1",
        "--connections-per-address=10",
        "--proxy-protocol",
    ]
    assert container(counted)["args"][len(usual) :] == ["--trusted-hops=2"]


def test_the_pods_are_told_where_targets_may_not_be() -> None:
    assert container(made(denied_targets=("10.0.0.0/24",))[1])["args"][-1] == "--deny-targets=10.0.0.0/24"


def test_the_receivers_are_told_of_the_store_that_they_share() -> None:
    _, deployment = made(replay_store=ReplayStore(url="rediss://redis.example:6379", secret="redis"))
    pod = deployment["spec"]["template"]["spec"]
    arguments, (volume,) = pod["containers"][0]["args"], pod["volumes"]
    (mount,) = pod["containers"][0]["volumeMounts"]
    assert "--replay-store=rediss://redis.example:6379" in arguments
    assert f"--replay-store-secret={mount['mountPath']}" in arguments
    assert (volume["secret"], mount["name"], mount["readOnly"]) == ({"secretName": "redis"}, volume["name"], True)


def test_a_store_that_lets_everybody_in_needs_no_secret() -> None:
    pod = made(replay_store=ReplayStore(url="redis://redis:6379"))[1]["spec"]["template"]["spec"]
    assert "--replay-store=redis://redis:6379" in pod["containers"][0]["args"]
    assert "volumes" not in pod
    assert [each for each in pod["containers"][0]["args"] if "secret" in each] == []


@pytest.mark.parametrize("client_ca", [None, "senders"])
def test_the_receivers_speak_tls_with_the_certificate_of_a_secret(client_ca: str | None) -> None:
    """Every file that an option names lies in a mounted Secret, and senders need a certificate only where asked for."""
    _, deployment = made(ManagedReceivers(tls=ReceiverTls(secret="hooks", client_ca=client_ca)))
    pod = deployment["spec"]["template"]["spec"]
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"]}
    folders = {mount["mountPath"]: secrets[mount["name"]] for mount in pod["containers"][0]["volumeMounts"]}
    named = [each.partition("=")[::2] for each in pod["containers"][0]["args"] if each.startswith("--tls-")]
    found = {option: (folders[file.rpartition("/")[0]], file.rpartition("/")[2]) for option, file in named}
    wanted = {"--tls-cert": ("hooks", "tls.crt"), "--tls-key": ("hooks", "tls.key")}
    assert found == wanted | ({"--tls-client-ca": ("senders", "ca.crt")} if client_ca else {})


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
    """The objects of one namespace, what was applied, and kinds that are refused."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.applied: list[str] = []
        self.refused: set[str] = set()

    async def get(self, resource: Resource, name: str, namespace: str) -> dict[str, Any] | None:
        return self.objects.get(resource.kind)

    async def apply(self, resource: Resource, obj: dict[str, Any], *, manager: str = "hookgate") -> dict[str, Any]:
        if resource.kind in self.refused:
            raise ApiError(f"apply {resource.kind}", status=403, reason="Forbidden")
        self.applied.append(resource.kind)
        self.objects[resource.kind] = {**self.objects.get(resource.kind, {}), **obj}
        return self.objects[resource.kind]

    async def delete(self, resource: Resource, name: str, namespace: str, *, uid: str) -> bool:
        return self.objects.pop(resource.kind, None) is not None


def deployer(api: FakeApi, config: PlatformConfig, image: str = IMAGE) -> Deployer:
    return Deployer(
        cast("Api", api),
        lambda: config,
        namespace=NAMESPACE,
        binding_namespace="hookgate-bindings",
        image=image,
        clock=lambda: 1000.0,
    )


def told(api: FakeApi) -> dict[str, tuple[str, str]]:
    """Return the receivers' conditions: status and reason by type."""
    return {c["type"]: (c["status"], c["reason"]) for c in conditions_in(api.objects.get("ConfigMap"))}


def test_a_second_look_writes_nothing() -> None:
    api = FakeApi()
    keeper = deployer(api, PlatformConfig())
    assert [run(keeper.once()), run(keeper.once())] == [4, 0]
    assert api.applied == ["Service", "Deployment", "PodDisruptionBudget", "ConfigMap"]


def test_drift_is_repaired_and_what_a_server_adds_is_none() -> None:
    api = FakeApi()
    keeper = deployer(api, PlatformConfig())
    run(keeper.once())
    api.objects["Deployment"]["spec"]["revisionHistoryLimit"] = 10
    assert run(keeper.once()) == 0
    api.objects["Deployment"] = {**api.objects["Deployment"], "spec": {"replicas": 0}}
    assert run(keeper.once()) == 1


@pytest.mark.parametrize("kind", ["Service", "PodDisruptionBudget"])
def test_what_is_added_to_a_selector_is_drift(kind: str) -> None:
    """One label more, and no receiver is selected: unlike elsewhere, what others add does not stand beside ours."""
    api = FakeApi()
    keeper = deployer(api, PlatformConfig())
    run(keeper.once())
    spec = api.objects[kind]["spec"]
    selector = spec["selector"] if kind == "Service" else spec["selector"]["matchLabels"]
    selector["team.example.com/cost"] = "42"
    assert [run(keeper.once()), run(keeper.once())] == [1, 0]


def test_whoever_changes_the_same_thing_again_and_again_is_not_fought_for_ever() -> None:
    api = FakeApi()
    keeper = deployer(api, PlatformConfig())
    writes = 0
    for _ in range(50):
        writes += run(keeper.once())
        api.objects["PodDisruptionBudget"]["spec"] = {"maxUnavailable": 0}
    assert writes < 15
    assert told(api)["Applied"] == ("False", "FieldConflict")
    assert told(api)["Ready"] == ("False", "FieldConflict")


def test_one_object_that_is_refused_keeps_no_other_from_being_made_and_is_told() -> None:
    api = FakeApi()
    api.refused = {"Service"}
    keeper = deployer(api, PlatformConfig())
    run(keeper.once())
    assert {"Deployment", "PodDisruptionBudget"} <= set(api.applied)
    assert told(api)["Applied"] == ("False", "Forbidden")
    api.refused = set()
    run(keeper.once())
    assert told(api)["Applied"] == ("True", "Applied")


def test_receivers_at_fixed_addresses_are_somebody_else_s() -> None:
    api = FakeApi()
    assert run(deployer(api, PlatformConfig(receivers=FixedReceivers(addresses=()))).once()) == 0
    assert api.applied == []


def test_what_was_told_of_receivers_is_taken_back_when_they_become_somebody_else_s() -> None:
    api = FakeApi()
    run(deployer(api, PlatformConfig()).once())
    keeper = deployer(api, PlatformConfig(receivers=FixedReceivers(addresses=())))
    assert [run(keeper.once()), run(keeper.once())] == [1, 0]
    assert told(api) == {"Ready": ("Unknown", "NotManaged")}


def test_without_any_image_no_pod_is_made_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    api = FakeApi()
    keeper = deployer(api, PlatformConfig(), image="")
    assert [run(keeper.once()), run(keeper.once())] == [1, 0]
    assert caplog.text.count("receiver.managed.image") == 1
    assert told(api)["Ready"] == ("False", "NoImage")


# How they are ---------------------------------------------------------------------------------------------------------


def deployed(generation: int = 2, replicas: int = 2, updated: int = 2, *conditions: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"generation": 2},
        "spec": {"replicas": 2},
        "status": {
            "observedGeneration": generation,
            "replicas": replicas,
            "updatedReplicas": updated,
            "conditions": [{"type": "Available", "status": "True", "reason": "Enough", "message": ""}, *conditions],
        },
    }


STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "no such image"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}


@pytest.mark.parametrize(
    ("found", "conditions"),
    [
        (None, {"Ready": ("False", "Pending"), "UpToDate": ("False", "RollingOut")}),
        (deployed(), {"Ready": ("True", "Enough"), "UpToDate": ("True", "UpToDate")}),
        (deployed(generation=1), {"Ready": ("True", "Enough"), "UpToDate": ("False", "RollingOut")}),
        (deployed(2, 3, 1), {"Ready": ("True", "Enough"), "UpToDate": ("False", "RollingOut")}),
        (deployed(2, 3, 1, STUCK), {"Ready": ("True", "Enough"), "UpToDate": ("False", "ProgressDeadlineExceeded")}),
        (deployed(2, 1, 1, QUOTA), {"Ready": ("False", "FailedCreate"), "UpToDate": ("False", "RollingOut")}),
    ],
)
def test_receivers_are_told_by_their_deployment(
    found: dict[str, Any] | None, conditions: dict[str, tuple[str, str]]
) -> None:
    known = {c.type: (c.status.value, c.reason) for c in receivers_told(APPLIED, found)}
    assert {kind: known[kind] for kind in conditions} == conditions


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    first = placed(receivers_told(APPLIED, None), [], "2026-01-01T00:00:00Z")
    second = placed(receivers_told(APPLIED, deployed()), first, "2026-01-02T00:00:00Z")
    times = {c["type"]: c["lastTransitionTime"][:10] for c in second}
    assert times == {
        "Ready": "2026-01-02",
        "Applied": "2026-01-01",
        "Available": "2026-01-02",
        "UpToDate": "2026-01-02",
    }


@pytest.mark.parametrize("text", ["{", "[1, {}]", "{a: 1}", "null", ""])
def test_a_configmap_that_somebody_spoiled_tells_nothing(text: str) -> None:
    assert conditions_in({"data": {"receivers": text}}) == []

"""The base: rights are least, names agree, and nothing is open by default."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.manifests.render import BASE, COMPONENTS, ROOT, Object, find, of_kind, overlay, pod_templates, render

SYSTEM, BINDINGS = "hookgate-system", "hookgate-bindings"


@pytest.fixture(scope="module")
def base() -> list[Object]:
    """The base as rendered."""
    return render(BASE)


def wildcards(role: Object) -> list[str]:
    """Where a role says "everything"."""
    return [
        f"{role['metadata']['name']}: {member}: {value}"
        for rule in role["rules"]
        for member, values in rule.items()
        for value in values
        if "*" in value
    ]


def granted(objects: list[Object], service_account: str) -> list[tuple[str, str | None, str]]:
    """The roles that a service account of the system namespace gets: kind, namespace of the binding, name."""
    subject = {"kind": "ServiceAccount", "name": service_account, "namespace": SYSTEM}
    return [
        (binding["roleRef"]["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"])
        for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding")
        if subject in binding["subjects"]
    ]


def test_no_role_has_a_wildcard(base: list[Object]) -> None:
    """Every right is named."""
    roles = list(of_kind(base, "Role", "ClusterRole"))
    assert len(roles) >= 6
    assert [found for role in roles for found in wildcards(role)] == []


def test_a_wildcard_is_noticed() -> None:
    """The search above can fail."""
    role = {"metadata": {"name": "x"}, "rules": [{"apiGroups": ["*"], "resources": ["secrets"], "verbs": ["get"]}]}
    assert wildcards(role) == ["x: apiGroups: *"]


def test_the_receiver_may_list_and_watch_the_bindings_and_nothing_else(base: list[Object]) -> None:
    """One role in one namespace is all that the exposed process has."""
    assert granted(base, "hookgate-receiver") == [("Role", BINDINGS, "hookgate-receiver")]
    role = find(base, "Role", "hookgate-receiver", BINDINGS)
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]}]


def test_the_operator_may_write_roles_nowhere(base: list[Object]) -> None:
    """No right on rights, on pods, or on tokens: it cannot become more than it is."""
    touched = {
        resource
        for kind, namespace, name in granted(base, "hookgate-operator")
        for rule in find(base, kind, name, namespace)["rules"]
        for resource in rule["resources"]
    }
    forbidden = {"roles", "clusterroles", "rolebindings", "clusterrolebindings", "pods", "pods/exec"}
    assert touched & (forbidden | {"serviceaccounts", "serviceaccounts/token"}) == set()


def test_cluster_wide_the_operator_has_what_endpoints_need(base: list[Object]) -> None:
    """Routes, receivers and leases are matters of its own namespace."""
    rules = find(base, "ClusterRole", "hookgate-operator")["rules"]
    resources = {resource for rule in rules for resource in rule["resources"]}
    assert resources == {"webhookendpoints", "webhookendpoints/status", "secrets", "services", "events"}
    assert find(base, "ClusterRole", "hookgate-operator-classes")["rules"] == [
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses"], "verbs": ["list", "watch"]}
    ]
    assert {name for kind, _, name in granted(base, "hookgate-operator") if kind == "ClusterRole"} == {
        "hookgate-operator",
        "hookgate-operator-classes",
    }


def test_at_home_the_operator_changes_receivers_and_what_tells_of_them_and_nothing_else_s(base: list[Object]) -> None:
    """No other workload, and no other ConfigMap: its own configuration is not its to write."""
    rules = find(base, "Role", "hookgate-operator", SYSTEM)["rules"]
    named = {resource: rule.get("resourceNames") for rule in rules for resource in rule["resources"]}
    receivers = ["hookgate-receiver"]
    assert {k: named[k] for k in ("deployments", "poddisruptionbudgets", "horizontalpodautoscalers", "configmaps")} == {
        "deployments": receivers,
        "poddisruptionbudgets": receivers,
        "horizontalpodautoscalers": receivers,
        "configmaps": ["hookgate-status"],
    }


def test_nobody_gets_a_role_by_group_or_user(base: list[Object]) -> None:
    """Only the project's own two service accounts are bound."""
    subjects = {
        (subject["kind"], subject["namespace"], subject["name"])
        for binding in of_kind(base, "RoleBinding", "ClusterRoleBinding")
        for subject in binding["subjects"]
    }
    assert subjects == {
        ("ServiceAccount", SYSTEM, "hookgate-operator"),
        ("ServiceAccount", SYSTEM, "hookgate-receiver"),
    }


def test_every_binding_names_a_role_that_is_shipped(base: list[Object]) -> None:
    """A binding to a role that does not exist grants nothing, silently."""
    for binding in of_kind(base, "RoleBinding", "ClusterRoleBinding"):
        ref, namespace = binding["roleRef"], binding["metadata"].get("namespace")
        assert find(base, ref["kind"], ref["name"], namespace if ref["kind"] == "Role" else None)


def test_both_namespaces_enforce_restricted_pods(base: list[Object]) -> None:
    """Whatever runs there later, it runs without privileges."""
    levels = {
        obj["metadata"]["name"]: obj["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for obj in of_kind(base, "Namespace")
    }
    assert levels == {SYSTEM: "restricted", BINDINGS: "restricted"}


def test_every_namespaced_object_names_its_namespace(base: list[Object]) -> None:
    """Nothing lands in whatever namespace a kubeconfig happens to name."""
    cluster_wide = {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}
    placed = {obj["metadata"].get("namespace") for obj in base if obj["kind"] not in cluster_wide}
    assert placed == {SYSTEM, BINDINGS}


def test_the_operator_runs_under_its_own_account_with_its_configuration_mounted(base: list[Object]) -> None:
    """The names in the Deployment are those of objects that are shipped with it."""
    spec = find(base, "Deployment", "hookgate-operator", SYSTEM)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (mount,) = (m for m in container["volumeMounts"] if m["name"] == "config")
    (volume,) = (v for v in spec["volumes"] if v["name"] == "config")
    config = find(base, "ConfigMap", volume["configMap"]["name"], SYSTEM)
    assert find(base, "ServiceAccount", spec["serviceAccountName"], SYSTEM)
    assert "subPath" not in mount
    assert container["args"][-1] in [f"{mount['mountPath']}/{key}" for key in config["data"]]


def test_the_receivers_get_the_operators_own_image(base: list[Object]) -> None:
    """Both planes speak the same version of their contract."""
    spec = find(base, "Deployment", "hookgate-operator", SYSTEM)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert {"name": "HOOKGATE_IMAGE", "value": container["image"]} in container["env"]


def test_pods_bound_their_memory_and_write_nowhere_but_tmp(base: list[Object]) -> None:
    """What Pod Security does not ask for, but a node's owner does."""
    for name, template in pod_templates(base):
        for container in template["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert {"requests", "limits"} <= container["resources"].keys(), name
            assert "memory" in container["resources"]["limits"], name


def test_the_crd_is_the_one_in_the_repository(base: list[Object]) -> None:
    """There is one copy of the contract."""
    crd = find(base, "CustomResourceDefinition", "webhookendpoints.hookgate.dev")
    source = yaml.safe_load((ROOT / "crds" / "webhookendpoints.hookgate.dev.yaml").read_text())
    assert crd["spec"] == source["spec"]


def test_roles_for_people_stay_out_of_the_built_in_ones(base: list[Object]) -> None:
    """Whoever has `edit` today does not get to open URLs by installing an operator."""
    labels = {label for role in of_kind(base, "ClusterRole") for label in role["metadata"].get("labels", {})}
    assert [label for label in labels if "aggregate-to" in label] == []


def test_the_component_adds_the_roles_to_the_built_in_ones(tmp_path: Path) -> None:
    """Opting in is one line in an overlay; the operator's own role is never aggregated."""
    objects = overlay(tmp_path, components=[COMPONENTS / "aggregate-roles"])
    aggregated = {
        (role["metadata"]["name"], label.partition("/")[2])
        for role in of_kind(objects, "ClusterRole")
        for label in role["metadata"]["labels"]
        if label.startswith("rbac.authorization.k8s.io/")
    }
    assert aggregated == {("hookgate-edit", "aggregate-to-edit"), ("hookgate-view", "aggregate-to-view")}


def test_there_are_two_operators_on_nodes_of_their_own_if_possible_and_one_of_them_always(base: list[Object]) -> None:
    """Neither a rollout nor a drained node leaves endpoints unattended."""
    deployment = find(base, "Deployment", "hookgate-operator", SYSTEM)["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    budget = find(base, "PodDisruptionBudget", "hookgate-operator", SYSTEM)["spec"]
    assert budget == {"maxUnavailable": 1, "selector": deployment["selector"]}
    pod = deployment["template"]["spec"]
    (apart,) = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert apart["podAffinityTerm"]["labelSelector"] == deployment["selector"]
    assert "--lease-duration" not in str(pod["containers"][0]["args"])

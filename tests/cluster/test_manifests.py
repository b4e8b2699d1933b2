"""The shipped manifests as a real API server sees them: valid to the letter, restricted, and with least rights."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hookgate.config.load import default_config
from hookgate.config.platform import ManagedReceivers
from hookgate.control.deployment import receiver_objects
from tests.cluster.cluster import Cluster
from tests.cluster.definitions import definitions
from tests.manifests.render import BASE, ROOT, Object, find, pod_templates, render

RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@pytest.fixture(scope="module")
def base() -> list[Object]:
    """The base as rendered."""
    return render(BASE)


def try_out(cluster: Cluster, objects: list[Object]) -> str:
    """What the server says against the objects, "" for nothing; it keeps none of them."""
    command = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
    done = cluster.kubectl(*command, input=yaml.safe_dump_all(objects), check=False)
    return done.stderr


def at_home_in(namespace: str, obj: Object) -> Object:
    """The object, in ``namespace`` if it is in any."""
    metadata: dict[str, Any] = {**obj["metadata"]}
    if "namespace" in metadata:
        metadata["namespace"] = namespace
    return {**obj, "metadata": metadata}


def pod(namespace: str, template: Object) -> Object:
    """The pod that a template describes, on its own: Pod Security judges pods, and of workloads only warns."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "sample", "namespace": namespace},
        "spec": template["spec"],
    }


def may(cluster: Cluster, account: str, verb: str, resource: str, namespace: str) -> bool:
    """Whether the authorizer lets a service account do this."""
    return cluster.may(account, verb, resource, f"--namespace={namespace}")


def test_the_server_takes_every_object_without_a_warning(
    control_plane: Cluster, namespace: str, base: list[Object]
) -> None:
    """No unknown field, no deprecated version, no Pod Security warning."""
    control_plane.kubectl("label", "namespace", namespace, RESTRICTED)
    assert try_out(control_plane, [at_home_in(namespace, obj) for obj in base]) == ""


@pytest.mark.parametrize(
    ("variant", "needs"),
    [("gateway-api", None), ("cert-manager", "cert-manager"), ("namespaced", None)],
)
def test_the_server_takes_every_variant_without_a_warning(
    control_plane: Cluster, gateway_crds: list[str], namespace: str, variant: str, needs: str | None
) -> None:
    """With the definitions of the projects that it builds on, as these projects ship them."""
    if needs:
        control_plane.install_crds(definitions(needs) / "cert-manager.io_certificates.yaml")
    control_plane.kubectl("label", "namespace", namespace, RESTRICTED)
    objects = render(ROOT / "manifests" / variant)
    assert try_out(control_plane, [at_home_in(namespace, obj) for obj in objects]) == ""


def test_the_server_takes_both_components_without_a_warning(control_plane: Cluster, namespace: str) -> None:
    """NetworkPolicies, and what the Prometheus operator reads."""
    folder = definitions("prometheus-operator")
    names = ("servicemonitors", "prometheusrules")
    control_plane.install_crds(*(folder / f"monitoring.coreos.com_{name}.yaml" for name in names))
    control_plane.kubectl("label", "namespace", namespace, RESTRICTED)
    objects = render(ROOT / "manifests" / "production")
    assert {"NetworkPolicy", "ServiceMonitor", "PrometheusRule"} <= {obj["kind"] for obj in objects}
    assert try_out(control_plane, [at_home_in(namespace, obj) for obj in objects]) == ""


def test_every_pod_runs_where_restricted_is_enforced(
    control_plane: Cluster, namespace: str, base: list[Object]
) -> None:
    """The pods themselves are admitted, not only the workloads that make them."""
    control_plane.kubectl("label", "namespace", namespace, RESTRICTED)
    templates = dict(pod_templates(base))
    refusals = {name: try_out(control_plane, [pod(namespace, template)]) for name, template in templates.items()}
    assert refusals == dict.fromkeys(templates, "")
    assert "Deployment/hookgate-operator" in refusals


def test_the_receivers_that_the_operator_makes_are_fit_for_the_namespaces_shipped(
    control_plane: Cluster, namespace: str, base: list[Object]
) -> None:
    """They are valid, restricted, and run under the account that is shipped for them."""
    control_plane.kubectl("label", "namespace", namespace, RESTRICTED)
    made = receiver_objects(
        default_config(), ManagedReceivers(), namespace=namespace, binding_namespace="hookgate-bindings", image="x"
    )
    assert try_out(control_plane, list(made)) == ""
    for name, template in pod_templates(made):
        assert try_out(control_plane, [pod(namespace, template)]) == "", name
        assert find(base, "ServiceAccount", template["spec"]["serviceAccountName"], "hookgate-system")


def test_a_pod_that_asks_for_nothing_is_refused_there(control_plane: Cluster, namespace: str) -> None:
    """Pod Security is really on in this server, so that the test above can fail."""
    control_plane.kubectl("label", "namespace", namespace, RESTRICTED)
    template = {"spec": {"containers": [{"name": "x", "image": "x"}]}}
    assert "violates PodSecurity" in try_out(control_plane, [pod(namespace, template)])


def test_the_receivers_rights_end_at_listing_and_watching_the_bindings(
    control_plane: Cluster, namespace: str, base: list[Object]
) -> None:
    """The authorizer itself says so, for the role as shipped, bound in a namespace that plays the bindings'."""
    role = find(base, "Role", "hookgate-receiver", "hookgate-bindings")
    binding = find(base, "RoleBinding", "hookgate-receiver", "hookgate-bindings")
    account = {"kind": "ServiceAccount", "name": "hookgate-receiver", "namespace": namespace}
    control_plane.apply([at_home_in(namespace, role), at_home_in(namespace, {**binding, "subjects": [account]})])

    user = f"system:serviceaccount:{namespace}:hookgate-receiver"
    control_plane.until_allowed(user, "list", "secrets", namespace)
    allowed = [verb for verb in ("list", "watch") if may(control_plane, user, verb, "secrets", namespace)]
    others = ("get", "create", "update", "patch", "delete", "deletecollection")
    beyond = [verb for verb in others if may(control_plane, user, verb, "secrets", namespace)]
    assert (allowed, beyond) == (["list", "watch"], [])
    assert not may(control_plane, user, "list", "secrets", "default")
    assert not may(control_plane, user, "list", "configmaps", namespace)


def test_the_roles_for_people_show_no_secret(control_plane: Cluster, namespace: str, base: list[Object]) -> None:
    """Working with endpoints and reading their secrets are two rights."""
    control_plane.install_crds(ROOT / "crds")
    for role in (find(base, "ClusterRole", each) for each in ("hookgate-edit", "hookgate-view")):
        name = role["metadata"]["name"]
        local = {**role, "kind": "Role", "metadata": {"name": name, "namespace": namespace}}
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
        }
        control_plane.apply([local, binding])
        control_plane.until_allowed(name, "list", "webhookendpoints.hookgate.dev", namespace)
        assert not may(control_plane, name, "get", "secrets", namespace)
        assert may(control_plane, name, "create", "webhookendpoints.hookgate.dev", namespace) == (
            name == "hookgate-edit"
        )

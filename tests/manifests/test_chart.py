"""The Helm chart: the same objects as kustomize makes, values held to their form, and nothing for lint to say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hookgate import __version__
from hookgate.config.load import default_config, parse_config
from tests.manifests.chart import CHART, Key, by_key, essence, helm, is_hook, refusal, template
from tests.manifests.render import BASE, ROOT, Object, find, of_kind, pod_templates, render

SYSTEM, BINDINGS = "hookgate-system", "hookgate-bindings"
TENANTS = ["team-a", "team-b"]


def installed(objects: Iterable[Object]) -> dict[Key, Object]:
    """What stays in the cluster, without what only says who put it there and without a default that helm spells out."""
    found = {key: essence(obj) for key, obj in by_key(o for o in objects if not is_hook(o)).items()}
    for _, pod in pod_templates(found.values()):
        for container in pod["spec"]["containers"]:
            assert container.pop("imagePullPolicy", "IfNotPresent") == "IfNotPresent"
    return found


@pytest.mark.parametrize(
    ("kustomization", "values"),
    [(BASE, {}), (ROOT / "manifests" / "namespaced", {"namespaces": TENANTS})],
    ids=["default", "namespaced"],
)
def test_it_makes_the_same_objects_as_kustomize(kustomization: Path, values: dict[str, Any]) -> None:
    """But for its own namespace, which is the administrator's to make: helm has --create-namespace for that."""
    expected = installed(render(kustomization))
    del expected["Namespace", SYSTEM, None]
    found = installed(template(values))
    assert found.keys() == expected.keys()
    assert {key: found[key] for key in found if found[key] != expected[key]} == {}


def test_a_difference_is_noticed() -> None:
    """The comparison above can fail."""
    assert installed(template({"replicaCount": 3})) != installed(template())


def test_what_it_shares_with_the_rest_of_the_repository_is_up_to_date() -> None:
    """`make chart` brings the copies of the definition, of the roles and of the schema up to date."""
    command = [sys.executable, str(ROOT / ".ci" / "chart.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.returncode) == ("", 0)


def test_helm_finds_nothing_to_say_against_it() -> None:
    done = helm("lint", "--strict", "--quiet", CHART)
    assert (done.stdout.strip(), done.returncode) == ("", 0)


def test_it_installs_this_version() -> None:
    """Chart, application and image are of one version unless somebody chose otherwise."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    (container,) = find(template(), "Deployment", "hookgate-operator", SYSTEM)["spec"]["template"]["spec"]["containers"]
    assert chart["appVersion"] == __version__
    assert container["image"] == f"hookgate:{__version__}"
    assert {"name": "HOOKGATE_IMAGE", "value": container["image"]} in container["env"]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ({"registry": "registry.example.com", "repository": "apps/hookgate"}, "registry.example.com/apps/hookgate:"),
        ({"tag": "1.2.3", "digest": f"sha256:{'a' * 64}"}, f"hookgate@sha256:{'a' * 64}"),
        ({"tag": "1.2.3"}, "hookgate:1.2.3"),
    ],
)
def test_operator_and_receivers_get_the_image_that_is_named(image: dict[str, str], name: str) -> None:
    """A digest wins over a tag."""
    found = template({f"image.{key}": value for key, value in image.items()})
    (container,) = find(found, "Deployment", "hookgate-operator", SYSTEM)["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith(name)
    assert {"name": "HOOKGATE_IMAGE", "value": container["image"]} in container["env"]


def test_elsewhere_everything_is_elsewhere() -> None:
    """In other namespaces than the usual ones no name of these is left, and the operator is told."""
    found = template({"bindings.namespace": "keys"}, namespace="hooks")
    assert SYSTEM not in str(found)
    assert BINDINGS not in str(found)
    (container,) = find(found, "Deployment", "hookgate-operator", "hooks")["spec"]["template"]["spec"]["containers"]
    assert {"--system-namespace=hooks", "--bindings-namespace=keys"} <= set(container["args"])
    assert find(found, "Role", "hookgate-receiver", "keys")


def test_a_service_account_of_another_name_has_the_rights() -> None:
    found = [o for o in template({"serviceAccount.name": "boss"}) if not is_hook(o)]
    subjects = {s["name"] for b in of_kind(found, "RoleBinding", "ClusterRoleBinding") for s in b["subjects"]}
    assert subjects == {"boss", "hookgate-receiver"}
    assert find(found, "ServiceAccount", "boss", SYSTEM)


def test_the_definition_and_the_keys_survive_the_removal_of_the_release_unless_told_otherwise() -> None:
    """With the definition every endpoint would go, with the namespace what `Retain` left behind."""

    def kept(values: dict[str, Any]) -> set[str]:
        return {
            obj["kind"]
            for obj in template(values)
            if (obj["metadata"].get("annotations") or {}).get("helm.sh/resource-policy") == "keep"
        }

    assert kept({}) == {"CustomResourceDefinition", "Namespace"}
    assert kept({"crds.keep": False, "bindings.keep": False}) == set()
    assert list(of_kind(template({"crds.enabled": False}), "CustomResourceDefinition")) == []


def test_as_shipped_it_opens_nothing() -> None:
    """hookgate.yaml decides nothing that would not hold without it."""
    text = find(template(), "ConfigMap", "hookgate-config", SYSTEM)["data"]["hookgate.yaml"]
    assert parse_config(text, source="hookgate.yaml") == default_config()


def test_what_the_platform_offers_is_taken_from_the_values() -> None:
    host = {"name": "hooks.example.com", "namespaces": ["team-*"], "exposure": "ingress"}
    found = template({"config": {"hosts": [host], "receiver": {"managed": {"replicas": 3}}}})
    text = find(found, "ConfigMap", "hookgate-config", SYSTEM)["data"]["hookgate.yaml"]
    assert [each.name for each in parse_config(text, source="hookgate.yaml").hosts] == ["hooks.example.com"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"replicas": 3}, "replicas"),
        ({"replicaCount": 0}, "/replicaCount"),
        ({"crds.install": True}, "install"),
        ({"image.digest": "sha256:abc"}, "/image/digest"),
        ({"namespaces": ["Team_A"]}, "/namespaces/0"),
        ({"config.hosts": [{"name": "hooks.example.com"}]}, "exposure"),
        ({"config.hosts": [{"name": "Not A Host", "exposure": "ingress"}]}, "/config/hosts/0/name"),
        ({"config.targets": {"url": []}}, "url"),
    ],
)
def test_a_mistake_in_the_values_is_refused_by_name(values: dict[str, Any], named: str) -> None:
    """Also in hookgate.yaml, before an operator would have to tell of it."""
    assert named in refusal(values)


def test_the_roles_for_people_join_the_built_in_ones_only_where_asked_to() -> None:
    def aggregated(values: dict[str, Any]) -> set[str]:
        labels = [role["metadata"]["labels"] for role in of_kind(template(values), "ClusterRole")]
        return {label for each in labels for label in each if "aggregate-to" in label}

    assert aggregated({}) == set()
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    assert aggregated({"global.rbac.aggregateClusterRoles": True}) == {f"{prefix}edit", f"{prefix}view"}


def test_labels_of_the_platform_are_on_every_object() -> None:
    found = template({"global.commonLabels": {"owner": "platform"}})
    assert [obj["metadata"]["name"] for obj in found if obj["metadata"]["labels"].get("owner") != "platform"] == []

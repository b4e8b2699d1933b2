"""What an installation creates, as the README's tables: every object with what it is for, every right with who has it.

`python -m tests.manifests.inventory` prints them. It knows no cluster: rendering is a local computation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from tests.manifests.render import BASE, Object, find, of_kind, render

#: What each object is for. An object without a line here is noticed by a test.
PURPOSES = {
    ("Namespace", "hookgate-system"): "operator, receivers and routes (helm: `--create-namespace` makes it)",
    ("Namespace", "hookgate-bindings"): "every endpoint's path and keys; nobody else should have rights there",
    ("CustomResourceDefinition", "webhookendpoints.hookgate.dev"): "the kind WebhookEndpoint",
    ("ServiceAccount", "hookgate-operator"): "who the operator is",
    ("ServiceAccount", "hookgate-receiver"): "who the receivers are",
    ("ConfigMap", "hookgate-config"): "`hookgate.yaml`",
    ("Deployment", "hookgate-operator"): "two operators, one of which acts",
    ("PodDisruptionBudget", "hookgate-operator"): "one of them stays when nodes are drained",
    ("ClusterRole", "hookgate-operator"): "what the operator may do where endpoints are",
    ("ClusterRole", "hookgate-operator-classes"): "see which IngressClasses there are",
    ("ClusterRole", "hookgate-edit"): "for people: configure endpoints",
    ("ClusterRole", "hookgate-view"): "for people: see endpoints",
    ("ClusterRoleBinding", "hookgate-operator"): "everywhere",
    ("ClusterRoleBinding", "hookgate-operator-classes"): "everywhere",
    ("Role", "hookgate-operator"): "what the operator may do there",
    ("Role", "hookgate-receiver"): "what receivers may do there",
    ("RoleBinding", "hookgate-operator"): "there",
    ("RoleBinding", "hookgate-receiver"): "there",
}


def objects_table(objects: Iterable[Object]) -> Iterator[str]:
    """Every object, in the order in which kustomize has it."""
    yield "| object | name | namespace | what it is for |"
    yield "|---|---|---|---|"
    for obj in objects:
        name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace", "")
        yield f"| {obj['kind']} | {name} | {namespace} | {PURPOSES[obj['kind'], name]} |"


def rights_table(objects: list[Object]) -> Iterator[str]:
    """Every rule of every role that a service account is bound to, and those for people."""
    yield "| who | where | what | may |"
    yield "|---|---|---|---|"
    for binding in of_kind(objects, "ClusterRoleBinding", "RoleBinding"):
        place, reference = binding["metadata"].get("namespace"), binding["roleRef"]
        role = find(objects, reference["kind"], reference["name"], place if reference["kind"] == "Role" else None)
        for subject in binding["subjects"]:
            yield from _rules(subject["name"].removeprefix("hookgate-"), place or "every namespace", role)
    for name in ("hookgate-edit", "hookgate-view"):
        yield from _rules(f"whoever is bound to {name}", "where bound", find(objects, "ClusterRole", name))


def _rules(who: str, where: str, role: Object) -> Iterator[str]:
    for rule in role["rules"]:
        named = f" named {', '.join(rule['resourceNames'])}" if "resourceNames" in rule else ""
        yield f"| {who} | {where} | {', '.join(rule['resources'])}{named} | {', '.join(rule['verbs'])} |"


def tables() -> str:
    """Both tables, as they stand in the README."""
    objects = render(BASE)
    return "\n".join([*objects_table(objects), "", *rights_table(objects)])


if __name__ == "__main__":
    sys.stdout.write(tables() + "\n")

"""The overlay for some namespaces: no right on any Secret elsewhere, and its lists agree."""

from __future__ import annotations

import pytest

from tests.manifests.render import BASE, ROOT, Object, find, of_kind, render

OVERLAY = ROOT / "manifests" / "namespaced"
SYSTEM, BINDINGS = "hookgate-system", "hookgate-bindings"


@pytest.fixture(scope="module")
def overlay() -> list[Object]:
    """The overlay as rendered."""
    return render(OVERLAY)


def test_in_every_namespace_the_operator_may_take_its_finalizer_off_and_nothing_else(overlay: list[Object]) -> None:
    """Beside that, it may see which classes of Ingress there are."""
    rules = [
        rule
        for binding in of_kind(overlay, "ClusterRoleBinding")
        for rule in find(overlay, "ClusterRole", binding["roleRef"]["name"])["rules"]
    ]
    assert rules == [
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses"], "verbs": ["list", "watch"]},
        {"apiGroups": ["hookgate.dev"], "resources": ["webhookendpoints"], "verbs": ["patch"]},
    ]


def test_it_has_rights_where_it_is_told_to_look(overlay: list[Object]) -> None:
    (container,) = find(overlay, "Deployment", "hookgate-operator", SYSTEM)["spec"]["template"]["spec"]["containers"]
    (named,) = (each.partition("=")[2].split(",") for each in container["args"] if each.startswith("--namespaces="))
    bound = [
        each["metadata"]["namespace"]
        for each in of_kind(overlay, "RoleBinding")
        if each["roleRef"]
        == {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "hookgate-operator"}
    ]
    assert bound == named
    assert len(named) == 2


def test_all_else_is_the_base(overlay: list[Object]) -> None:
    """What is mended there is mended here."""
    known = {(o["kind"], o["metadata"]["name"], o["metadata"].get("namespace")): o for o in overlay}
    changed = [
        (o["kind"], o["metadata"]["name"])
        for o in render(BASE)
        if known.get((o["kind"], o["metadata"]["name"], o["metadata"].get("namespace"))) != o
    ]
    assert sorted(changed) == [("ClusterRoleBinding", "hookgate-operator"), ("Deployment", "hookgate-operator")]

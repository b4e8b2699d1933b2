"""P21: each right that the operator and the receiver are given is needed, and none is a wildcard.

One verb on one kind is taken away at a time, wherever the shipped roles give it; then endpoints go through their lives,
and the API server has to refuse something.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.cluster.rest import path_of
from tests.faults.asked import BINDINGS, SYSTEM
from tests.faults.cases import Case, Scope
from tests.faults.operators import pause_until
from tests.faults.stand import GATEWAY_HOST, Stand

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ROLES = (
    f"{_RBAC}/clusterroles/hookgate-operator",
    f"{_RBAC}/namespaces/{BINDINGS}/roles/hookgate-operator",
    f"{_RBAC}/namespaces/{SYSTEM}/roles/hookgate-operator",
    f"{_RBAC}/namespaces/{BINDINGS}/roles/hookgate-receiver",
)
_QUICK = 3
_PATIENCE_S = 20.0

Right = tuple[str, str, str]


def rights(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Take each right away, one at a time."""
    shipped = {path: stand.admin.send("GET", path).body for path in _ROLES}
    wild = [r for role in shipped.values() for r in _given(role) if "*" in r]
    yield Case("P21", "no wildcards", str(wild) if wild else "")
    every = sorted({right for role in shipped.values() for right in _given(role)})
    mark = stand.proxy.mark()
    _life(stand)
    refused = [e for e in stand.proxy.since(mark) if e.status == 403]
    yield Case("P21", "with all of them nothing is refused", "; ".join(str(e.asked) for e in refused[:5]))
    wanted = [right for right in every if scope.only in right[1]]
    for right in wanted[:_QUICK] if scope.quick else wanted:
        for path, role in shipped.items():
            stand.admin.send("PUT", path, _without(role, right, path, stand))
        mark = stand.proxy.mark()
        _life(stand, until_refused=mark)
        refused = [e for e in stand.proxy.since(mark) if e.status == 403]
        yield Case("P21", f"without {right[2]} {right[1]}", "" if refused else "nothing was refused")
        for path, role in shipped.items():
            stand.admin.send("PUT", path, {**role, "metadata": _unversioned(role)})
        stand.clean()


def _given(role: dict[str, Any]) -> list[Right]:
    return [
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def _without(role: dict[str, Any], right: Right, path: str, stand: Stand) -> dict[str, Any]:
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        for group, resource, verb in _given(role)
        if (group, resource, verb) != right
    ]
    return {**role, "rules": rules, "metadata": _unversioned(role)}


def _unversioned(role: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in role["metadata"].items() if k not in ("resourceVersion", "managedFields")}


def _life(stand: Stand, until_refused: int | None = None) -> None:
    """Start anew, with receivers that the operator runs, and take endpoints through all that needs a right.

    With ``until_refused`` it ends at the first refusal since then.
    """

    def over() -> bool:
        return until_refused is not None and any(e.status == 403 for e in stand.proxy.since(until_refused))

    stand.end_operator()
    stand.configure(receiver={"addresses": [f"http://127.0.0.1:{stand.private}"]})
    stand.admin.delete("Lease", SYSTEM, "hookgate-operator")
    stand.restart_receiver(wait=False)
    stand.start_operator(lease={"lease_s": 3.0, "renew_deadline_s": 2.0, "retry_s": 0.4})
    team, other = stand.team(), stand.team()
    team.serve()
    team.create(target={"service": {"name": "app", "port": 8080}}, deletionPolicy="Retain")
    other.create(exposure={"host": GATEWAY_HOST})
    pause_until(lambda: over() or (team.says() == "True Active" and other.says() == "True Active"), _PATIENCE_S)
    if over():
        return
    endpoint = team.get()
    assert endpoint is not None, "no endpoint"
    data = {"data": {"surplus": "eA=="}}
    stand.admin.send(
        "PATCH", path_of("Secret", team.namespace, "ci-webhook"), data, content_type="application/merge-patch+json"
    )
    team.patch(auth={"secret": {"rotate": "1"}})
    other.patch(exposure={"host": "hooks.example.com"})
    other.patch(secretName="elsewhere")
    pause_until(lambda: over() or (team.says() == "True Active" and other.says() == "True Active"), _PATIENCE_S)
    team.delete()
    other.delete()
    pause_until(lambda: over() or (team.get() is None and other.get() is None), _PATIENCE_S)
    _managed(stand)
    pause_until(lambda: over() or _deployed(stand), _PATIENCE_S)
    if not over() and _deployed(stand):
        path = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/hookgate-receiver"
        stand.admin.send("PATCH", path, {"spec": {"replicas": 7}}, content_type="application/merge-patch+json")
        service = f"/api/v1/namespaces/{SYSTEM}/services/hookgate-receiver"
        changed = {"spec": {"selector": {"drift": "yes"}}}
        stand.admin.send("PATCH", service, changed, content_type="application/merge-patch+json")
        pause_until(lambda: over() or not _drifted(stand), _PATIENCE_S)
    for path in (
        f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/hookgate-receiver",
        f"/api/v1/namespaces/{SYSTEM}/services/hookgate-receiver",
    ):
        stand.end_operator()
        stand.admin.send("DELETE", path)


def _managed(stand: Stand) -> None:
    stand.configure(receiver={"managed": {"image": "example.com/hookgate:0", "replicas": 1}})


def _deployed(stand: Stand) -> bool:
    path = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/hookgate-receiver"
    service = f"/api/v1/namespaces/{SYSTEM}/services/hookgate-receiver"
    return stand.admin.send("GET", path).ok and stand.admin.send("GET", service).ok


def _drifted(stand: Stand) -> bool:
    path = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/hookgate-receiver"
    service = f"/api/v1/namespaces/{SYSTEM}/services/hookgate-receiver"
    replicas = stand.admin.send("GET", path).body["spec"]["replicas"]
    return replicas == 7 or "drift" in stand.admin.send("GET", service).body["spec"].get("selector", {})

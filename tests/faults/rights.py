"""P21: each right that the operator and the receiver are given is needed, and none is a wildcard.

One verb on one kind is taken away at a time, wherever the shipped roles give it; then endpoints go through their lives,
and the API server has to refuse something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.cluster.rest import path_of
from tests.faults.asked import BINDINGS, SYSTEM
from tests.faults.cases import Case, Scope
from tests.faults.operators import pause_until
from tests.faults.stand import GATEWAY_HOST, Stand

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ROLES = (
    f"{_RBAC}/clusterroles/hookgate-operator",
    f"{_RBAC}/clusterroles/hookgate-operator-classes",
    f"{_RBAC}/namespaces/{BINDINGS}/roles/hookgate-operator",
    f"{_RBAC}/namespaces/{SYSTEM}/roles/hookgate-operator",
    f"{_RBAC}/namespaces/{BINDINGS}/roles/hookgate-receiver",
)
_QUICK = 3
_PATIENCE_S = 60.0
_AUTOSCALER = f"/apis/autoscaling/v2/namespaces/{SYSTEM}/horizontalpodautoscalers/hookgate-receiver"
_TOLD = f"/api/v1/namespaces/{SYSTEM}/configmaps/hookgate-status"
#: What the operator makes of receivers that it runs, and a change that it has to undo.
MADE: Mapping[str, dict[str, Any]] = {
    f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/hookgate-receiver": {
        "spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}
    },
    f"/api/v1/namespaces/{SYSTEM}/services/hookgate-receiver": {"spec": {"selector": {"drift": "yes"}}},
    f"/apis/policy/v1/namespaces/{SYSTEM}/poddisruptionbudgets/hookgate-receiver": {"spec": {"maxUnavailable": 3}},
    _AUTOSCALER: {"spec": {"maxReplicas": 9}},
}

#: Group, kind, verb, and the only names that it is for, if there are any.
Right = tuple[str, str, str, tuple[str, ...]]


def rights(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Take each right away, one at a time."""
    shipped = {path: stand.admin.send("GET", path).body for path in _ROLES}
    wild = [r for role in shipped.values() for r in _given(role) if "*" in r]
    yield Case("P21", "no wildcards", str(wild) if wild else "")
    every = sorted({(*right[:3], ()) for role in shipped.values() for right in _given(role)})
    mark = stand.proxy.mark()
    _life(stand)
    refused = [e for e in stand.proxy.log[mark:] if e.status == 403]
    yield Case("P21", "with all of them nothing is refused", "; ".join(str(e.asked) for e in refused[:5]))
    wanted = [right for right in every if scope.only in right[1]]
    for right in wanted[:_QUICK] if scope.quick else wanted:
        for path, role in shipped.items():
            stand.admin.send("PUT", path, _without(role, right, path, stand))
        mark = stand.proxy.mark()
        _life(stand, until_refused=mark)
        refused = [e for e in stand.proxy.log[mark:] if e.status == 403]
        yield Case("P21", f"without {right[2]} {right[1]}", "" if refused else "nothing was refused")
        for path, role in shipped.items():
            stand.admin.send("PUT", path, {**role, "metadata": _unversioned(role)})
        stand.clean()


def _given(role: dict[str, Any]) -> list[Right]:
    return [
        (group, resource, verb, tuple(rule.get("resourceNames", ())))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def _without(role: dict[str, Any], right: Right, path: str, stand: Stand) -> dict[str, Any]:
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": [verb], **({"resourceNames": names} if names else {})}
        for group, resource, verb, names in _given(role)
        if (group, resource, verb) != right[:3]
    ]
    return {**role, "rules": rules, "metadata": _unversioned(role)}


def _unversioned(role: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in role["metadata"].items() if k not in ("resourceVersion", "managedFields")}


def _life(stand: Stand, until_refused: int | None = None) -> None:
    """Start anew, with receivers that the operator runs, and take endpoints through all that needs a right.

    With ``until_refused`` it ends at the first refusal since then.
    """

    def over() -> bool:
        return until_refused is not None and any(e.status == 403 for e in stand.proxy.log[until_refused:])

    stand.end_operator()
    stand.configure(receiver={"addresses": [f"http://127.0.0.1:{stand.private}"]})
    stand.admin.delete("Lease", SYSTEM, "hookgate-operator")
    stand.restart_receiver(wait=False)
    stand.start_operator(lease={"lease_s": 15.0, "renew_deadline_s": 10.0, "retry_s": 2.0})
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
    _receivers(stand, over)
    stand.end_operator()
    for path in (*MADE, _TOLD):
        stand.admin.send("DELETE", path)


def _receivers(stand: Stand, over: Callable[[], bool]) -> None:
    """Have receivers made, changed by others, scaled by an autoscaler and no more, and given up."""

    def made() -> bool:
        return all(stand.admin.send("GET", path).ok for path in (*MADE, _TOLD))

    managed = {"image": "example.com/hookgate:0", "autoscaling": {"minReplicas": 1, "maxReplicas": 3}}
    stand.configure(receiver={"managed": managed})
    pause_until(lambda: over() or made(), _PATIENCE_S)
    for path, drift in {} if over() else MADE.items():
        stand.admin.send("PATCH", path, drift, content_type="application/merge-patch+json")
    pause_until(lambda: over() or not _drifted(stand), _PATIENCE_S)
    stand.configure(receiver={"managed": {"image": "example.com/hookgate:0", "replicas": 1}})
    pause_until(lambda: over() or stand.admin.send("GET", _AUTOSCALER).status == 404, _PATIENCE_S)
    stand.configure(receiver={"addresses": [f"http://127.0.0.1:{stand.private}"]})
    pause_until(lambda: over() or "NotManaged" in str(stand.admin.send("GET", _TOLD).body), _PATIENCE_S)


def _drifted(stand: Stand) -> bool:
    """Whether anything still says what somebody else wrote into it."""
    found = [(stand.admin.send("GET", path).body, drift) for path, drift in MADE.items()]
    return any(_holds(body, drift) for body, drift in found)


def _holds(body: Any, drift: Any) -> bool:
    if isinstance(drift, dict):
        return isinstance(body, dict) and all(_holds(body.get(key), value) for key, value in drift.items())
    return bool(body == drift)

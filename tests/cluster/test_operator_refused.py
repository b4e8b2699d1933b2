"""What the API server itself refuses, by a quota or a policy: the endpoint says so, and is revoked all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster.calls import github
from tests.cluster.plane import SYSTEM, Plane
from tests.cluster.rest import path_of
from tests.cluster.team import Team, condition, route_name

_POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
_BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


def test_a_quota_that_leaves_no_room_for_the_connection_secret_is_told(team: Team) -> None:
    """Once, by name; and the endpoint is made as soon as there is room."""
    admin = team.plane.admin
    path = f"/api/v1/namespaces/{team.namespace}/resourcequotas"
    quota: dict[str, Any] = {"metadata": {"name": "full"}, "spec": {"hard": {"count/secrets": "0"}}}
    assert admin.send("POST", path, quota).ok
    # There is no controller here that would count.
    counted = {"status": {"hard": {"count/secrets": "0"}, "used": {"count/secrets": "0"}}}
    patch = "application/merge-patch+json"
    assert admin.send("PATCH", f"{path}/full/status", counted, content_type=patch).ok
    secret = {"metadata": {"name": "probe"}}
    dry = f"{path_of('Secret', team.namespace)}?dryRun=All"
    team.plane.wait(lambda: admin.send("POST", dry, secret).status == 403, "the quota to be in force")
    team.create("push")
    endpoint = team.until("push", "Ready", "False", "WriteRefused")
    told = condition(endpoint, "Ready")["message"]
    assert f"create Secret {team.namespace}/push-webhook: 403 Forbidden" in told
    assert "quota" not in told
    assert condition(endpoint, "Stalled")["status"] == "True"
    assert admin.send("DELETE", f"{path}/full").ok
    team.ready("push")
    assert [event["reason"] for event in team.events("push")].count("WriteRefused") == 1


def test_a_route_that_may_not_be_deleted_leads_nowhere(team: Team) -> None:
    """The endpoint is not absent yet, and says what keeps it; calls get 404 from then on."""
    endpoint = team.created("push")
    url, signed = endpoint["status"]["url"], github(team.connection("push")["secret"], b"{}")
    with kept(team.plane, route_name(endpoint)):
        team.patch("push", state="absent")
        team.answers(404, url, b"{}", signed)
        told = condition(team.until("push", "Ready", "False", "WriteRefused"), "Ready")["message"]
        assert f"delete Ingress {SYSTEM}/{route_name(endpoint)}" in told
        assert "nobody may" not in told
        assert team.binding(endpoint) is None
        assert team.route(endpoint) is not None
        others = team.created("other")
        assert team.route(others) is not None
    team.plane.wait(lambda: team.route(endpoint) is None, "the route to go")
    team.ready("push", "Absent")
    assert team.left_of(endpoint) == []


@contextmanager
def kept(plane: Plane, name: str) -> Iterator[None]:
    """Let nobody delete one Ingress."""
    rule = {
        "apiGroups": ["networking.k8s.io"],
        "apiVersions": ["v1"],
        "operations": ["DELETE"],
        "resources": ["ingresses"],
    }
    policy = {
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": f"oldObject.metadata.name != '{name}'", "message": "nobody may"}],
        },
    }
    binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
    for path, obj in ((_POLICIES, policy), (_BINDINGS, binding)):
        reply = plane.admin.send("POST", path, obj)
        assert reply.ok, reply.message
    dry = f"{path_of('Ingress', SYSTEM, name)}?dryRun=All"
    try:
        plane.wait(lambda: plane.admin.send("DELETE", dry).status == 422, "the policy to be in force")
        yield
    finally:
        for path in (_BINDINGS, _POLICIES):
            plane.admin.send("DELETE", f"{path}/{name}")

"""What a team may write gives it nothing that it may not have, and takes nothing from others.

The tenant here is a service account that may edit endpoints in its own namespace (the shipped role ``hookgate-edit``)
and nothing else; where it may write Secrets too, a test says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cluster.calls import github
from tests.cluster.plane import BINDINGS, FOREIGN_HOST
from tests.cluster.rest import PATHS, Rest, path_of
from tests.cluster.team import GITHUB, Object, Team, condition, encoded, route_name

VALUE = b"another application's password"

#: What nobody may do without these roles.
RIGHTS = {"hookgate-edit": ("create", "webhookendpoints.hookgate.dev"), "edit": ("create", "secrets")}


@pytest.fixture
def victim(teams: Callable[[], Team]) -> Team:
    """Another team, with an endpoint that serves."""
    made = teams()
    made.created("push")
    return made


@pytest.fixture
def tenant(team: Team) -> Rest:
    """The tenant of ``team``'s namespace, as the API server knows it."""
    return account(team, "tenant", "hookgate-edit")


def account(team: Team, name: str, *roles: str) -> Rest:
    """A service account in the team's namespace, bound there to some of the cluster roles in `RIGHTS`."""
    cluster, admin, namespace = team.plane.cluster, team.plane.admin, team.namespace
    group = "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": namespace}
    admin.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    for role in roles:
        admin.create(
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": f"{name}-{role}", "namespace": namespace},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", **metadata}],
            }
        )
        cluster.until_allowed(f"system:serviceaccount:{namespace}:{name}", *RIGHTS[role], namespace)
    made = admin.send("POST", f"{path_of('ServiceAccount', namespace, name)}/token", {"spec": {}})
    return Rest(cluster.url, str(cluster.ca_file), made.body["status"]["token"])


def serves(team: Team, url: str, secret: bytes) -> bool:
    """Whether a call signed with that secret gets through."""
    return team.call(url, b"{}", github(secret, b"{}")).status == 200


def told(team: Team) -> str:
    """Everything that a tenant can read about its endpoints: objects and Events."""
    objects = team.plane.admin.list("WebhookEndpoint", team.namespace)
    return repr(objects) + repr(team.plane.admin.list("Event", team.namespace))


# Secrets --------------------------------------------------------------------------------------------------------------


def test_the_tenant_reads_no_secret_and_writes_no_status(team: Team, tenant: Rest) -> None:
    """The role is as narrow as it is meant to be: the tests below rest on that."""
    team.created("push")
    status = f"{path_of('WebhookEndpoint', team.namespace, 'push')}/status"
    tried = [
        tenant.send("GET", path_of("Secret", team.namespace)),
        tenant.send("GET", path_of("Secret", team.namespace, "push-webhook")),
        tenant.send("GET", path_of("Secret", BINDINGS)),
        tenant.send("GET", path_of("WebhookEndpoint", None)),
        tenant.send("PATCH", status, {"status": {}}, content_type="application/merge-patch+json"),
    ]
    assert [reply.status for reply in tried] == [403] * 5


def test_a_status_that_the_tenant_brings_along_counts_for_nothing(team: Team, tenant: Rest) -> None:
    """It would tell of a secret that was lost, or of a digest that receivers confirmed."""
    brought = {"secretName": "push-webhook", "bindingDigest": "0" * 64, "url": "https://hooks.example.com/h/x"}
    tenant.create({**team.endpoint("push"), "status": brought})
    status = team.ready("push", "Active")["status"]
    assert status["bindingDigest"] != brought["bindingDigest"]
    assert status["url"] != brought["url"]
    assert serves(team, status["url"], team.connection("push")["secret"])


def test_a_secret_without_our_label_is_never_used(team: Team, tenant: Rest) -> None:
    """Else whoever may write endpoints could find out what any Secret holds by signing guesses with it."""
    team.give_secret("database", VALUE, labelled=False, key="password")
    reference = {"ref": {"name": "database", "key": "password"}}
    tenant.create(team.endpoint("push", auth={**GITHUB, "secret": reference}))
    endpoint = team.until("push", "Ready", "False", "SecretNotUsable")
    url = endpoint["status"]["url"]
    assert team.call(url, b"{}", github(VALUE, b"{}")).status == 503
    assert "label" in condition(endpoint, "ResolvedRefs")["message"]
    assert VALUE.decode() not in told(team)
    assert set(team.connection("push")) == {"url", "header", "forward-secret"}


def test_a_secret_without_our_label_is_not_used_as_a_previous_one_either(team: Team, tenant: Rest) -> None:
    """Every reference is judged, and a good one goes on verifying."""
    team.give_secret("good", b"good")
    team.give_secret("database", VALUE, labelled=False)
    secret = {"ref": {"name": "good"}, "previousRefs": [{"name": "database"}]}
    tenant.create(team.endpoint("push", auth={**GITHUB, "secret": secret}))
    url = team.until("push", "Ready", "False", "SecretNotUsable")["status"]["url"]
    team.answers(200, url, b"{}", github(b"good", b"{}"))
    assert team.call(url, b"{}", github(VALUE, b"{}")).status == 401


def test_a_connection_secret_of_another_endpoint_is_no_reference(team: Team, tenant: Rest) -> None:
    """Our own Secrets do not carry the label that would let others use them."""
    team.created("first")
    reference = {"ref": {"name": "first-webhook"}}
    tenant.create(team.endpoint("second", auth={**GITHUB, "secret": reference}))
    assert team.until("second", "Ready", "False", "SecretNotUsable")


@pytest.mark.parametrize("labelled", [False, True], ids=["plain", "labelled"])
def test_a_secret_that_has_the_name_already_is_left_untouched(team: Team, tenant: Rest, labelled: bool) -> None:
    """Neither adopted nor changed, also when the endpoint is changed, deconfigured and deleted."""
    team.give_secret("database", VALUE, labelled=labelled)
    before = team.plane.admin.get("Secret", team.namespace, "database")
    tenant.create(team.endpoint("push", secretName="database"))
    endpoint = team.until("push", "Ready", "False", "SecretNameTaken")
    assert "secretName" not in endpoint["status"]
    team.patch("push", state="absent")
    team.ready("push", "Absent")
    tenant.delete("WebhookEndpoint", team.namespace, "push")
    team.gone("push")
    assert team.plane.admin.get("Secret", team.namespace, "database") == before


def test_an_endpoint_that_serves_is_not_led_to_a_foreign_secret_by_a_new_name(team: Team, tenant: Rest) -> None:
    """A changed secretName that is somebody else's stops nothing and moves nothing."""
    team.give_secret("database", VALUE, labelled=False)
    before = team.plane.admin.get("Secret", team.namespace, "database")
    url = team.created("push")["status"]["url"]
    secret = team.connection("push")["secret"]
    team.patch("push", secretName="database")
    team.until("push", "Ready", "False", "SecretNameTaken")
    assert team.plane.admin.get("Secret", team.namespace, "database") == before
    assert serves(team, url, secret)


# Other namespaces -----------------------------------------------------------------------------------------------------

CROSSINGS: dict[str, Object] = {
    "secret": {"auth": {**GITHUB, "secret": {"ref": {"name": "shared", "namespace": "elsewhere"}}}},
    "service": {"target": {"service": {"name": "shared", "port": 80, "namespace": "elsewhere"}}},
    "connection": {"secretNamespace": "elsewhere"},
}


@pytest.mark.parametrize("crossing", CROSSINGS, ids=list(CROSSINGS))
def test_no_field_leads_into_another_namespace(team: Team, tenant: Rest, crossing: str) -> None:
    """A strict server refuses such a field, one that is told to ignore it drops it."""
    manifest = team.endpoint("push", **CROSSINGS[crossing])
    refused = tenant.try_create(manifest)
    assert (refused.status, "unknown field" in refused.message) == (400, True)
    taken = tenant.try_create(manifest, query="fieldValidation=Ignore")
    assert taken.ok
    assert "elsewhere" not in repr(taken.body["spec"])


def test_names_are_looked_up_at_home_even_where_others_have_them(team: Team, victim: Team, tenant: Rest) -> None:
    """A Secret and a Service of another team are as good as none."""
    victim.give_secret("shared", VALUE)
    service = {"metadata": {"name": "shared", "namespace": victim.namespace}, "spec": {"ports": [{"port": 80}]}}
    team.plane.admin.create({"apiVersion": "v1", "kind": "Service", **service})
    tenant.create(team.endpoint("by-secret", auth={**GITHUB, "secret": {"ref": {"name": "shared"}}}))
    tenant.create(team.endpoint("by-service", target={"service": {"name": "shared", "port": 80}}))
    url = team.until("by-secret", "Ready", "False", "SecretNotUsable")["status"]["url"]
    assert team.call(url, b"{}", github(VALUE, b"{}")).status == 503
    assert team.until("by-service", "Ready", "False", "TargetNotFound")


def test_a_host_of_others_is_refused_and_gets_nothing(team: Team, tenant: Rest) -> None:
    """No secret, no path, no route."""
    tenant.create(team.endpoint("push", exposure={"host": FOREIGN_HOST}))
    endpoint = team.until("push", "Accepted", "False", "HostNotAllowed")
    assert team.left_of(endpoint) == []
    assert "url" not in endpoint["status"]


def test_a_url_that_is_not_offered_is_no_target(team: Team, tenant: Rest) -> None:
    """Not the API server, not a metadata service, not a longer name that begins like an offered one."""
    offered = urlsplit(team.target.url)
    urls = [
        team.plane.cluster.url,
        "http://169.254.169.254/latest/meta-data/",
        f"http://{offered.hostname}:{(offered.port or 0) + 1}/",
        f"http://{offered.netloc}.example.com/",
        f"{team.target.url}@example.com/",
    ]
    names = [f"push-{i}" for i in range(len(urls))]
    refused = {}
    for name, url in zip(names, urls, strict=True):
        reply = tenant.try_create(team.endpoint(name, target={"url": url}))
        refused[name] = not reply.ok or bool(team.until(name, "Accepted", "False", "TargetNotAllowed"))
    assert refused == dict.fromkeys(names, True)


# Planted objects: here the tenant may write Secrets of its namespace too ----------------------------------------------


def planted(team: Team, endpoint: Object, url: str, secret: bytes) -> Object:
    """A connection Secret as Hookgate would write it, with another's URL."""
    uid = endpoint["metadata"]["uid"]
    owner = {"apiVersion": "hookgate.dev/v1alpha1", "kind": "WebhookEndpoint", "name": "push", "uid": uid}
    labels = {
        "app.kubernetes.io/managed-by": "hookgate",
        "hookgate.dev/role": "connection",
        "hookgate.dev/endpoint-uid": uid,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "push-webhook",
            "namespace": team.namespace,
            "labels": labels,
            "ownerReferences": [{**owner, "controller": True}],
        },
        "data": encoded({"url": url.encode(), "header": b"X-Hub-Signature-256", "secret": secret}),
    }


def test_a_planted_connection_secret_gives_neither_a_path_nor_a_key(team: Team, victim: Team) -> None:
    """Planted before there ever was one, with the owner reference and the URL of another team's endpoint."""
    url, secret = victim.get("push")["status"]["url"], victim.connection("push")["secret"]
    tenant = account(team, "writer", "hookgate-edit", "edit")
    endpoint = tenant.create(team.endpoint("push", state="absent"))
    tenant.create(planted(team, endpoint, url, b"the tenant's choice"))
    tenant.merge("WebhookEndpoint", team.namespace, "push", {"spec": {"state": "active"}})
    mine = team.ready("push", "Active")["status"]["url"]
    assert urlsplit(mine).path != urlsplit(url).path
    assert not serves(team, mine, b"the tenant's choice")
    assert serves(victim, url, secret)
    assert not serves(victim, url, b"the tenant's choice")


def test_a_lost_binding_is_not_rebuilt_on_the_path_of_others(team: Team, victim: Team) -> None:
    """Not even where the connection Secret, which the tenant may write, names it while nobody watches."""
    url, secret = victim.get("push")["status"]["url"], victim.connection("push")["secret"]
    endpoint = team.created("push")
    plane = team.plane
    plane.operator.end()
    tenant = account(team, "writer", "hookgate-edit", "edit")
    tenant.merge("Secret", team.namespace, "push-webhook", {"data": encoded({"url": url.encode()})})
    plane.admin.delete("Secret", BINDINGS, endpoint["metadata"]["uid"])
    plane.start()
    team.plane.wait(lambda: team.binding(endpoint) is not None, "the binding")
    mine = team.ready("push", "Active")["status"]["url"]
    team.plane.wait(lambda: team.connection("push")["url"].decode() == mine, "the connection Secret to tell the URL")
    assert urlsplit(mine).path != urlsplit(url).path
    assert serves(victim, url, secret)


def test_a_secret_that_claims_to_be_anothers_child_is_left_alone_and_changes_nothing(team: Team, victim: Team) -> None:
    """Labels with the uid of another team's endpoint lead nowhere."""
    endpoint = victim.get("push")
    tenant = account(team, "writer", "hookgate-edit", "edit")
    made = planted(team, endpoint, "https://hooks.example.com/h/x", b"x")
    del made["metadata"]["ownerReferences"]
    before = tenant.create(made)
    victim.patched("push", target={"timeout": "3s"})
    assert team.plane.admin.get("Secret", team.namespace, "push-webhook") == before
    assert serves(victim, endpoint["status"]["url"], victim.connection("push")["secret"])
    victim.delete("push")
    victim.gone("push")
    assert team.plane.admin.get("Secret", team.namespace, "push-webhook") == before


def test_routes_and_bindings_are_out_of_reach(team: Team, victim: Team) -> None:
    """Even one who may edit everything in its own namespace cannot touch where they are."""
    tenant = account(team, "writer", "hookgate-edit", "edit")
    endpoint = victim.get("push")
    tried = [
        tenant.send("DELETE", path_of("Secret", BINDINGS, endpoint["metadata"]["uid"])),
        tenant.send("DELETE", path_of("Ingress", "hookgate-system", route_name(endpoint))),
        tenant.send("GET", f"{PATHS['Secret'][0]}/secrets"),
        tenant.send("GET", path_of("WebhookEndpoint", victim.namespace, "push")),
    ]
    assert [reply.status for reply in tried] == [403] * 4


# Others go on ---------------------------------------------------------------------------------------------------------

BROKEN: list[Object] = [
    {"exposure": {"host": FOREIGN_HOST}},
    {"auth": {"type": "hmac", "provider": "unheard-of"}},
    {"auth": {"type": "none"}},
    {"auth": {**GITHUB, "secret": {"ref": {"name": "none"}}}},
    {"target": {"service": {"name": "none", "port": 80}}},
    {"target": {"url": "http://[::1]:1/"}},
    {"secretName": "database"},
    {"limits": {"maxBodyBytes": 10_485_760}, "target": {"timeout": "60s"}},
]


def test_a_pile_of_broken_endpoints_stops_nobody_else(team: Team, victim: Team, tenant: Rest) -> None:
    """The neighbour's endpoint serves on, and a new one of the neighbour's comes up."""
    url, secret = victim.get("push")["status"]["url"], victim.connection("push")["secret"]
    team.give_secret("database", VALUE, labelled=False)
    made: list[Any] = []
    for i in range(5):
        for j, spec in enumerate(BROKEN):
            manifest = team.endpoint(f"broken-{i}-{j}")
            manifest["spec"] |= {k: v for k, v in spec.items() if k != "target"}
            manifest["spec"]["target"] = spec.get("target", manifest["spec"]["target"])
            made.append(tenant.try_create(manifest).status)
    new = victim.created("new")
    assert serves(victim, url, secret)
    assert serves(victim, new["status"]["url"], victim.connection("new")["secret"])
    assert victim.patched("push", state="inactive")
    assert made.count(201) >= 30

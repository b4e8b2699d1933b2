"""What others change or delete is put back, and what Hookgate makes stands where the configuration says."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.cluster.calls import github
from tests.cluster.plane import BARE_HOST, BINDINGS, GATEWAY_HOST, HOST, SYSTEM
from tests.cluster.team import Object, Team, condition, data_of, encoded, route_name


def serves(team: Team, name: str) -> bool:
    """Whether a call with the secret that the connection Secret tells gets through at the URL that it tells."""
    told = team.connection(name)
    return team.call(told["url"].decode(), b"{}", github(told["secret"], b"{}")).status == 200


def essence(found: Object | None) -> Object:
    """What an object asks for, without what the server notes about its life."""
    assert found is not None
    return {key: found.get(key) for key in ("spec", "data", "type")} | {"labels": found["metadata"]["labels"]}


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"rules": [{"host": "evil.example.com"}]}},
        {"spec": {"ingressClassName": "another"}},
        {"metadata": {"labels": {"hookgate.dev/role": None}}},
    ],
    ids=["host", "class", "label"],
)
def test_a_changed_ingress_is_put_right(team: Team, change: Object) -> None:
    """Host, path and class are ours."""
    endpoint = team.created("push")
    before = essence(team.route(endpoint))
    team.plane.admin.merge("Ingress", SYSTEM, route_name(endpoint), change)
    team.plane.wait(lambda: essence(team.route(endpoint)) == before, "the Ingress to be as before")


def test_a_deleted_ingress_is_made_again(team: Team) -> None:
    """With the same path, and the endpoint never stops serving."""
    endpoint = team.created("push")
    before = essence(team.route(endpoint))
    team.plane.admin.delete("Ingress", SYSTEM, route_name(endpoint))
    team.plane.wait(lambda: team.route(endpoint) is not None, "the Ingress")
    assert essence(team.route(endpoint)) == before
    assert serves(team, "push")


@pytest.mark.parametrize(
    "change",
    [
        {"data": encoded({"secret": b"planted"})},
        {"data": {"url": None}},
        {"data": encoded({"surplus": b"x"})},
        {"metadata": {"labels": {"hookgate.dev/role": None, "hookgate.dev/endpoint-uid": None}}},
    ],
    ids=["secret", "url", "surplus", "labels"],
)
def test_a_changed_connection_secret_is_put_right(team: Team, change: Object) -> None:
    """Byte for byte, and what somebody else wrote there never verifies."""

    def now() -> Object:
        return essence(team.plane.admin.find("Secret", team.namespace, "push-webhook"))

    url = team.created("push")["status"]["url"]
    before = now()
    team.plane.admin.merge("Secret", team.namespace, "push-webhook", change)
    team.plane.wait(lambda: now() == before, "the connection Secret to be as before")
    assert team.call(url, b"{}", github(b"planted", b"{}")).status == 401
    assert serves(team, "push")


def test_a_deleted_connection_secret_is_made_again(team: Team) -> None:
    """With the same URL and secret."""
    team.created("push")
    before = team.connection("push")
    team.plane.admin.delete("Secret", team.namespace, "push-webhook")
    team.plane.wait(lambda: team.secret("push-webhook") is not None, "the connection Secret")
    assert team.connection("push") == before


def test_a_deleted_binding_is_rebuilt_with_the_same_path_and_key(team: Team) -> None:
    """From the connection Secret: the sender notices a moment's 404 and needs no new configuration."""
    endpoint = team.created("push")
    before = team.connection("push")
    team.plane.admin.delete("Secret", BINDINGS, endpoint["metadata"]["uid"])
    team.plane.wait(lambda: team.binding(endpoint) is not None, "the binding")
    team.plane.wait(lambda: serves(team, "push"), "the endpoint to serve again")
    assert team.connection("push") == before
    assert team.ready("push", "Active")["status"]["url"] == endpoint["status"]["url"]


def test_without_binding_and_connection_secret_the_secret_is_lost_until_a_rotation(team: Team) -> None:
    """No second secret is made silently; asked for, a new one and a new URL are."""
    endpoint = team.created("push")
    before = team.connection("push")
    plane = team.plane
    plane.operator.end()
    plane.admin.delete("Secret", team.namespace, "push-webhook")
    plane.admin.delete("Secret", BINDINGS, endpoint["metadata"]["uid"])
    plane.start()
    lost = team.until("push", "Ready", "False", "SecretLost")
    assert condition(lost, "Stalled")["reason"] == "SecretLost"
    assert team.call(before["url"].decode(), b"{}", github(before["secret"], b"{}")).status == 404

    team.patch("push", auth={"secret": {"rotate": "again"}})
    team.ready("push", "Active")
    after = team.connection("push")
    assert {before["secret"], before["url"]}.isdisjoint(after.values())
    assert serves(team, "push")


def test_a_gateway_host_gets_an_httproute(team: Team) -> None:
    """For the exact path, attached to the Gateway that the configuration names; no Ingress beside it."""
    endpoint = team.created("push", exposure={"host": GATEWAY_HOST})
    route = team.route(endpoint, "HTTPRoute")
    assert route is not None
    assert team.route(endpoint) is None
    (rule,) = route["spec"]["rules"]
    (ref,) = route["spec"]["parentRefs"]
    url = urlsplit(endpoint["status"]["url"])
    assert route["spec"]["hostnames"] == [GATEWAY_HOST] == [url.netloc]
    assert rule["matches"][0]["path"] == {"type": "Exact", "value": url.path}
    assert (ref["name"], ref["namespace"]) == ("public", "gateways")
    assert condition(endpoint, "Exposed")["status"] == "True"


def test_a_host_that_is_exposed_by_others_gets_no_route(team: Team) -> None:
    """The endpoint serves all the same, and says that its exposure is not Hookgate's."""
    endpoint = team.created("push", exposure={"host": BARE_HOST})
    assert (team.route(endpoint), team.route(endpoint, "HTTPRoute")) == (None, None)
    assert condition(endpoint, "Exposed")["reason"] == "NotManaged"
    assert serves(team, "push")


def test_another_host_moves_the_route_and_keeps_path_and_secret(team: Team) -> None:
    """From an Ingress to an HTTPRoute, without the old one left behind."""
    before = team.created("push")
    secret = team.connection("push")["secret"]
    after = team.patched("push", exposure={"host": GATEWAY_HOST})
    team.plane.wait(lambda: team.route(before) is None, "the Ingress to be gone")
    urls = [urlsplit(each["status"]["url"]) for each in (before, after)]
    assert [url.netloc for url in urls] == [HOST, GATEWAY_HOST]
    assert urls[0].path == urls[1].path
    assert team.connection("push")["secret"] == secret
    assert team.route(after, "HTTPRoute") is not None


def test_a_binding_that_is_tampered_with_fails_closed_and_is_told(team: Team) -> None:
    """What cannot be read is neither served nor overwritten."""
    endpoint = team.created("push")
    url, uid = endpoint["status"]["url"], endpoint["metadata"]["uid"]
    signed = github(team.connection("push")["secret"], b"{}")
    team.plane.admin.merge("Secret", BINDINGS, uid, {"data": encoded({"binding": b"garbage"})})
    team.until("push", "Ready", "False", "BindingUnreadable")
    team.answers(404, url, b"{}", signed)
    found = team.binding(endpoint)
    assert found is not None
    assert data_of(found) == {"binding": b"garbage"}

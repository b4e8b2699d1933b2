"""Deleted means: no longer reachable, and nothing left; whoever is away meanwhile does not hold it up for ever."""

from __future__ import annotations

import secrets
import signal

import pytest

from tests.cluster.calls import github
from tests.cluster.plane import BINDINGS, SYSTEM, Plane
from tests.cluster.target import Target
from tests.cluster.team import FINALIZER, Team


@pytest.fixture(scope="module")
def doomed(operated: Plane, target: Target) -> tuple[str, set[str]]:
    """A namespace with endpoints in several states, being deleted, and their uids.

    The namespace controller waits ten seconds before it looks again whether finalizers are gone: begin early.
    """
    team = Team(operated, target, f"test-{secrets.token_hex(5)}")
    operated.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team.namespace}})
    endpoints = [team.created(f"push-{i}") for i in range(3)]
    endpoints += [team.created("idle", state="inactive"), team.created("absent", state="absent")]
    team.create("broken", secretName="push-0-webhook")
    team.until("broken", "Ready", "False", "SecretNameTaken")
    operated.admin.delete("Namespace", None, team.namespace)
    return team.namespace, {endpoint["metadata"]["uid"] for endpoint in endpoints}


@pytest.fixture(autouse=True)
def _doomed_early(doomed: tuple[str, set[str]]) -> None:
    """Begins with the first test of this module."""


def test_a_deletion_waits_for_a_receiver_that_does_not_answer(team: Team) -> None:
    """As long as it may still serve, the object stays; when it is back and has let go, the object goes."""
    plane = team.plane
    endpoint = team.created("push")
    url, signed = endpoint["status"]["url"], github(team.connection("push")["secret"], b"{}")
    plane.receiver.pause()
    team.delete("push")
    plane.wait(lambda: team.route(endpoint) is None, "the route to be gone")
    assert team.binding(endpoint) is None
    assert team.get("push")["metadata"]["finalizers"] == [FINALIZER]
    assert team.secret("push-webhook") is not None
    plane.receiver.resume()
    team.gone("push")
    assert team.call(url, b"{}", signed).status == 404
    assert team.left_of(endpoint) == []


def test_a_deletion_waits_for_a_receiver_that_cannot_be_reached(team: Team) -> None:
    """By where it should be, nobody can tell one that has ended from one that serves on."""
    plane = team.plane
    endpoint = team.created("push")
    assert plane.receiver.end(signal.SIGTERM) == 0
    team.delete("push")
    plane.wait(lambda: team.route(endpoint) is None, "the route to be gone")
    plane.quiet()
    assert team.get("push")["metadata"]["finalizers"] == [FINALIZER]
    assert team.secret("push-webhook") is not None
    plane.start()
    team.gone("push")
    assert team.left_of(endpoint) == []


def test_a_deletion_that_began_while_no_operator_ran_is_finished_by_the_next(team: Team) -> None:
    """The finalizer keeps the object until then."""
    endpoint = team.created("push")
    team.plane.operator.end(signal.SIGTERM)
    team.delete("push")
    assert team.get("push")["metadata"]["deletionTimestamp"]
    team.plane.start()
    team.gone("push")
    assert team.left_of(endpoint) == []


def test_what_a_forced_finalizer_left_behind_is_swept_up(team: Team) -> None:
    """Binding and route of an object that went without us are removed by the next operator."""
    plane = team.plane
    endpoint = team.created("push")
    url, signed = endpoint["status"]["url"], github(team.connection("push")["secret"], b"{}")
    plane.operator.end(signal.SIGTERM)
    plane.admin.merge("WebhookEndpoint", team.namespace, "push", {"metadata": {"finalizers": None}})
    team.delete("push")
    team.gone("push")
    assert team.call(url, b"{}", signed).status == 200
    plane.start()
    team.answers(404, url, b"{}")
    plane.wait(lambda: team.left_of(endpoint) == [], "everything to be gone")


def test_a_retained_secret_outlives_its_endpoint(team: Team) -> None:
    """Nothing serves it any more, and nothing ties it to what is gone."""
    endpoint = team.created("push", deletionPolicy="Retain")
    told = team.connection("push")
    team.delete("push")
    team.gone("push")
    team.answers(404, told["url"].decode(), b"{}", github(told["secret"], b"{}"))
    kept = team.plane.admin.get("Secret", team.namespace, "push-webhook")
    assert team.connection("push") == told
    assert "ownerReferences" not in kept["metadata"]
    assert team.route(endpoint) is None


def test_a_deleted_namespace_is_finished_and_leaves_nothing_elsewhere(
    plane: Plane, doomed: tuple[str, set[str]]
) -> None:
    """Whatever state its endpoints were in, and whatever happened to operators and receivers meanwhile."""
    namespace, uids = doomed
    gone = lambda: plane.admin.find("Namespace", None, namespace) is None  # noqa: E731 -- a wait's condition
    plane.wait(gone, "the namespace to be gone", seconds=90)
    bindings = {each["metadata"]["name"] for each in plane.admin.list("Secret", BINDINGS)}
    routes = {each["metadata"]["name"].removeprefix("hookgate-") for each in plane.admin.list("Ingress", SYSTEM)}
    assert uids.isdisjoint(bindings | routes)

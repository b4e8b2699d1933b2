"""What no watch tells is found by looking again: an operator that runs on does not stay wrong for ever."""

from __future__ import annotations

import signal

import pytest

from tests.cluster.calls import github
from tests.cluster.operated import Standby
from tests.cluster.plane import BINDINGS, Plane, Program
from tests.cluster.team import Team


@pytest.fixture
def watchful(plane: Plane, standby: Standby) -> Program:
    """An operator that looks at everything about once a second, and that a pause does not cost its Lease."""
    plane.operator.end(signal.SIGTERM)
    return standby("--resync", "1", "--lease-duration", "0")[0]


@pytest.mark.parametrize("expired", [False, True], ids=["told by the watch", "never told"])
def test_an_endpoint_that_went_without_us_is_swept_up_at_the_next_look(
    team: Team, watchful: Program, expired: bool
) -> None:
    """Its finalizer was forced away: route and binding go, and the connection Secret with its owner.

    Where the watch has expired meanwhile (410), the list takes the cache's place, and what it lacks is gone.
    """
    plane = team.plane
    endpoint = team.created("push")
    url, signed = endpoint["status"]["url"], github(team.connection("push")["secret"], b"{}")
    watchful.pause()
    plane.admin.merge("WebhookEndpoint", team.namespace, "push", {"metadata": {"finalizers": None}})
    team.delete("push")
    team.gone("push")
    if expired:
        plane.cluster.expire_watches()
    watchful.resume()
    plane.wait(lambda: team.left_of(endpoint) == [], "everything to be swept up", seconds=60)
    team.answers(404, url, b"{}", signed)


def test_what_changed_while_the_watches_expired_is_brought_in_order(team: Team, watchful: Program) -> None:
    """A new endpoint, a changed one, drift of a binding and of a connection Secret: all of it was never told."""
    plane = team.plane
    endpoint = team.created("push")
    team.created("off")
    told = team.connection("push")
    watchful.pause()
    team.create("new")
    team.patch("off", state="inactive")
    plane.admin.delete("Secret", team.namespace, "push-webhook")
    plane.admin.delete("Secret", BINDINGS, team.get("off")["metadata"]["uid"])
    plane.cluster.expire_watches()
    watchful.resume()
    team.ready("new", "Active")
    team.ready("off", "Inactive")
    plane.wait(lambda: team.secret("push-webhook") is not None, "the connection Secret")
    assert team.connection("push") == told
    assert team.get("push")["metadata"]["uid"] == endpoint["metadata"]["uid"]

"""Many changes at once, in no order and without a pause: however they meet, everything ends as last asked for."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest

from tests.cluster.calls import github
from tests.cluster.plane import SYSTEM
from tests.cluster.team import Team, route_name

CHANGES = 120
NAMES = [f"push-{i}" for i in range(6)]


def state(team: Team, name: str, chance: random.Random) -> None:
    """Another state is asked for."""
    team.patch(name, state=chance.choice(["active", "inactive", "absent"]))


def timeout(team: Team, name: str, chance: random.Random) -> None:
    """Something else in the spec changes."""
    team.patch(name, target={"timeout": f"{chance.randrange(1, 60)}s"})


def rotation(team: Team, name: str, chance: random.Random) -> None:
    """A new secret is asked for."""
    team.patch(name, auth={"secret": {"rotate": str(chance.random())}})


def suspension(team: Team, name: str, chance: random.Random) -> None:
    """The endpoint is suspended, or no longer."""
    value = {"hookgate.dev/suspend": chance.choice(["true", None])}
    team.plane.admin.merge("WebhookEndpoint", team.namespace, name, {"metadata": {"annotations": value}})


def drift(team: Team, name: str, chance: random.Random) -> None:
    """Somebody deletes a child."""
    team.plane.admin.delete("Secret", team.namespace, f"{name}-webhook")
    team.plane.admin.delete("Ingress", SYSTEM, route_name(team.get(name)))


def replacement(team: Team, name: str, chance: random.Random) -> None:
    """The endpoint is deleted and created anew."""
    team.delete(name)
    team.gone(name)
    team.create(name)


def has_connection(team: Team, name: str) -> bool:
    """Whether an endpoint's connection Secret is there."""
    return team.secret(f"{name}-webhook") is not None


ACTIONS: list[Callable[[Team, str, random.Random], None]] = [
    *[state] * 6,
    *[timeout] * 3,
    rotation,
    suspension,
    drift,
    replacement,
]


@pytest.mark.parametrize("seed", [1])
def test_a_storm_of_changes_ends_as_last_asked_for(team: Team, seed: int) -> None:
    """All are asked to be active in the end, and all are, whole and serving; nothing waits for the next resync."""
    chance = random.Random(seed)
    for name in NAMES:
        team.create(name)
    for _ in range(CHANGES):
        chance.choice(ACTIONS)(team, chance.choice(NAMES), chance)
    for name in NAMES:
        annotations = {"hookgate.dev/suspend": None}
        change = {"metadata": {"annotations": annotations}, "spec": {"state": "active"}}
        team.plane.admin.merge("WebhookEndpoint", team.namespace, name, change)
    for name in NAMES:
        endpoint = team.ready(name, "Active")
        team.plane.wait(partial(has_connection, team, name), "the connection Secret")
        team.holds_together(endpoint)
        told = team.connection(name)
        assert team.call(told["url"].decode(), b"{}", github(told["secret"], b"{}")).status == 200

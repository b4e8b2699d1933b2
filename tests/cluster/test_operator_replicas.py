"""Several operators: one acts, the others stand by, ready and silent, and one of them goes on where the first ended."""

from __future__ import annotations

import signal

from tests.cluster.operated import Standby
from tests.cluster.plane import GATEWAY_HOST, SYSTEM, Plane, Program, probe
from tests.cluster.team import Team, route_name


def works(program: Program) -> bool:
    """Whether it leads and works."""
    return "working on" in program.log.read_text()


def holder(plane: Plane) -> str:
    """Who holds the Lease."""
    return str(plane.admin.get("Lease", SYSTEM, "hookgate-operator")["spec"].get("holderIdentity") or "")


def test_who_stands_by_is_ready_and_writes_nothing(plane: Plane, team: Team, standby: Standby) -> None:
    """The leader does all the work."""
    other, port = standby()
    before = holder(plane)
    team.created("push")
    assert (probe(port, "/livez"), probe(port, "/readyz")) == (200, 200)
    assert not works(other)
    assert holder(plane) == before
    other.end(signal.SIGTERM)
    team.patched("push", state="inactive")


def test_when_the_leader_is_told_to_end_the_other_takes_over(plane: Plane, team: Team, standby: Standby) -> None:
    """At once, with what was asked for in between."""
    other, _ = standby()
    team.created("push")
    assert plane.operator.end(signal.SIGTERM) == 0
    team.patch("push", state="inactive")
    plane.wait(lambda: works(other), "the other operator to work")
    team.ready("push", "Inactive")


def test_when_the_leader_dies_the_other_waits_for_the_lease_and_takes_over(
    plane: Plane, team: Team, standby: Standby
) -> None:
    """A short one here."""
    plane.operator.end(signal.SIGTERM)
    first, _ = standby("--lease-duration", "3")
    plane.wait(lambda: works(first), "the first operator to work")
    assert plane.admin.get("Lease", SYSTEM, "hookgate-operator")["spec"]["leaseDurationSeconds"] == 3
    second, _ = standby("--lease-duration", "3")
    team.created("push")
    first.end(signal.SIGKILL)
    team.patch("push", state="inactive")
    plane.wait(lambda: works(second), "the second operator to work")
    team.ready("push", "Inactive")


def test_who_takes_over_goes_by_the_configuration_of_that_moment(plane: Plane, team: Team, standby: Standby) -> None:
    """Not by that of its own start: a host that was withdrawn since is not opened again, not even for a moment."""
    other, _ = standby()
    endpoint = team.created("push")
    plane.reload(plane.with_hosts(GATEWAY_HOST))
    team.until("push", "Accepted", "False", "HostNotAllowed")
    plane.quiet()
    mark = plane.mark()
    plane.operator.end(signal.SIGTERM)
    plane.wait(lambda: works(other), "the other operator to work")
    plane.quiet(3.0)
    # The endpoints of earlier tests may be going meanwhile.
    names = (endpoint["metadata"]["uid"], route_name(endpoint))
    assert [w for w in plane.writes(mark) if w.namespace == team.namespace or w.name in names] == []


def test_without_an_election_an_operator_works_at_once(plane: Plane, team: Team, standby: Standby) -> None:
    """Whoever says so has seen to it that there is only one."""
    plane.operator.end(signal.SIGTERM)
    before = holder(plane)
    only, _ = standby("--lease-duration", "0")
    team.created("push")
    assert works(only)
    assert holder(plane) == before

"""What goes on while the control plane is away: receivers serve what they know, and never more than that."""

from __future__ import annotations

import signal

from tests.cluster.calls import github
from tests.cluster.plane import SYSTEM
from tests.cluster.team import Team


def test_without_operator_and_without_api_server_calls_are_judged_as_before(team: Team) -> None:
    """Good calls get through and forged ones do not, first without the one, then without both."""
    plane = team.plane
    url = team.created("push")["status"]["url"]
    off = team.created("off")["status"]["url"]
    team.patched("off", state="inactive")
    signed = github(team.connection("push")["secret"], b"{}")
    forged = github(b"guessed", b"{}")

    def verdicts() -> list[int]:
        return [
            team.call(url, b"{}", signed).status,
            team.call(url, b"{}", forged).status,
            team.call(url, b"{}").status,
            team.call(off, b"{}", signed).status,
            team.call(f"{url}x", b"{}", signed).status,
        ]

    as_ever = [200, 401, 401, 503, 404]
    assert verdicts() == as_ever
    plane.cluster.let_namespaces_go()
    plane.operator.end(signal.SIGKILL)
    assert verdicts() == as_ever
    plane.cluster.stop_apiserver(kill=True)
    assert verdicts() == as_ever
    assert plane.receiver_ready()


def test_a_receiver_that_starts_without_an_api_server_accepts_nothing(team: Team) -> None:
    """It is not ready, and asks to be called later; once it has read the table it serves."""
    plane = team.plane
    url = team.created("push")["status"]["url"]
    signed = github(team.connection("push")["secret"], b"{}")
    plane.cluster.let_namespaces_go()
    plane.operator.end(signal.SIGTERM)
    plane.cluster.stop_apiserver(kill=True)
    assert plane.receiver.end(signal.SIGTERM) == 0
    plane.receiver.start()
    plane.wait(lambda: plane.probe_receiver("/livez") == 200, "the receiver to live")

    assert plane.probe_receiver("/readyz") == 503
    assert team.call(url, b"{}", signed).status == 503
    assert not team.target.at(f"/{team.namespace}/push")

    plane.cluster.start_apiserver()
    plane.wait(plane.receiver_ready, "the receiver to be ready")
    assert team.call(url, b"{}", signed).status == 200


def test_what_was_asked_for_during_an_outage_is_done_after_it(team: Team) -> None:
    """A revocation that was declared while no operator ran takes hold as soon as one does."""
    plane = team.plane
    url = team.created("push")["status"]["url"]
    signed = github(team.connection("push")["secret"], b"{}")
    plane.operator.end(signal.SIGTERM)
    team.patch("push", state="inactive")
    team.create("late")
    assert team.call(url, b"{}", signed).status == 200
    plane.start()
    team.ready("push", "Inactive")
    assert team.call(url, b"{}", signed).status == 503
    assert team.ready("late", "Active")


def test_an_operator_outlives_an_api_server_that_goes_and_comes_back(team: Team) -> None:
    """Its watches find the way again: what is asked for afterwards is done, by the same process."""
    plane = team.plane
    team.created("push")
    pid = plane.operator.pid
    plane.cluster.stop_apiserver(kill=True)
    plane.cluster.start_apiserver()
    team.patch("push", state="inactive")
    team.ready("push", "Inactive")
    assert plane.operator.pid == pid


def test_an_outage_of_the_api_server_makes_no_operator_dead(team: Team) -> None:
    """Neither one that worked before it nor one that begins in it: another would wait just the same."""
    plane = team.plane
    team.created("push")
    plane.cluster.stop_apiserver(kill=True)
    assert plane.probe_operator("/livez") == 200
    plane.operator.end(signal.SIGKILL)
    plane.operator.start()
    plane.wait(lambda: plane.probe_operator("/livez") == 200, "the new operator to live")
    assert plane.probe_operator("/readyz") == 503

    plane.cluster.start_apiserver()
    plane.admin.delete("Lease", SYSTEM, "hookgate-operator")
    team.patch("push", state="inactive")
    team.ready("push", "Inactive")
    assert plane.probe_operator("/readyz") == 200

"""P19: whatever way an endpoint goes, nothing of it is left, and nothing of it could be reached after it was gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from tests.cluster.plane import ROOT
from tests.faults.cases import Case, Scope
from tests.faults.rules import Fail, Rule
from tests.faults.stand import PATIENCE, RESYNC, Stand
from tests.faults.team import Team

_CRD = "webhookendpoints.hookgate.dev"


def removals(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Every way to go."""
    for name, way in WAYS.items():
        if not scope.wants(name, list(WAYS)[:3]):
            continue
        stand.end_operator()
        stand.run_operator(resync=RESYNC)
        teams = [stand.team() for _ in range(3)]
        for team in teams:
            team.create()
        for team in teams:
            team.settled()
        told = [team.connection() for team in teams]
        wrong = "" if all(t.call(c).status == 200 for t, c in zip(teams, told, strict=True)) else "not served at first"
        try:
            way(stand, teams)
            for team, connection in zip(teams, told, strict=True):
                stand.wait(lambda t=team: _nothing(t), lambda t=team: f"nothing to be left, not {_left(t)}")  # type: ignore[misc]
                stand.wait(lambda t=team, c=connection: t.call(c).status == 404, "calls to get 404")  # type: ignore[misc]
        except AssertionError as error:
            wrong += str(error)[:600]
        yield Case("P19", name, wrong)
        _repair(stand)
        stand.clean()


def _nothing(team: Team) -> bool:
    return not _left(team)


def _left(team: Team) -> list[str]:
    """Objects of the team's endpoints. Without the kind there are no endpoints to be listed."""
    try:
        return [f"{o['kind']} {o['metadata']['name']}" for o in team.objects()]
    except AssertionError:
        return [f"{o['kind']}" for o in team.children_only()]


def _deleted(stand: Stand, teams: list[Team]) -> None:
    for team in teams:
        team.delete()


def _stopped(stand: Stand, teams: list[Team]) -> None:
    """While no operator runs nothing is gone: the finalizer holds what can still be reached."""
    stand.end_operator()
    for team in teams:
        team.delete()
    time.sleep(1)  # that nothing happens is what is looked for
    for team in teams:
        assert team.get() is not None, "gone without an operator"
        assert "Secret connection" in team.children(), "its connection Secret went first"
    stand.run_operator(resync=RESYNC)


def _forced(stand: Stand, teams: list[Team]) -> None:
    """Somebody takes the finalizers off by hand while no operator runs."""
    stand.end_operator()
    for team in teams:
        team.delete()
        team.force_away()
        team.gone()
    stand.run_operator(resync=RESYNC)


def _forced_while_running(stand: Stand, teams: list[Team]) -> None:
    for team in teams:
        team.delete()
        team.force_away()


def _namespace(stand: Stand, teams: list[Team]) -> None:
    for team in teams:
        stand.admin.send("DELETE", f"/api/v1/namespaces/{team.namespace}")
    for team in teams:
        path = f"/api/v1/namespaces/{team.namespace}"
        stand.wait(lambda p=path: stand.admin.send("GET", p).status == 404, "the namespace to be gone")  # type: ignore[misc]


def _crd_while_running(stand: Stand, teams: list[Team]) -> None:
    """The kind is deleted: every endpoint is, and its finalizer is honoured."""
    _delete_crd(stand)
    _repair(stand)


def _crd_while_down(stand: Stand, teams: list[Team]) -> None:
    """The kind goes while nobody looks, finalizers forced away; installed anew, what is left is swept up."""
    stand.end_operator()
    stand.admin.send("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_CRD}")
    for team in teams:
        team.force_away()
    _crd_gone(stand)
    _repair(stand)
    stand.run_operator(resync=RESYNC)


def _receiver_down(stand: Stand, teams: list[Team]) -> None:
    """No receiver is there to confirm, though one should be: after a minute that holds nobody up any more."""
    _end_receiver(stand)
    for team in teams:
        team.delete()
    for team in teams:
        stand.wait(lambda t=team: t.get() is None, "the endpoint to be gone", seconds=2 * PATIENCE)  # type: ignore[misc]
    stand.start_receiver()


def _receiver_away(stand: Stand, teams: list[Team]) -> None:
    """A receiver that cannot be reached may serve on, so the finalizer holds until it is back and has let go."""
    _end_receiver(stand)
    for team in teams:
        team.delete()
    for team in teams:
        stand.wait(lambda t=team: t.binding() is None, "the binding to be gone")  # type: ignore[misc]
    time.sleep(3)  # that nothing more happens is what is looked for
    for team in teams:
        assert team.get() is not None, "gone though the receiver had not let go"
        assert "Secret connection" in team.children(), "its connection Secret went first"
    stand.start_receiver()
    for team in teams:
        team.gone()


def _end_receiver(stand: Stand) -> None:
    assert stand.receiver is not None
    stand.receiver.kill()
    stand.operators.wait_ended(stand.receiver)


def _absent_then_deleted(stand: Stand, teams: list[Team]) -> None:
    for team in teams:
        team.patch(state="absent")
    for team in teams:
        team.until("True Absent")
        team.delete()


def _delete_crd(stand: Stand) -> None:
    stand.admin.send("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_CRD}")
    _crd_gone(stand)


def _crd_gone(stand: Stand) -> None:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_CRD}"
    stand.wait(lambda: stand.admin.send("GET", path).status == 404, "the kind to be gone")


def _repair(stand: Stand) -> None:
    """See to it that the kind is there."""
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_CRD}"
    if stand.admin.send("GET", path).status == 404:
        stand.cluster.install_crds(ROOT / "crds")


def _one_stays(stand: Stand, teams: list[Team]) -> None:
    """What is left of the first may not be deleted for a while, which holds up neither a start nor the other sweeps."""
    stand.end_operator()
    for team in teams:
        team.force_away()
        team.delete()
        team.gone()
    first, *others = teams
    stand.proxy.rules = [
        Rule(action=Fail(status=403), team=first.namespace, lasting=True, matches=lambda asked: asked.verb == "delete")
    ]
    stand.run_operator(resync=RESYNC)
    for team in others:
        stand.wait(lambda t=team: _nothing(t), lambda t=team: f"nothing to be left, not {_left(t)}")  # type: ignore[misc]
    assert _left(first), "nothing was refused"
    newcomer = stand.team().created()
    stand.proxy.rules = []
    newcomer.delete()
    newcomer.gone()


WAYS: Mapping[str, Callable[[Stand, list[Team]], None]] = {
    "deleted": _deleted,
    "deleted while no operator runs": _stopped,
    "finalizers forced away while no operator runs": _forced,
    "finalizers forced away while one runs": _forced_while_running,
    "absent, then deleted": _absent_then_deleted,
    "finalizers forced away, and one may not be swept up at first": _one_stays,
    "the namespace deleted": _namespace,
    "no receiver to confirm": _receiver_down,
    "the receiver away for a while": _receiver_away,
    "the kind deleted while an operator runs": _crd_while_running,
    "the kind deleted while none runs, finalizers forced away": _crd_while_down,
}

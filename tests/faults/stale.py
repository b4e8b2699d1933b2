"""P4: where the API server's lists lag behind, an operator takes nothing away and makes no second secret.

It starts at such a server, or works already and looks at everything again.

Single reads and writes meet the present, as with real servers, whose lists alone may come from a cache. Whether an
operator believes in single reads that are stale as well is tried where a mistake could not be mended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.faults.cases import Case, Scope
from tests.faults.crash import leave
from tests.faults.past import Past
from tests.faults.picture import difference
from tests.faults.scenarios import ACTIVE, DELETE, REF, SCENARIOS, Step, make, patch, play
from tests.faults.stand import RESYNC, Stand
from tests.faults.team import KIND, Team

#: How long the past lasts, in seconds: enough for everything to be looked at.
_LASTS_S = 2.0
_RESYNCED = "made meanwhile, at a resync"
_QUICK = ("active, absent", "absent and back, nobody looking", _RESYNCED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """``then`` is what the lists tell of, ``since`` what has happened meanwhile; ``unseen``: without any operator."""

    then: tuple[Step, ...] = ()
    since: tuple[Step, ...]
    unseen: bool = False


_BACK = patch(state="active")
LAGS: Mapping[str, Lag] = {
    **{
        name: Lag(then=scenario.before, since=scenario.steps)
        for name, scenario in SCENARIOS.items()
        if not scenario.alone
    },
    "active, absent": Lag(then=(ACTIVE,), since=(patch("True Absent", state="absent"),)),
    "absent, active": Lag(then=(ACTIVE, patch("True Absent", state="absent")), since=(_BACK,)),
    "inactive, active": Lag(then=(make("True Inactive", state="inactive"),), since=(_BACK,)),
    "referenced, generated": Lag(
        then=(Step(lambda team: team.give("mine", {"secret": b"brought by the team"}), ""), make(auth=REF)),
        since=(patch(auth={"secret": None}),),
    ),
    "another connection Secret and back": Lag(
        then=(ACTIVE, patch(secretName="elsewhere")), since=(patch(secretName=None),)
    ),
    "absent and back, nobody looking": Lag(
        then=(ACTIVE, patch("", state="absent")), since=(patch("", state="active"),), unseen=True
    ),
    "another connection Secret and back, nobody looking": Lag(
        then=(ACTIVE, patch("", secretName="elsewhere")), since=(patch("", secretName=None),), unseen=True
    ),
    "deleted and made anew, thrice": Lag(then=(ACTIVE,), since=(DELETE, ACTIVE, DELETE, ACTIVE, DELETE, ACTIVE)),
}


def lags(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Every lag; first with lists alone, then with single reads from the past, too."""
    if scope.wants(_RESYNCED, _QUICK):
        yield Case("P4", _RESYNCED, _resynced(stand))
    for single in (False, True):
        for name, lag in LAGS.items():
            if not scope.wants(name, () if single else _QUICK) or (single and lag.unseen):
                continue
            what = f"{name}{', single reads too' if single else ''}"
            try:
                yield Case("P4", what, _wrong(stand, lag, single=single))
            except AssertionError as error:
                yield Case("P4", what, str(error))
                stand.clean()


def _wrong(stand: Stand, lag: Lag, *, single: bool) -> str:
    team = stand.team()
    stand.run_operator()
    then: Callable[[], None] = lambda: play(team, lag.then)  # noqa: E731
    if lag.unseen:
        play(team, lag.then[:1])
        stand.end_operator()
        _do(team, lag.then[1:])
        then = lambda: None  # noqa: E731
    then()
    past = Past(stand.admin, single=single)
    if lag.unseen:
        _do(team, lag.since)
    else:
        play(team, lag.since)
    before, versions = team.picture(), _versions(team)
    stand.record()
    keys = set(stand.recorder.keys[team.namespace])
    stand.end_operator()
    mark = stand.proxy.mark()
    stand.proxy.past = past
    stand.run_operator()
    time.sleep(_LASTS_S)  # the past is to last for so long, whatever the operator does
    stale = [e for e in stand.proxy.log[mark:] if e.fate == "from the past"]
    stand.proxy.clear()
    if team.get() is not None:
        stand.wait(lambda: team.current() or team.says() != "", "the endpoint to be looked at")
    stand.quiet(team=team.namespace)
    after = team.picture()
    wrong = difference(before, after) if not lag.unseen else ""
    if not stale:
        wrong += " nothing was told from the past"
    gone = {key for key, version in versions.items() if _versions(team).get(key) != version}
    if gone:
        wrong += f" changed or taken away: {sorted(gone)}"
    stand.record()
    if stand.recorder.keys[team.namespace] != keys:
        wrong += " another secret was made"
    leave(team)
    return wrong


def _resynced(stand: Stand) -> str:
    """The lists of endpoints that a running operator reads again and again lack one that its watch has told of."""
    stand.end_operator()
    stand.run_operator(resync=RESYNC)
    past = Past(stand.admin, single=False, of=("webhookendpoints",))
    team = stand.team().created()
    before, versions = team.picture(), _versions(team)
    mark = stand.proxy.mark()
    stand.proxy.past = past

    def judged() -> bool:
        # Once a second one is read, all is done that the first one was the reason for.
        return sum(e.fate == "from the past" for e in stand.proxy.log[mark:]) > 1

    stand.wait(judged, "old lists to be read")
    stand.proxy.clear()
    stand.quiet(team=team.namespace)
    wrong = difference(before, team.picture())
    if _versions(team) != versions:
        wrong += " something was changed or taken away"
    leave(team)
    stand.end_operator()
    return wrong


def _do(team: Team, steps: tuple[Step, ...]) -> None:
    for step in steps:
        step.act(team)


def _versions(team: Team) -> dict[str, str]:
    """The versions of everything but endpoints, whose status may be written again."""
    found = [o for o in team.objects() if o["kind"] != KIND]
    return {f"{o['kind']} {o['metadata']['name']}": o["metadata"]["resourceVersion"] for o in found}

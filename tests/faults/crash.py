"""P1 and P2: the operator is killed at every write of every story, in three ways, and started again.

The end has to be that of an undisturbed run, made by as many creations and deletions; and no secret may ever have been
made that the story does not ask for. A run may take one write less than the one before: where nobody was killed at the
last of them, there is no case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.asked import Entry
from tests.faults.cases import Case, Scope, harmless
from tests.faults.picture import difference
from tests.faults.rules import Kill, Moment, Rule
from tests.faults.scenarios import SCENARIOS, Scenario, play
from tests.faults.stand import Stand
from tests.faults.team import Team

_TAKEN_BACK = "absence taken back"
_QUICK = ("create", _TAKEN_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a story went: the picture in the end, how many changes it took, what was made and removed, its secrets."""

    picture: str
    writes: int
    made: Counter[str]
    keys: int
    told: int
    killed: int


def crashes(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Every scenario, every write, every moment."""
    killed: list[int] = []
    for name in scope.chosen((*SCENARIOS, _TAKEN_BACK), _QUICK):
        if name == _TAKEN_BACK:
            yield from taken_back(stand)
            continue
        scenario = SCENARIOS[name]
        first, reference = run(stand, scenario), run(stand, scenario)
        yield Case("P1", f"{name}: two undisturbed runs", difference(first.picture, reference.picture))
        for number in range(1, max(first.writes, reference.writes) + 1):
            for moment in Moment:
                what = f"{name}, write {number}, {moment.value}"
                try:
                    now = run(stand, scenario, number, moment)
                except AssertionError as error:
                    yield Case("P1", what, str(error))
                    stand.clean()
                    continue
                killed.append(now.killed)
                yield from judged(what, reference, now)
    yield from harmless("P1", killed)


def taken_back(stand: Stand) -> Iterator[Case]:
    """An absent endpoint's Secret goes, the operator with it, and then the endpoint is to be active all the same.

    Nothing of it is lost: it was forgotten on purpose. So there is no other run that it would have to end like.
    """
    for moment in Moment:
        stand.run_operator()
        team = stand.team().created()
        rule = Rule(
            action=Kill(moment=moment, kill=stand.kill_operator),
            team=team.namespace,
            matches=lambda asked: (asked.verb, asked.resource, asked.name) == ("delete", "secrets", "ci-webhook"),
        )
        stand.proxy.rules = [rule]
        wrong = ""
        try:
            team.patch(state="absent")
            stand.wait(lambda: stand.operator is None or not stand.operator.running, "the operator to be killed")
            team.patch(state="active")
            stand.run_operator()
            team.settled()
        except AssertionError as error:
            wrong = str(error)
        stand.proxy.clear()
        yield Case("P1", f"{_TAKEN_BACK}, its Secret's deletion, {moment.value}", wrong)
        leave(team)


def judged(name: str, reference: Run, now: Run) -> Iterator[Case]:
    """What came of one run, if anybody was killed in it or anything is wrong."""
    wrong = difference(reference.picture, now.picture)
    if now.made != reference.made:
        wrong += f" made {dict(now.made)}, not {dict(reference.made)}"
    more = f"{now.keys} secrets and {now.told} told, not {reference.keys} and {reference.told}"
    more = more if (now.keys, now.told) != (reference.keys, reference.told) else ""
    if now.killed or wrong or more:
        yield Case("P1", name, wrong)
        yield Case("P2", name, more)


def run(stand: Stand, scenario: Scenario, number: int = 0, moment: Moment = Moment.BEFORE) -> Run:
    """Play a story; with a ``number``, kill the operator at that write. Raises AssertionError if it does not end."""
    team = stand.team()
    stand.run_operator()
    play(team, scenario.before)
    mark = stand.proxy.mark()
    kill = Kill(moment=moment, kill=stand.kill_operator)
    rule = Rule(action=kill, nth=number, team=team.namespace, writes=True)  # no request is the one of number 0
    stand.proxy.rules = [rule]
    stand.supervised = True
    play(team, scenario.steps)
    stand.supervised = False
    stand.proxy.clear()
    end = team.picture()
    entries = stand.proxy.writes(mark, team=team.namespace)
    stand.record()
    found = Run(
        picture=end,
        writes=len(entries),
        made=made(entries),
        keys=len(stand.recorder.keys[team.namespace]),
        told=len(stand.recorder.told[team.namespace]),
        killed=rule.fired,
    )
    leave(team)
    return found


def made(entries: list[Entry]) -> Counter[str]:
    """Count what was created and deleted; Events aside, which may be told twice."""
    counted: Counter[str] = Counter()
    for entry in entries:
        asked = entry.asked
        if asked.resource == "events":
            continue
        if entry.status == 201:
            counted[f"made {asked.resource}"] += 1
        if asked.verb == "delete" and entry.status == 200:
            counted[f"removed {asked.resource}"] += 1
    return counted


def leave(team: Team) -> None:
    """Ask for the removal of what the case made, without waiting for it."""
    if team.get() is not None:
        team.delete()

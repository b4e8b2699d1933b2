"""P11: what the recorder saw while a suite did its harm, whichever that was: a case for each version of a status."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.cases import Case, Scope
from tests.faults.recorder import Recorder
from tests.faults.scenarios import SCENARIOS, play
from tests.faults.stand import Stand


def statuses(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Play the stories once in peace. It tells nothing itself: there is something to see, and `seen` tells of it."""
    stand.run_operator()
    for name, scenario in SCENARIOS.items():
        if scenario.alone or not scope.wants(name, ("create",)):
            continue
        team = stand.team()
        play(team, (*scenario.before, *scenario.steps))
        team.leave()
    yield from ()


def seen(recorder: Recorder) -> Iterator[Case]:
    """Tell of every status that was seen."""
    wrong = list(recorder.wrong)
    for each in wrong:
        yield Case("P11", "a status", each)
    for number in range(recorder.versions - len(wrong)):
        yield Case("P11", f"status {number + 1}")

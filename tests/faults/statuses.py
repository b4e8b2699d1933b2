"""P11: what the recorder saw while the suites before this one did their harm, a case for each version of a status."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.cases import Case, Scope
from tests.faults.scenarios import SCENARIOS, play
from tests.faults.stand import Stand


def statuses(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Play the stories once in peace, so that there is something to see, and tell of everything seen until now."""
    stand.run_operator()
    for name, scenario in SCENARIOS.items():
        if scenario.alone or not scope.wants(name, ("create",)):
            continue
        team = stand.team()
        play(team, (*scenario.before, *scenario.steps))
        team.leave()
    wrong = stand.recorder.wrong
    for each in wrong:
        yield Case("P11", "a status", each)
    for number in range(stand.recorder.versions - len(wrong)):
        yield Case("P11", f"status {number + 1}")

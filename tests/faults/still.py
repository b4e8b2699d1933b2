"""P5 and P6: where all is as it should be nothing is written, however often it is looked at or started again."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

from tests.faults.batch import together
from tests.faults.cases import Case, Scope
from tests.faults.nonsense import REFUSALS
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.stand import Stand
from tests.faults.team import Team

_REST_S = 60.0
_RESYNC_S = 2.0


def stillness(stand: Stand, scope: Scope) -> Iterator[Case]:
    """A population in every state that an endpoint can rest in: at rest, and over three restarts."""
    wanted: list[tuple[str, Scenario, Any]] = []
    scenarios = {n: s for n, s in SCENARIOS.items() if not s.alone} | {n: r.refused() for n, r in REFUSALS.items()}
    for name, scenario in scenarios.items():
        wanted.append((name, scenario, lambda _: None))
    if scope.quick:
        wanted = wanted[:8]
    kept: dict[str, Team] = {}
    for story in together(stand, wanted, resync=_RESYNC_S, keep=True):
        kept[story.name] = story.team
        if story.wrong:
            yield Case("P5", f"{story.name}: comes to rest", story.wrong)
    rest = 10.0 if scope.quick else _REST_S
    mark = stand.proxy.mark()
    time.sleep(rest)  # at rest is what is measured
    lists = sum(e.asked.verb == "list" and e.asked.resource == "webhookendpoints" for e in stand.proxy.since(mark))
    for name, team in kept.items():
        yield Case("P5", f"{name}: {rest:.0f} s and {lists} resyncs at rest", _written(stand, mark, team))
    for number, end in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)):
        mark = stand.proxy.mark()
        assert stand.operator is not None
        stand.operator.signal(end)
        stand.operators.wait_ended(stand.operator)
        stand.run_operator(resync=_RESYNC_S)
        seen = stand.team().created()
        for name, team in kept.items():
            yield Case("P6", f"{name}: restart {number + 1} by {end.name}", _written(stand, mark, team))
        seen.delete()
    for team in kept.values():
        team.delete()


def _written(stand: Stand, mark: int, team: Team) -> str:
    return "; ".join(f"{e.asked} {e.status}" for e in stand.proxy.writes(mark, team=team.namespace))

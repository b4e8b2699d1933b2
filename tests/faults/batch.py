"""Many stories at once, each with a harm of its own: teams do not get in each other's way, so neither do cases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.faults.scenarios import Scenario, Step, ended
from tests.faults.stand import PATIENCE, Stand
from tests.faults.team import Team

#: As many teams at once as a small machine takes.
AT_ONCE = 40
_CALM_S = 0.3


@dataclass(slots=True)
class Story:
    """One team that plays a scenario. ``harm`` is called when the part begins that is not in peace."""

    name: str
    scenario: Scenario
    harm: Callable[[Team], object]
    team: Team
    patience: float = PATIENCE
    at: int = 0
    begun: bool = False
    deadline: float = 0.0
    wrong: str = ""
    mark: int = 0
    steps: tuple[Step, ...] = field(default=())

    def over(self) -> bool:
        """Whether all steps are done, or one did not end."""
        return bool(self.wrong) or self.at >= len(self.steps)

    def advance(self) -> None:
        """Begin the next step, or see whether the present one has ended."""
        step = self.steps[self.at]
        if not self.begun:
            self.begun, self.deadline = True, time.monotonic() + self.patience
            step.act(self.team)
        elif ended(self.team, step) and calm(self.team):
            self.at, self.begun = self.at + 1, False
        elif time.monotonic() > self.deadline:
            self.wrong = f"says {self.team.says()!r} after {self.patience:g} s, not {step.end!r}"


def calm(team: Team) -> bool:
    """Whether nothing was asked to be changed about the team for a moment, and nothing is under way."""
    now = time.monotonic()
    mine = [e for e in team.stand.proxy.log[-4000:] if e.asked.team == team.namespace and e.asked.writes]
    mine = [e for e in mine if e.asked.client not in team.stand.proxy.dead]
    return all(e.fate == "hangs" or (e.ended and now - e.ended > _CALM_S) for e in mine)


def together(
    stand: Stand,
    wanted: Sequence[tuple[str, Scenario, Callable[[Team], object]]],
    *,
    resync: float = 300.0,
    keep: bool = False,
    patience: float = PATIENCE,
) -> Iterator[Story]:
    """Play all of them, so many at a time, under one operator; yield each story when it is over.

    With ``keep`` the endpoints stay, and so does the operator. ``patience`` is how long a step may take, in seconds.
    """
    stand.end_operator()
    stand.run_operator(resync=resync)
    stand.resync, stand.supervised = resync, True
    for start in range(0, len(wanted), AT_ONCE):
        stories = [
            Story(name, scenario, harm, stand.team(), patience, steps=scenario.before)
            for name, scenario, harm in wanted[start : start + AT_ONCE]
        ]
        _play(stand, stories)
        for story in stories:
            story.steps, story.at, story.begun = story.scenario.steps, 0, False
            story.mark = stand.proxy.mark()
            story.harm(story.team)
        _play(stand, stories)
        stand.proxy.rules, stand.proxy.losses = [], []
        yield from stories
        for story in [] if keep else stories:
            if story.team.get() is not None:
                story.team.delete()
    stand.supervised = False


def _play(stand: Stand, stories: Sequence[Story]) -> None:
    while running := [story for story in stories if not story.over()]:
        for story in running:
            story.advance()
        stand.wait(lambda: True, "an operator")
        time.sleep(0.02)

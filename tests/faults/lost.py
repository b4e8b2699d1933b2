"""P3: each event of a watch is kept from the operator, or from the receiver, once; told late, twice; or the watch cut.

What was missed has to be found by looking at everything again, which for these tests is every few seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from tests.faults.batch import Story, together
from tests.faults.cases import Case, Scope, harmless
from tests.faults.picture import difference
from tests.faults.rules import Lose
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.stand import RESYNC, Stand
from tests.faults.team import Team

Key = tuple[bool, str]
_QUICK = ("create", "absent")
_HARMS = ("drop", "delay", "duplicate", "cut")


def losses(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Every scenario, every event that it brings about, every harm."""
    chosen = {n: s for n, s in SCENARIOS.items() if not s.alone and scope.wants(n, _QUICK)}
    stand.restart_receiver(resync=RESYNC)
    references = {}
    for story in together(stand, [(n, s, lambda _: None) for n, s in chosen.items()], resync=RESYNC):
        yield Case("P3", f"{story.name}: undisturbed", story.wrong)
        references[story.name] = (story.team.picture(), events(story))
    wanted: list[tuple[str, Scenario, Callable[[Team], object]]] = []
    rules: dict[str, Lose] = {}
    for name, scenario in chosen.items():
        for (receiver, stream), count in references[name][1].items():
            for what in _HARMS[: 1 if scope.quick else None]:
                for nth in range(1, count + 1):
                    whose = "the receiver's" if receiver else "the operator's"
                    told = f"{name}: {what} event {nth} of {whose} {stream}"
                    wanted.append((told, scenario, _lose(stand, rules, told, (what, stream, nth, receiver))))
    for story in together(stand, wanted, resync=RESYNC):
        picture, _ = references[story.name.partition(":")[0]]
        wrong = story.wrong or difference(picture, story.team.picture())
        if rules[story.name].fired or wrong:  # not every run has as many events
            yield Case("P3", story.name, wrong)
    yield from harmless("P3", [rule.fired for rule in rules.values()])
    stand.restart_receiver()


def _lose(
    stand: Stand, rules: dict[str, Lose], name: str, harm: tuple[str, str, int, bool]
) -> Callable[[Team], object]:
    what, stream, nth, receiver = harm

    def lose(team: Team) -> None:
        rules[name] = Lose(what=what, stream=stream, team=team.namespace, nth=nth, receiver=receiver)
        stand.proxy.losses.append(rules[name])

    return lose


def events(story: Story) -> Counter[Key]:
    """How many events each stream told about a story's team since the harm began."""
    counted: Counter[Key] = Counter()
    began = story.team.stand.proxy.log[story.mark].began if story.mark < len(story.team.stand.proxy.log) else 0.0
    for told in list(story.team.stand.proxy.told):
        if told.team == story.team.namespace and told.at >= began:
            counted[(told.client == "receiver", told.stream)] += 1
    return counted

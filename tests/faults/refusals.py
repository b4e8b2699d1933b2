"""P14 as well: one kind of write is refused for good, of a new endpoint and of one that goes; then it is permitted.

While it lasts the endpoint says so, once; all others live on at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tests.faults.asked import Asked
from tests.faults.batch import Story, together
from tests.faults.cases import Case
from tests.faults.rules import Fail, Rule
from tests.faults.scenarios import ACTIVE, DELETE, Scenario, Step, patch
from tests.faults.stand import Stand
from tests.faults.team import Team

REFUSED = "refused for good"
_TOLD = "WriteRefused"
_STATUSES = (403, 422)
#: Of what is new besides: its namespace or its kind is missing.
_HOMELESS = 404

#: Verb and resource of a write, and whether it is one in the team's own namespace.
Write = tuple[str, str, bool]
_FINALIZER: Write = ("patch", "webhookendpoints", True)
_NEW: Mapping[str, Write] = {
    "the finalizer": _FINALIZER,
    "the binding": ("create", "secrets", False),
    "the connection Secret": ("create", "secrets", True),
    "the route": ("patch", "ingresses", False),
}
_GOING: Mapping[str, Write] = {
    "the binding": ("delete", "secrets", False),
    "the route": ("delete", "ingresses", False),
    "the connection Secret": ("delete", "secrets", True),
}
_ABSENT = patch("True Absent", state="absent")


def refusals(stand: Stand) -> Iterator[Case]:
    """Every kind of write, and beside them the same lives undisturbed."""
    rules: dict[str, Rule] = {}
    wanted: list[tuple[str, Scenario, Callable[[Team], object]]] = []
    lives: tuple[tuple[str, Scenario, Mapping[str, Write]], ...] = (
        ("made", Scenario(steps=(ACTIVE,)), _NEW),
        ("absent", Scenario(before=(ACTIVE,), steps=(_ABSENT,)), _GOING),
        ("deleted", Scenario(before=(ACTIVE,), steps=(DELETE,)), {**_GOING, "the finalizer": _FINALIZER}),
    )
    for life, scenario, writes in lives:
        wanted.append((f"{REFUSED}: {life} beside the others", scenario, lambda _: None))
        for what, write in writes.items():
            homeless = writes is _NEW and write is not _FINALIZER
            for status in (*_STATUSES, _HOMELESS) if homeless else _STATUSES:
                name = f"{REFUSED}: {life}, {status} to {what}"
                wanted.append((name, _refused(stand, scenario), _harm(stand, rules, name, write, status)))
    for story in together(stand, wanted):
        wrong = story.wrong or ("" if story.name not in rules else _told_once(stand, story))
        if story.name in rules and not rules[story.name].fired:
            wrong += " nothing was refused"
        yield Case("P14", story.name, wrong)


def _refused(stand: Stand, scenario: Scenario) -> Scenario:
    """The same life, but that its last step says at first that it is refused."""

    def permit(team: Team) -> None:
        stand.proxy.rules = [rule for rule in stand.proxy.rules if rule.team != team.namespace]

    (step,) = scenario.steps
    return Scenario(before=scenario.before, steps=(Step(step.act, f"False {_TOLD}"), Step(permit, step.end)))


def _harm(stand: Stand, rules: dict[str, Rule], name: str, write: Write, status: int) -> Callable[[Team], object]:
    verb, resource, own = write

    def harm(team: Team) -> None:
        def matches(asked: Asked) -> bool:
            here = asked.namespace == team.namespace
            return asked.verb == verb and asked.resource == resource and here == own

        rules[name] = Rule(action=Fail(status=status), team=team.namespace, lasting=True, matches=matches)
        stand.proxy.rules.append(rules[name])

    return harm


def _told_once(stand: Stand, story: Story) -> str:
    """What is wrong with the Events of a story in which something was refused."""
    events = [event for event in stand.admin.list("Event", story.team.namespace) if event["reason"] == _TOLD]
    return "" if len(events) == 1 else f"{len(events)} Events tell of it"

"""P14: each request of each story, reads and writes, is answered by each error once; and those of a start as well.
What lasts is in `refusals`.

Where the server asks for time, somebody changes the endpoint before that is over: it has to wait all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

from tests.cluster.rest import path_of
from tests.faults.asked import Asked
from tests.faults.batch import Story, together
from tests.faults.cases import Case, Scope, harmless
from tests.faults.operators import Operator, pause_until
from tests.faults.picture import difference
from tests.faults.refusals import REFUSED, refusals
from tests.faults.repeatedly import repeatedly
from tests.faults.rules import Action, Break, Fail, Rule
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.stand import PATIENCE, Stand
from tests.faults.team import KIND, Team

_WAIT_S = 4
ERRORS: Mapping[str, Action] = {
    "409": Fail(status=409),
    "422": Fail(status=422),
    "429, Retry-After": Fail(status=429, retry_after=_WAIT_S),
    "500": Fail(status=500),
    "503": Fail(status=503),
    "503, Retry-After": Fail(status=503, retry_after=_WAIT_S),
    "504": Fail(status=504),
    "reset": Break(how="reset"),
    "done, no answer": Break(how="lost"),
    "no answer": Break(how="hang"),
    "slow drip": Break(how="drip"),
}
_QUICK = ("create", REFUSED)
_QUICK_ERRORS = ("409", "429, Retry-After", "500", "reset", "done, no answer")
#: What is tried apart from the scenarios: an operator that starts.
_START = "start"
#: A start reads so many lists and opens so many watches, at most.
_STARTING = 24


def errors(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Every scenario, every request, every error."""
    names = scope.chosen([_START, *(n for n, s in SCENARIOS.items() if not s.alone), REFUSED], _QUICK)
    chosen = {n: SCENARIOS[n] for n in names if n in SCENARIOS}
    references: dict[str, tuple[str, int]] = {}
    for story in together(stand, [(n, s, lambda _: None) for n, s in chosen.items()]):
        yield Case("P14", f"{story.name}: undisturbed", story.wrong)
        references[story.name] = (story.team.picture(), len(asked(stand, story)))
    wanted: list[tuple[str, Scenario, Callable[[Team], object]]] = []
    rules: dict[str, Rule] = {}
    for name, scenario in chosen.items():
        for error in _QUICK_ERRORS if scope.quick else ERRORS:
            for nth in range(1, references[name][1] + 1):
                told = f"{name}: {error} to request {nth}"
                wanted.append((told, scenario, _answer(stand, rules, told, ERRORS[error], nth)))
    # A request without an answer holds a worker for half a minute, and more stories meet one than there are workers.
    with woken(stand, rules):
        for story in together(stand, wanted, patience=2 * PATIENCE):
            picture, _ = references[story.name.partition(":")[0]]
            wrong = story.wrong or difference(picture, story.team.picture())
            wrong = wrong or too_soon(stand, story, rules[story.name])
            if rules[story.name].fired or wrong:  # not every run has as many requests
                yield Case("P14", story.name, wrong)
    yield from harmless("P14", [rule.fired for rule in rules.values()])
    if _START in names:
        yield from starts(stand)
    if REFUSED in names:
        yield from refusals(stand)


def _answer(stand: Stand, rules: dict[str, Rule], name: str, action: Action, nth: int) -> Callable[[Team], object]:
    def harm(team: Team) -> None:
        rules[name] = Rule(action=action, nth=nth, team=team.namespace)
        stand.proxy.rules.append(rules[name])

    return harm


def woken(stand: Stand, rules: Mapping[str, Rule]) -> AbstractContextManager[None]:
    """Wake each endpoint whose server has just asked for time, by a label that comes and goes."""
    over = set[str]()

    def wake() -> None:
        held = {str(r.team) for r in tuple(rules.values()) if r.hit and asked_time(r) is not None} - over
        over.update(held)
        for value in ("yes", None):
            patch = {"metadata": {"labels": {"example.com/woken": value}}}
            for team in held:
                path = path_of(KIND, team, "ci")
                stand.admin.send("PATCH", path, patch, content_type="application/merge-patch+json")

    return repeatedly(wake, every=0.1)


def asked_time(rule: Rule) -> int | None:
    """The seconds of the Retry-After that a rule answers with."""
    return rule.action.retry_after if isinstance(rule.action, Fail) else None


def asked(stand: Stand, story: Story) -> list[Asked]:
    """What was asked about a story's team since the harm began, watches aside."""
    return [e.asked for e in stand.proxy.since(story.mark, team=story.team.namespace) if e.asked.verb != "watch"]


def too_soon(stand: Stand, story: Story, rule: Rule) -> str:
    """Where the server asked for time: what was asked about the team before that was over."""
    seconds = asked_time(rule)
    if seconds is None or rule.hit is None:
        return ""
    entries = stand.proxy.since(story.mark, team=story.team.namespace)
    refused = next(e for e in entries if e.asked is rule.hit)
    if refused.asked.resource == "events":
        return ""  # nobody tries that again, and it stands for nothing else
    early = [e for e in entries if refused.ended < e.began < refused.ended + seconds]
    return f"asked again after {early[0].began - refused.ended:.2f} s: {early[0].asked}" if early else ""


def starts(stand: Stand) -> Iterator[Case]:
    """Each request of a starting operator meets each error; the same process has to come to work."""
    team = stand.team()
    stand.run_operator()
    team.create()
    team.settled()
    mark = stand.proxy.mark()
    for error, action in ERRORS.items():
        # A hang costs half a minute or more: some requests of each kind have to do.
        for nth in range(1, _STARTING + 1, 5 if action == Break(how="hang") else 1):
            stand.end_operator()
            rule = Rule(action=action, nth=nth, matches=_of_a_start)
            stand.proxy.rules = [rule]
            operator = stand.start_operator()
            patience = PATIENCE if action != Break(how="hang") else 2 * PATIENCE
            worked = pause_until(lambda op=operator: works(stand, op) or not op.running, patience)
            stand.proxy.rules = []
            if not rule.fired and worked:
                break
            what = f"start: {error} to request {nth} ({rule.hit})"
            said = operator.said()[-600:] if not (worked and operator.running) else ""
            yield Case("P14", what, f"ended with {operator.code} or does not work: {said}" if said else "")
    stand.clean()
    written = "; ".join(sorted({str(entry.asked) for entry in stand.proxy.writes(mark, team=team.namespace)}))
    yield Case("P14", "start: nothing was written about an endpoint that was in force", written)


def _of_a_start(request: Asked) -> bool:
    return request.client != "receiver" and request.resource != "leases"


def works(stand: Stand, operator: Operator) -> bool:
    """Whether an operator has begun to work and watches endpoints."""
    return "working on" in operator.said() and "webhookendpoints" in stand.proxy.open_streams(operator.client)

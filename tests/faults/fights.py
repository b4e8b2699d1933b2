"""P13: somebody else who insists on a field is fought a few times, then now and then, and the endpoint says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial

from tests.cluster.rest import path_of
from tests.faults.asked import SYSTEM
from tests.faults.cases import Case, Scope
from tests.faults.repeatedly import repeatedly
from tests.faults.stand import Stand
from tests.faults.team import FINALIZER, KIND, Object, Team, encoded

_FIGHT_S, _QUICK_S = 60.0, 8.0
#: Of one object within the first minute, and of a status.
_MOST, _MOST_STATUSES = 5, 12


def fights(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Insist on something else, ten times a second, on each object at once."""
    stand.run_operator()
    seconds = _QUICK_S if scope.quick else _FIGHT_S
    rivals = {name: (stand.team().created(), change) for name, change in RIVALS.items()}
    marks = {name: stand.proxy.mark() for name in rivals}
    for team, _ in rivals.values():
        stand.recorder.excused.add(team.namespace)
    with ExitStack() as fighting:
        for team, change in rivals.values():
            fighting.enter_context(repeatedly(partial(change, team), every=0.1))
        time.sleep(seconds)  # so long the fight is to last
        for name, (team, _) in rivals.items():
            entries = [e for e in stand.proxy.writes(marks[name], team=team.namespace) if 200 <= e.status < 300]
            repairs = [e for e in entries if e.asked.resource not in ("events", "webhookendpoints/status")]
            told = [e for e in entries if e.asked.resource == "webhookendpoints/status"]
            wrong = f"{len(repairs)} repairs" if len(repairs) > _MOST else ""
            wrong += f" {len(told)} statuses" if len(told) > _MOST_STATUSES else ""
            if name != "the status" and "FieldConflict" not in team.says():
                wrong += f" says {team.says()}"
            yield Case("P13", f"{name}: {len(repairs)} repairs and {len(told)} statuses in {seconds:.0f} s", wrong)
    beside = stand.team().created()
    yield Case("P13", "an endpoint beside them is served", "" if beside.call().status == 200 else "it is not")
    for team in (beside, *(team for team, _ in rivals.values())):
        team.leave()


def _patch(team: Team, kind: str, namespace: str, name: str, patch: Object) -> None:
    path = path_of(kind, namespace, name)
    team.stand.admin.send("PATCH", path, patch, content_type="application/merge-patch+json")


def _route(team: Team) -> str:
    return f"hookgate-{next(iter(team.uids))}"


RIVALS: Mapping[str, Callable[[Team], None]] = {
    "the connection Secret's data": lambda team: _patch(
        team, "Secret", team.namespace, "ci-webhook", {"data": encoded({"secret": b"planted"})}
    ),
    "the connection Secret's labels": lambda team: _patch(
        team, "Secret", team.namespace, "ci-webhook", {"metadata": {"labels": {"hookgate.dev/endpoint": "x"}}}
    ),
    "the connection Secret, deleted": lambda team: team.stand.admin.delete("Secret", team.namespace, "ci-webhook"),
    "the route": lambda team: _patch(team, "Ingress", SYSTEM, _route(team), {"spec": {"ingressClassName": "x"}}),
    "the route, deleted": lambda team: team.stand.admin.delete("Ingress", SYSTEM, _route(team)),
    "the finalizer": lambda team: _patch(
        team, KIND, team.namespace, "ci", {"metadata": {"finalizers": [FINALIZER.replace("finalizer", "x")]}}
    ),
    "the status": lambda team: _patch(
        team, KIND, team.namespace, "ci/status", {"status": {"url": "https://evil.example.com/"}}
    ),
}

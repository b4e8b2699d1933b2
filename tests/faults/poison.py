"""P10: of a thousand endpoints some cannot be read or hold garbage: the others are served, restart after restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from tests.faults.asked import BINDINGS, SYSTEM
from tests.faults.cases import Case, Scope
from tests.faults.stand import Stand
from tests.faults.team import KIND, Team, encoded

_MANY, _FEW = 1000, 60
_PATIENCE = 420.0
RESTARTS, _QUICK_RESTARTS = 5, 2


def poisons(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Poison some of many, and start the operator again and again."""
    many = _FEW if scope.quick else _MANY
    stand.run_operator()
    teams = [stand.team() for _ in range(max(1, many // 50))]
    names = [f"ep-{number}" for number in range(many)]
    for number, name in enumerate(names):
        teams[number % len(teams)].create(name)
    stand.wait(lambda: _ready(teams) == many, "all to be Ready", seconds=_PATIENCE)
    for number, (poison, _) in enumerate(POISONS.values()):
        team = teams[number % len(teams)]
        stand.recorder.excused.add(team.namespace)
        poison(team, names[number])
    healthy = set(names[len(POISONS) :])
    for number in range(_QUICK_RESTARTS if scope.quick else RESTARTS):
        stand.end_operator()
        began, mark = time.monotonic(), stand.proxy.mark()
        operator = stand.run_operator()
        probe = stand.team()
        probe.create()
        wrong = ""
        try:
            probe.settled()
            stand.wait(lambda: _ready(teams, healthy) == len(healthy), "the healthy to be Ready", seconds=_PATIENCE)
            stand.quiet(2.0)
        except AssertionError as error:
            wrong = str(error)
        if not operator.running:
            wrong += f" the operator ended with {operator.code}: {operator.said()[-400:]}"
        for place, (poison_name, (_, verdict)) in enumerate(POISONS.items()):
            team = teams[place % len(teams)]
            wrong_verdict = _judged(team, names[place], verdict)
            yield Case("P10", f"restart {number + 1}: {poison_name}: judged", wrong_verdict)
        told = f"restart {number + 1}: {len(healthy)} healthy of {many}, {time.monotonic() - began:.0f} s"
        yield Case("P10", told, wrong or _crowd(stand, mark, healthy, teams))
        probe.delete()
    for team in teams:
        team.leave()


def _ready(teams: list[Team], names: set[str] | None = None) -> int:
    """How many of them are Ready at their newest generation."""
    count = 0
    for team in teams:
        for endpoint in team.stand.admin.list(KIND, team.namespace):
            if names is not None and endpoint["metadata"]["name"] not in names:
                continue
            conditions = (endpoint.get("status") or {}).get("conditions") or ()
            generation = endpoint["metadata"]["generation"]
            count += any(
                c["type"] == "Ready" and c["status"] == "True" and c.get("observedGeneration") == generation
                for c in conditions
            )
    return count


def _judged(team: Team, name: str, verdict: str) -> str:
    try:
        team.until(verdict, name=name)
    except AssertionError as error:
        return str(error)
    return ""


def _crowd(stand: Stand, mark: int, healthy: set[str], teams: list[Team]) -> str:
    """Tell of writes about endpoints that were as they should be."""
    spaces = {team.namespace for team in teams}
    written = [e for e in stand.proxy.writes(mark) if e.asked.namespace in spaces and e.asked.name in healthy]
    return f"{len(written)} writes about healthy ones: {written[0].asked}" if written else ""


def _status(team: Team, name: str, status: object) -> None:
    path = f"{team.path(name)}/status"
    team.stand.admin.send("PATCH", path, {"status": status}, content_type="application/merge-patch+json")


def _binding(data: dict[str, bytes] | None) -> Callable[[Team, str], None]:
    def poison(team: Team, name: str) -> None:
        uid = (team.get(name) or {})["metadata"]["uid"]
        whole = None if data is None else encoded(data)
        patch = [{"op": "replace" if whole else "remove", "path": "/data", **({"value": whole} if whole else {})}]
        path = f"/api/v1/namespaces/{BINDINGS}/secrets/{uid}"
        team.stand.admin.send("PATCH", path, patch, content_type="application/json-patch+json")

    return poison


def _annotate(team: Team, name: str) -> None:
    huge = {"example.com/a": "x" * 200_000, "hookgate.dev/rotate": "y" * 20_000}
    team.change(KIND, team.namespace, name, {"metadata": {"annotations": huge}})


def _route(team: Team, name: str) -> None:
    uid = (team.get(name) or {})["metadata"]["uid"]
    nonsense = {"rules": None, "defaultBackend": {"service": {"name": "x", "port": {"name": "y"}}}}
    team.change("Ingress", SYSTEM, f"hookgate-{uid}", {"spec": nonsense})


def _bad_conditions(team: Team, name: str) -> None:
    time_ = "2026-01-01T00:00:00Z"
    strange = [
        {"type": kind, "status": "Unknown", "reason": "X", "message": "", "lastTransitionTime": time_}
        for kind in ("Ready", "Strange")
    ]
    _status(
        team,
        name,
        {"conditions": strange, "url": "no URL", "bindingDigest": "?", "secretName": "/", "rotated": {"a": ""}},
    )


_UNREADABLE, _ACTIVE = "False BindingUnreadable", "True Active"
#: What is done to an endpoint, and what Ready says of it then.
POISONS: Mapping[str, tuple[Callable[[Team, str], None], str]] = {
    "a binding that is garbage": (_binding({"binding": b"\xff\x00 no JSON"}), _UNREADABLE),
    "a binding without data": (_binding(None), _UNREADABLE),
    "a binding of another version": (_binding({"binding": b'{"version":99,"uid":"x","path":null}'}), _UNREADABLE),
    "a binding nested a thousand deep": (_binding({"binding": b"[" * 5000}), _UNREADABLE),
    "a binding that is a number": (_binding({"binding": b"1"}), _UNREADABLE),
    "a status of nonsense": (_bad_conditions, _ACTIVE),
    "no status": (lambda team, name: _status(team, name, None), _ACTIVE),
    "huge annotations": (_annotate, _ACTIVE),
    "a route turned inside out": (_route, _ACTIVE),
}

"""P20: a later version takes over from an earlier one, and an earlier from a later one, and hardly anybody notices.

Under way the request log is read, every Secret and route is compared byte for byte, and calls are made all the time
through one receiver, which stays. See `predecessor` for what stands for the earlier version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.faults.asked import BINDINGS, SYSTEM
from tests.faults.cases import Case, Scope
from tests.faults.operators import Operators
from tests.faults.predecessor import is_of_this_version, predecessor
from tests.faults.repeatedly import repeatedly
from tests.faults.stand import GATEWAY_HOST, Stand
from tests.faults.team import KIND, Team

_MANY, _FEW = 1000, 40
_PATIENCE = 420.0
#: As many teams as there are, and this many of their endpoints are called.
_CALLED = 10

#: What there is of each kind, by turns.
_SPECS: Sequence[Mapping[str, Any]] = (
    {},
    {"exposure": {"host": GATEWAY_HOST}},
    {"state": "inactive"},
    {"auth": {"type": "token", "token": {"header": "X-Token"}}},
)


@dataclass(slots=True)
class _Calls:
    """How many calls were made, and what those that were not answered with 200 were answered."""

    made: int = 0
    refused: list[int] = field(default_factory=list)


def upgrades(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Install the earlier version, make endpoints, install the later one, and go back."""
    stand.end_operator()
    earlier = Operators(stand.folder / "earlier", stand.watchdog, predecessor(stand.folder / "earlier"))
    try:
        yield from _there_and_back(stand, earlier, _FEW if scope.quick else _MANY)
    finally:
        stand.end_operator()
        earlier.close()
        stand.clean()


def _there_and_back(stand: Stand, earlier: Operators, many: int) -> Iterator[Case]:
    stand.start_operator(operators=earlier)
    teams = [stand.team() for _ in range(max(2, many // 50))]
    for number in range(many):
        teams[number % len(teams)].create(f"ep-{number}", **_SPECS[number // len(teams) % len(_SPECS)])
    stand.wait(lambda: _told(teams, later=False) == many, "all to be as they should", seconds=_PATIENCE)
    teams[0].patch("ep-0", auth={"secret": {"rotate": "1"}})
    stand.wait(lambda: _told(teams, later=False) == many, "a rotation", seconds=_PATIENCE)
    _introduce(stand, teams[:_CALLED])
    stand.quiet(2.0)
    for way, operators, later in (("up", stand.operators, True), ("back", earlier, False)):
        before, mark = _held(stand, teams), stand.proxy.mark()
        wrong = ""
        with _called(teams[:_CALLED]) as calls:
            stand.end_operator()
            stand.start_operator(operators=operators)
            try:
                every = lambda l=later: _told(teams, later=l) == many  # noqa: E731, E741 -- a wait's condition
                stand.wait(every, "every status to be of this version", seconds=_PATIENCE)
                stand.quiet(2.0)
            except AssertionError as error:
                wrong = str(error)
        yield Case("P20", f"{way}: all {many} are as they should be", wrong)
        after, written = _held(stand, teams), _written(stand, mark, teams)
        for name in sorted(before):
            yield Case("P20", f"{way}: {name}", _differs(before[name], after.get(name)) or _too_often(written[name]))
        told = f"{calls.made} calls" if calls.made else "no call was made"
        yield Case(
            "P20", f"{way}: {told} meanwhile", "" if calls.made and not calls.refused else f"{calls.refused[:9]}"
        )
    for team in teams:
        team.leave()


def _introduce(stand: Stand, teams: Sequence[Team]) -> None:
    """Make the first calls, which a status tells of at once, and of later ones every five minutes."""
    with _called(teams):
        for number, team in enumerate(teams):
            told = lambda t=team, n=number: "calls" in ((t.get(f"ep-{n}") or {}).get("status") or {})  # noqa: E731
            stand.wait(told, "a status to tell of calls", seconds=_PATIENCE)


def _told(teams: Sequence[Team], *, later: bool) -> int:
    """How many are Ready at their newest generation, by a status of that version."""
    count = 0
    for team in teams:
        for endpoint in team.stand.admin.list(KIND, team.namespace):
            generation, status = endpoint["metadata"]["generation"], endpoint.get("status") or {}
            ready = [c for c in status.get("conditions") or () if c["type"] == "Ready" and c["status"] == "True"]
            count += (
                status.get("observedGeneration") == generation
                and bool(ready)
                and is_of_this_version(endpoint) == later
                and ("rotate" not in endpoint["spec"]["auth"].get("secret", {}) or "rotated" in status)
            )
    return count


Held = dict[str, Any]


def _held(stand: Stand, teams: Sequence[Team]) -> dict[str, Held]:
    """By namespace and name of an endpoint: its URL, and the bytes and versions of its Secrets and route."""
    found: dict[str, Held] = {}
    by_uid: dict[str, Held] = {}
    for team in teams:
        for endpoint in stand.admin.list(KIND, team.namespace):
            held: Held = {"url": (endpoint.get("status") or {}).get("url")}
            found[f"{team.namespace}/{endpoint['metadata']['name']}"] = held
            by_uid[endpoint["metadata"]["uid"]] = held
    places = [("Secret", BINDINGS), ("Ingress", SYSTEM), ("HTTPRoute", SYSTEM)]
    for kind, namespace in [*places, *(("Secret", team.namespace) for team in teams)]:
        for obj in stand.admin.list(kind, namespace):
            uid = (obj["metadata"].get("labels") or {}).get("hookgate.dev/endpoint-uid")
            if uid in by_uid:
                by_uid[uid][f"{kind} in {namespace}"] = (obj.get("data"), obj["metadata"]["resourceVersion"])
    return found


def _differs(before: Held, after: Held | None) -> str:
    if after is None:
        return "it is gone"
    return ", ".join(what for what in sorted({*before, *after}) if before.get(what) != after.get(what))


def _written(stand: Stand, mark: int, teams: Sequence[Team]) -> Counter[str]:
    """How often something was written about each endpoint, whatever came of it; Events aside."""
    names = {
        endpoint["metadata"]["uid"]: f"{team.namespace}/{endpoint['metadata']['name']}"
        for team in teams
        for endpoint in stand.admin.list(KIND, team.namespace)
    }
    counted: Counter[str] = Counter()
    for entry in stand.proxy.writes(mark):
        asked = entry.asked
        if asked.resource == "events":
            continue
        own = f"{asked.namespace}/{asked.name.removesuffix('-webhook')}"
        counted[names.get(asked.name.removeprefix("hookgate-"), own)] += 1
    return counted


def _too_often(writes: int) -> str:
    return f"{writes} writes" if writes > 1 else ""


@contextmanager
def _called(teams: Sequence[Team]) -> Iterator[_Calls]:
    """Call one endpoint of each team again and again, as a sender does that knows nothing of versions."""
    calls = _Calls()
    told = [(team, team.connection(f"ep-{number}-webhook")) for number, team in enumerate(teams)]

    def call() -> None:
        for team, connection in told:
            calls.made += 1
            status = team.call(connection).status
            if status != 200:
                calls.refused.append(status)

    with repeatedly(call, every=0.02):
        yield calls

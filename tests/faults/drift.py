"""P12: whatever others change or delete of what is the operator's is put back by one write; what is theirs stays.

Every field of every object that an endpoint has is taken away and changed, one at a time, each in a team of its own.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.cluster.rest import path_of
from tests.faults.asked import BINDINGS, SYSTEM
from tests.faults.batch import AT_ONCE, calm
from tests.faults.cases import Case, Scope
from tests.faults.picture import difference, picture
from tests.faults.stand import GATEWAY_HOST, Stand
from tests.faults.team import FINALIZER, KIND, Object, Team

Patch = list[dict[str, Any]]
#: What somebody else puts on every object before it drifts, and finds there afterwards.
FOREIGN = {"labels": {"team.example.com/cost": "42"}, "annotations": {"team.example.com/note": "ours"}}
_PLURAL = {"Secret": "secrets", "Ingress": "ingresses", "HTTPRoute": "httproutes", KIND: "webhookendpoints"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A change of the object of this ``kind`` in that ``place`` by a JSON patch; None deletes it."""

    name: str
    kind: str
    place: str
    patch: Patch | None
    host: str | None = None


def drifts(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Every field of every object, changed and removed; every object deleted."""
    wanted = list(_found(stand))
    wanted = [d for d in wanted if scope.only in f"{d.kind} in the {d.place}"]
    if scope.quick:
        wanted = [d for d in wanted if d.patch is None][:5]
    stand.run_operator()
    for start in range(0, len(wanted), AT_ONCE):
        yield from _tried(stand, wanted[start : start + AT_ONCE])


def _tried(stand: Stand, wanted: list[Drift]) -> Iterator[Case]:
    teams = [(stand.team(), drift) for drift in wanted]
    for team, drift in teams:
        spec: dict[str, Any] = {"exposure": {"host": drift.host}} if drift.host else {}
        team.create(**spec)
    for team, _ in teams:
        team.until("True Active")
        for obj in team.objects():
            _mark_foreign(team, obj)
    stand.wait(lambda: all(calm(team) for team, _ in teams), "all to be calm")
    before = {team.namespace: _essence(team) for team, _ in teams}
    marks = {}
    for team, drift in teams:
        marks[team.namespace] = stand.proxy.mark()
        team.stand.recorder.excused.add(team.namespace)
        if not _make(team, drift):
            before.pop(team.namespace)
    for team, drift in teams:
        if team.namespace in before:
            what = f"{drift.kind} in the {drift.place}: {drift.name}"
            yield Case("P12", what, _wrong(team, drift, before[team.namespace], marks[team.namespace]))
        team.delete()


def _wrong(team: Team, drift: Drift, before: str, mark: int) -> str:
    try:
        team.stand.wait(lambda: _essence(team) == before and calm(team), "the drift to be undone", seconds=30)
    except AssertionError:
        return f"not undone: {difference(before, _essence(team))}"
    writes = [
        e
        for e in team.stand.proxy.writes(mark, team=team.namespace)
        if e.asked.resource.split("/")[0] == _PLURAL[drift.kind] and 200 <= e.status < 300
    ]
    same = [e for e in writes if _placed(e.asked.namespace) == drift.place]
    if len(same) > 1:
        return f"{len(same)} writes: {[str(e.asked) for e in same]}"
    metadata = _object(team, drift)["metadata"]
    kept = all((metadata.get(part) or {}).items() >= foreign.items() for part, foreign in FOREIGN.items())
    return "" if kept or drift.patch is None else "what others had put there is gone"


def _found(stand: Stand) -> Iterator[Drift]:
    """All drifts, from the objects of two endpoints that are in force."""
    stand.run_operator()
    for host in (None, GATEWAY_HOST):
        spec: dict[str, Any] = {"exposure": {"host": host}} if host else {}
        team = stand.team().created(**spec)
        for obj in team.objects():
            place = _placed(obj["metadata"]["namespace"])
            if obj["kind"] == KIND:
                if host is None:
                    yield from _of_endpoint(place)
                continue
            if host is not None and obj["kind"] != "HTTPRoute":
                continue
            if (obj["kind"], place) != ("Secret", "bindings"):
                yield Drift(name="deleted", kind=obj["kind"], place=place, patch=None, host=host)
            for path, value in _fields(obj):
                if place == "bindings" and path[0] == "data":
                    continue  # a binding that is tampered with is told, and never overwritten
                yield from _of_field(obj["kind"], place, path, value, host)
        team.delete()


def _of_field(kind: str, place: str, path: list[str | int], value: Any, host: str | None) -> Iterator[Drift]:
    pointer = "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in path)
    name = ".".join(map(str, path))
    gone: Patch = [{"op": "remove", "path": pointer}]
    yield Drift(name=f"{name} removed", kind=kind, place=place, patch=gone, host=host)
    other: Any = value + 1 if isinstance(value, int) and not isinstance(value, bool) else f"{value}x"
    if path[0] == "data":
        other = base64.b64encode(b"planted").decode()
    if isinstance(value, bool):
        other = not value
    changed: Patch = [{"op": "replace", "path": pointer, "value": other}]
    yield Drift(name=f"{name} changed", kind=kind, place=place, patch=changed, host=host)


def _of_endpoint(place: str) -> Iterator[Drift]:
    first = "/metadata/finalizers/0"
    gone: Patch = [{"op": "test", "path": first, "value": FINALIZER}, {"op": "remove", "path": first}]
    yield Drift(name="finalizer removed", kind=KIND, place=place, patch=gone)
    values: dict[str, Any] = {"url": "https://evil.example.com/h/x", "secretName": "other", "conditions": []}
    for name, value in values.items():
        patch: Patch = [{"op": "replace", "path": f"/status/{name}", "value": value}]
        yield Drift(name=f"status.{name} changed", kind=KIND, place=place, patch=patch)


def _fields(obj: Object) -> Iterator[tuple[list[str | int], Any]]:
    """The leaves of what is ours in an object."""
    metadata = obj["metadata"]
    for part in ("labels", "annotations"):
        for key, value in (metadata.get(part) or {}).items():
            yield ["metadata", part, key], value
    for number, _ in enumerate(metadata.get("ownerReferences") or ()):
        yield ["metadata", "ownerReferences", number], ""
    for part in ("data", "spec"):
        yield from _leaves([part], obj.get(part))


def _leaves(path: list[str | int], value: Any) -> Iterator[tuple[list[str | int], Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves([*path, key], each)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _leaves([*path, number], each)
    elif value is not None:
        yield path, value


def _placed(namespace: str) -> str:
    return {SYSTEM: "system", BINDINGS: "bindings"}.get(namespace, "team")


def _object(team: Team, drift: Drift) -> Object:
    return next(
        o for o in team.objects() if o["kind"] == drift.kind and _placed(o["metadata"]["namespace"]) == drift.place
    )


def _make(team: Team, drift: Drift) -> bool:
    """Let the drift happen; False: the server does not let anybody do that."""
    found = _object(team, drift)
    namespace, name = found["metadata"]["namespace"], found["metadata"]["name"]
    if drift.patch is None:
        team.stand.admin.delete(drift.kind, namespace, name)
        return True
    path = path_of(drift.kind, namespace, name)
    if drift.name.startswith("status."):
        path += "/status"
    reply = team.stand.admin.send("PATCH", path, drift.patch, content_type="application/json-patch+json")
    after = reply.body.get("metadata", {}).get("resourceVersion")
    return reply.ok and after != found["metadata"]["resourceVersion"]


def _mark_foreign(team: Team, obj: Object) -> None:
    metadata = obj["metadata"]
    team.change(obj["kind"], metadata["namespace"], metadata["name"], {"metadata": FOREIGN})


def _essence(team: Team) -> str:
    """The team's picture; what was deleted comes back without what others had put on it."""
    objects = []
    for obj in team.objects():
        metadata = dict(obj["metadata"])
        for part, foreign in FOREIGN.items():
            kept = {k: v for k, v in (metadata.get(part) or {}).items() if k not in foreign}
            metadata = {**metadata, part: kept}
        objects.append({**obj, "metadata": metadata})
    return picture(objects, team.namespace)

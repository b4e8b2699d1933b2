"""P7: it does not matter how an endpoint came to a spec: S0, S1, ... Sn ends as a fresh Sn does.

What is remembered by design is set aside: that a path exists once it was made, keys and paths that still work for a
while after a rotation, which rotation requests were seen, the finalizer, and the kept path of an endpoint that is
refused. Where a secret was made in a form that the new scheme cannot use, the endpoint says so, and both runs do what
it asks for.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.control.stage import GATEWAY, Stage, platform
from tests.faults.batch import together
from tests.faults.cases import Case, Scope
from tests.faults.picture import difference, picture
from tests.faults.scenarios import JUDGED, Scenario, Step
from tests.faults.specs import SPECS, Spec
from tests.faults.stand import BARE_HOST, GATEWAY_HOST, HOST, Stand
from tests.faults.team import Team

SEQUENCES, ON_A_SERVER = 500, 20
_LONGEST = 6
_TEAM = "team-a"
_FINAL = "the-last-one"

_CONFIG = platform(
    f"{{name: {HOST}, exposure: ingress, namespaces: ['team-*']}}",
    GATEWAY.replace("hooks.example.com", GATEWAY_HOST),
    f"{{name: {BARE_HOST}, exposure: none, namespaces: ['team-*']}}",
    more="auth: {allowedTypes: [hmac, token, none]}\n"
    "targets: {urls: [{prefix: 'http://127.0.0.1:8000', namespaces: ['team-*']}]}\n",
)


def sequences(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Hundreds of sequences on the in-memory world of tests/control, and some on the real server."""
    count = 60 if scope.quick else SEQUENCES
    found: list[tuple[list[Spec], str]] = []

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(SPECS, min_size=2, max_size=_LONGEST))
    def walk(specs: list[Spec]) -> None:
        try:
            found.append((specs, in_memory(specs)))
        except AssertionError as error:  # what the world holds of every write
            found.append((specs, str(error)))

    walk()
    for specs, wrong in found:
        yield Case("P7", f"in memory: {json.dumps(specs)}", wrong)
    if not scope.quick:
        chosen = [specs for specs, _ in random.Random(1).sample(found, ON_A_SERVER)]
        yield from on_a_server(stand, chosen)


def in_memory(specs: Sequence[Spec]) -> str:
    """Tell how the end of a sequence differs from that of a fresh endpoint with its last spec.

    It goes to its begin and back once more: what a binding says again must not look as it did.
    """
    walked, fresh = Stage(_CONFIG), Stage(_CONFIG)
    for stage in (walked, fresh):
        stage.bring("mine", secret=b"brought-by-the-tenant", other=b"another-one-of-the-tenant")
    for spec in (*specs, specs[0], specs[-1]):
        walked.store(spec, checked=True)
        walked.settle()
    last = dict(specs[-1])
    fresh.store(last, checked=True)
    fresh.settle()
    if walked.ready() == "False SecretFormatMismatch":
        last["auth"] = {**last["auth"], "secret": {**last["auth"].get("secret", {}), "rotate": _FINAL}}
        for stage in (walked, fresh):
            stage.store(last, checked=True)
            stage.settle()
    ends = []
    for stage in (walked, fresh):
        if last.get("state") == "inactive":
            # A path that was made stays; so the fresh one gets one, too.
            for state in ("active", "inactive"):
                stage.store({**last, "state": state}, checked=True)
                stage.settle()
        ends.append(essence(stage.world.of_kind("Secret", "Ingress", "HTTPRoute", "WebhookEndpoint"), _TEAM))
    return difference(ends[1], ends[0])


def on_a_server(stand: Stand, chosen: Sequence[Sequence[Spec]]) -> Iterator[Case]:
    """The same with real processes: every spec is put, and judged before the next."""
    prefix = stand.target.url

    def local(spec: Spec) -> Spec:
        text = json.dumps(spec).replace("http://127.0.0.1:8000", prefix)
        found: Spec = json.loads(text)
        return found

    def put(team: Team, spec: Spec) -> None:
        known = team.get()
        if known is None:
            team.create(**spec)
        else:
            stand.admin.send("PUT", team.path(), {**known, "spec": spec})

    wanted: list[tuple[str, Scenario, Callable[[Team], object]]] = []
    for number, specs in enumerate(chosen):
        last = specs[-1]
        ends = [*specs, {**last, "state": "active"}, last] if last.get("state") == "inactive" else list(specs)
        fresh = ends[len(specs) - 1 :]
        for kind, each in (("walked", ends), ("fresh", fresh)):
            steps = tuple(Step(partial(put, spec=local(spec)), JUDGED) for spec in each)
            wanted.append((f"{number} {kind}", Scenario(before=(_PREPARE,), steps=steps), lambda _: None))
    pictures: dict[str, str] = {}
    wrongs: dict[str, str] = {}
    mismatched: set[str] = set()
    for story in together(stand, wanted):
        pictures[story.name], wrongs[story.name] = essence(story.team.objects(), story.team.namespace), story.wrong
        if story.team.says() == "False SecretFormatMismatch":
            mismatched.add(story.name)
    for number, specs in enumerate(chosen):
        one, other = f"{number} fresh", f"{number} walked"
        wrong = wrongs[one] or wrongs[other]
        if other not in mismatched:
            wrong = wrong or difference(pictures[one], pictures[other])
        yield Case("P7", f"on a server: {json.dumps(specs)}", wrong)


def _prepare(team: Team) -> None:
    team.serve()
    team.give("mine", {"secret": b"brought-by-the-tenant", "other": b"another-one-of-the-tenant"})


_PREPARE = Step(_prepare, "")


def essence(objects: Sequence[dict[str, Any]], team: str) -> str:
    """What there is, without what is remembered by design."""
    endpoint = next(o for o in objects if o["kind"] == "WebhookEndpoint")
    status = endpoint.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    if conditions.get("Accepted", {}).get("status") != "True" or _stuck(conditions):
        # What is refused keeps what it has, and serves nothing.
        kept = {kind: (c["status"], c["reason"]) for kind, c in conditions.items() if kind in ("Accepted", "Ready")}
        routes = [o["kind"] for o in objects if o["kind"] in ("Ingress", "HTTPRoute")]
        return json.dumps([kept, routes], indent=1)
    return picture([_lasting(o) for o in objects if o["kind"] != "Service"], team)


def _stuck(conditions: dict[str, Any]) -> bool:
    """Whether the name of its connection Secret is taken: then it keeps the former one until there is another."""
    return bool(conditions.get("Ready", {}).get("reason") == "SecretNameTaken")


def _lasting(obj: dict[str, Any]) -> dict[str, Any]:
    """An object without what a former spec left in it on purpose."""
    if obj["kind"] == "WebhookEndpoint":
        status = {k: v for k, v in (obj.get("status") or {}).items() if k not in ("rotated", "keys")}
        status["conditions"] = [
            {k: v for k, v in c.items() if k not in ("observedGeneration", "lastTransitionTime")}
            for c in status.get("conditions") or ()
        ]
        status.pop("observedGeneration", None)
        # One that was ever served keeps its finalizer until it is deleted.
        metadata = {k: v for k, v in obj["metadata"].items() if k != "finalizers"}
        return {**obj, "metadata": metadata, "status": status}
    metadata = dict(obj["metadata"])
    if obj["kind"] in ("Ingress", "HTTPRoute"):
        kept = {k: v for k, v in (metadata.get("annotations") or {}).items() if "made-from" not in k}
        return {**_first_path(obj), "metadata": {**metadata, "annotations": kept}}
    data = {k: v for k, v in (obj.get("data") or {}).items() if k != "previous-secrets"}
    if "binding" in data:
        document = json.loads(base64.b64decode(data["binding"]))
        document |= {"keys": document["keys"][:1], "retired": [], "rotated": {}}
        if len(document["keys"]) and not document["form"]:
            document["keys"][0]["id"] = "any"
        data["binding"] = base64.b64encode(json.dumps(document).encode()).decode()
    return {**obj, "data": data}


def _first_path(route: dict[str, Any]) -> dict[str, Any]:
    """A route without the paths that were replaced."""
    found: dict[str, Any] = json.loads(json.dumps(route))
    for rule in found["spec"]["rules"]:
        if "http" in rule:
            rule["http"]["paths"] = rule["http"]["paths"][:1]
        else:
            rule["matches"] = rule["matches"][:1]
    return found

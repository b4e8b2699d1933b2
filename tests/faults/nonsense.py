"""P8 and P9: what the API server takes and the platform refuses, and what is legal and makes no sense.

Each refusal says why, and when it is taken back all is as it was. No nonsense ends the operator or touches others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults.batch import together
from tests.faults.cases import Case, Scope
from tests.faults.picture import difference
from tests.faults.scenarios import Scenario, Step, make
from tests.faults.stand import HOST, Stand
from tests.faults.team import GITHUB, KIND, Team

#: A Secret may hold about a megabyte, an object's annotations a quarter of one.
_HUGE = "x" * 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A spec that is refused for ``reason``, and whether nobody but the user can mend that."""

    spec: Mapping[str, Any]
    reason: str
    stalled: bool = True
    given: Callable[[Team], object] | None = None

    def refused(self) -> Scenario:
        """A story that ends refused."""
        steps = [Step(self.given, "")] if self.given else []
        return Scenario(before=tuple(steps), steps=(make(f"False {self.reason}", **self.spec),))

    def recovered(self) -> Scenario:
        """A story that goes from good to refused and back."""
        back = dict.fromkeys(self.spec) | {"auth": {**GITHUB, **_NO_SETTINGS}, "target": {"service": None}}
        steps = (
            Step(lambda team: team.patch(**_sole(team, self.spec)), f"False {self.reason}"),
            Step(lambda team: team.patch(**_good(team, back))),
        )
        return Scenario(before=(*([Step(self.given, JUST)] if self.given else ()), make()), steps=steps)


JUST = ""
_NO_SETTINGS = {"secret": None, "hmac": None, "token": None, "basic": None}


def _sole(team: Team, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch that leaves nothing of the former target or authentication."""
    found = dict(spec)
    if "service" in found.get("target", {}):
        found["target"] = {"url": None, **found["target"]}
    if found.get("auth", {}).get("type") not in (None, "hmac"):
        found["auth"] = {"provider": None, **found["auth"]}
    return found


def _good(team: Team, back: Mapping[str, Any]) -> dict[str, Any]:
    return {**back, "target": {"service": None, "url": f"{team.stand.target.url}/{team.namespace}/ci"}}


def _ref(name: str = "mine", **more: str) -> dict[str, Any]:
    return {"auth": {**GITHUB, "secret": {"ref": {"name": name, **more}}}}


def _service(name: str = "app", port: int = 8080) -> dict[str, Any]:
    return {"target": {"service": {"name": name, "port": port}}}


def _external(team: Team) -> None:
    metadata = {"name": "app", "namespace": team.namespace}
    spec = {"type": "ExternalName", "externalName": "elsewhere.example.com"}
    team.stand.admin.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


REFUSALS: Mapping[str, Refusal] = {
    "a host of others": Refusal(spec={"exposure": {"host": "foreign.example.com"}}, reason="HostNotAllowed"),
    "a URL that is not allowed": Refusal(spec={"target": {"url": "https://example.com/"}}, reason="TargetNotAllowed"),
    "the metadata service": Refusal(spec={"target": {"url": "http://169.254.169.254/"}}, reason="TargetNotAllowed"),
    "a type that is not allowed": Refusal(spec={"auth": {"type": "basic", "basic": {}}}, reason="AuthTypeNotAllowed"),
    "an unknown provider": Refusal(spec={"auth": {"type": "hmac", "provider": "no-such"}}, reason="UnknownProvider"),
    "an open URL in a route": Refusal(
        spec={"auth": {"type": "none"}, "exposure": {"host": HOST}}, reason="ExposureNotAllowed"
    ),
    "a missing Secret": Refusal(spec=_ref(), reason="SecretNotUsable", stalled=False),
    "a Secret without the label": Refusal(
        spec=_ref(),
        reason="SecretNotUsable",
        stalled=False,
        given=lambda team: team.give("mine", {"secret": b"sixteen bytes long"}, labelled=False),
    ),
    "a Secret without the key": Refusal(
        spec=_ref(key="other"),
        reason="SecretNotUsable",
        stalled=False,
        given=lambda team: team.give("mine", {"secret": b"sixteen bytes long"}),
    ),
    "an empty secret": Refusal(
        spec=_ref(), reason="SecretNotUsable", stalled=False, given=lambda team: team.give("mine", {"secret": b""})
    ),
    "a secret of one newline": Refusal(
        spec=_ref(), reason="SecretNotUsable", stalled=False, given=lambda team: team.give("mine", {"secret": b"\n"})
    ),
    "a name that is taken": Refusal(
        spec={"secretName": "mine"},
        reason="SecretNameTaken",
        given=lambda team: team.give("mine", {"password": b"of somebody else"}, labelled=False),
    ),
    "a missing Service": Refusal(spec=_service("none"), reason="TargetNotFound", stalled=False),
    "a Service without the port": Refusal(
        spec=_service(port=1), reason="TargetNotFound", stalled=False, given=lambda team: team.serve()
    ),
    "a Service that leads elsewhere": Refusal(spec=_service(), reason="TargetNotAllowed", given=_external),
}


def recoveries(stand: Stand, scope: Scope) -> Iterator[Case]:
    """P8: good, refused, good again: all is as before."""
    chosen = {n: r for n, r in REFUSALS.items() if scope.wants(n, list(REFUSALS)[:5])}
    wanted = [(name, Scenario(before=r.recovered().before, steps=()), lambda _: None) for name, r in chosen.items()]
    good = {story.name: story.team.picture() for story in together(stand, wanted)}
    for story in together(stand, [(n, r.recovered(), lambda _: None) for n, r in chosen.items()]):
        wrong = story.wrong or difference(ageless(good[story.name]), ageless(story.team.picture()))
        yield Case("P8", story.name, wrong)
    for story in together(stand, [(n, r.refused(), lambda _: None) for n, r in chosen.items()]):
        held = "Stalled" if chosen[story.name].stalled else "Reconciling"
        said = story.team.says(held).split(" ")[0]
        message = _message(story.team)
        wrong = story.wrong or ("" if said == "True" else f"{held} is not told")
        yield Case("P8", f"{story.name}: says so", wrong or ("" if "spec." in message else f"no field in: {message}"))


def ageless(shown: str) -> str:
    """A picture without the number of changes that it took."""
    return re.sub(r'"observedGeneration": \d+', '"observedGeneration": 0', shown)


def _message(team: Team) -> str:
    conditions = (team.get() or {}).get("status", {}).get("conditions", [])
    return str(next((c["message"] for c in conditions if c["type"] == "Ready"), ""))


def _both(*acts: Callable[[Team], object]) -> Callable[[Team], object]:
    """Do one after the other."""

    def do(team: Team) -> None:
        for act in acts:
            act(team)

    return do


def _long_path() -> dict[str, Any]:
    return {"service": {"name": "app", "port": 8080, "path": "/" + "p/" * 511}}


#: Legal, and nothing that anybody would want: what is created, beside what else there is.
NONSENSE: Mapping[str, Callable[[Team], object]] = {
    "annotations of 200 kB": lambda team: team.create(annotations={"example.com/a": _HUGE}),
    "a rotation asked for in 10 kB": lambda team: team.create(annotations={"hookgate.dev/rotate": "x" * 10_000}),
    "a rotation asked for in strange letters": lambda team: team.create(
        annotations={"hookgate.dev/rotate": "\u0000ü\U0001f600\n\u202e".replace("\u0000", "")}
    ),
    "a suspension that is neither true nor false": lambda team: team.create(
        annotations={"hookgate.dev/suspend": "perhaps"}
    ),
    "an adoption of nothing": lambda team: team.create(annotations={"hookgate.dev/adopt": "true"}),
    "an adoption of a forgery": _both(
        lambda team: team.give_forged("ci-webhook"),
        lambda team: team.create(annotations={"hookgate.dev/adopt": "true"}),
    ),
    "a name of 63 letters": lambda team: team.create("n" * 63),
    "the connection Secret as its own reference": lambda team: team.create(**_ref("ci-webhook")),
    "the referenced Secret as the connection Secret": _both(
        lambda team: team.give("mine", {"secret": b"sixteen bytes long"}),
        lambda team: team.create(secretName="mine", **_ref("mine")),
    ),
    "two endpoints with one connection Secret": _both(
        lambda team: team.create("other", secretName="shared"),
        lambda team: team.create(secretName="shared"),
    ),
    "a Secret of a megabyte": _both(
        lambda team: team.give("mine", {"secret": b"x" * 900_000}),
        lambda team: team.create(**_ref()),
    ),
    "a secret of bytes that are no text": _both(
        lambda team: team.give("mine", {"secret": bytes(range(256))}),
        lambda team: team.create(**_ref()),
    ),
    "a previous secret that is the current one": _both(
        lambda team: team.give("mine", {"secret": b"sixteen bytes long"}),
        lambda team: team.create(
            auth={**GITHUB, "secret": {"ref": {"name": "mine"}, "previousRefs": [{"name": "mine"}]}}
        ),
    ),
    "the longest path": _both(lambda team: team.serve(), lambda team: team.create(target=_long_path())),
    "the longest and shortest times": lambda team: team.create(
        auth={**GITHUB, "secret": {"rotate": "r" * 64, "overlap": "720h"}},
        exposure={"rotateURL": "u" * 64, "overlap": "0s"},
        target={"url": f"{team.stand.target.url}/x", "timeout": "100ms"},
    ),
    "a body of one byte at most": lambda team: team.create(limits={"maxBodyBytes": 1}),
    "no limits at all": lambda team: team.create(limits={}),
    "an IPv4 address as the host": lambda team: team.create(exposure={"host": "127.0.0.1"}),
    "finalizers of others": _both(lambda team: team.create(), lambda team: team.hold_by_others()),
    "labels that look like ours": _both(lambda team: team.create(), lambda team: team.label_like_ours()),
}


def misoperations(stand: Stand, scope: Scope) -> Iterator[Case]:
    """P9: each nonsense is judged, the operator lives, and an endpoint beside it is served."""
    operator = stand.run_operator()
    for name, act in NONSENSE.items():
        if not scope.wants(name, list(NONSENSE)[:4]):
            continue
        team, beside = stand.team(), stand.team()
        wrong = ""
        try:
            act(team)
            beside.create()
            made = [o["metadata"]["name"] for o in team.stand.admin.list(KIND, team.namespace)]
            for each in made:
                team.judged(each)
            beside.settled()
            stand.quiet(team=team.namespace)
        except AssertionError as error:
            wrong = str(error)[:600]
        if not operator.running:
            wrong += f" the operator ended with {operator.code}"
            operator = stand.run_operator()
        yield Case("P9", name, wrong)
        team.leave()
        beside.leave()

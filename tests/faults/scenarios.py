"""Stories of one endpoint on a real API server: what users do, step by step, and where each step is to end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults.stand import BARE_HOST, GATEWAY_HOST, HOST
from tests.faults.team import Team

#: What a step ends in when the endpoint is to be no more.
GONE = ""
#: What a step ends in when it is only to be judged, whatever comes of it.
JUDGED = "*"
#: The host of the stories in which a host is withdrawn; no other endpoint is on it.
MOODY_HOST = "moody.example.com"


@dataclass(frozen=True, slots=True)
class Step:
    """What is done, and what Ready then says in the end."""

    act: Callable[[Team], object]
    end: str = "True Active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``before`` is done in peace, ``steps`` under fire. ``alone``: it changes what all teams share."""

    before: tuple[Step, ...] = ()
    steps: tuple[Step, ...]
    alone: bool = False


def patch(end: str = "True Active", **spec: Any) -> Step:
    """Change the spec."""
    return Step(lambda team: team.patch(**spec), end)


def make(end: str = "True Active", **spec: Any) -> Step:
    """Create the endpoint."""
    return Step(lambda team: team.create(**spec), end)


def hosts(*names: str, end: str) -> Step:
    """Offer these hosts and the moody one, or not."""
    extra = {"name": MOODY_HOST, "namespaces": ["t-*"], "exposure": "ingress"}

    def offer(team: Team) -> None:
        usual = [HOST, GATEWAY_HOST, BARE_HOST]
        team.stand.configure(hosts=tuple(usual), extra_hosts=[extra] if MOODY_HOST in names else [])

    return Step(offer, end)


ACTIVE = make()
DELETE = Step(lambda team: team.delete(), GONE)
REF = {"type": "hmac", "provider": "github", "secret": {"ref": {"name": "mine"}}}
SERVICE = {"url": None, "service": {"name": "app", "port": 8080}}

SCENARIOS: Mapping[str, Scenario] = {
    "create": Scenario(steps=(ACTIVE,)),
    "create on a Gateway": Scenario(steps=(make(exposure={"host": GATEWAY_HOST}),)),
    "rotate": Scenario(before=(ACTIVE,), steps=(patch(auth={"secret": {"rotate": "1"}}),)),
    "rotate the URL": Scenario(before=(ACTIVE,), steps=(patch(exposure={"rotateURL": "1"}),)),
    "active, inactive, active": Scenario(
        before=(ACTIVE,), steps=(patch("True Inactive", state="inactive"), patch(state="active"))
    ),
    "configured, then activated": Scenario(
        steps=(make("True Inactive", state="inactive"), patch(state="active")),
    ),
    "absent": Scenario(before=(ACTIVE,), steps=(patch("True Absent", state="absent"),)),
    "delete": Scenario(before=(ACTIVE,), steps=(DELETE,)),
    "recreate under the same name": Scenario(before=(ACTIVE,), steps=(DELETE, ACTIVE)),
    "a bad reference, then fixed": Scenario(
        steps=(
            make("False SecretNotUsable", auth=REF),
            Step(lambda team: team.give("mine", {"secret": b"brought by the team"})),
        )
    ),
    "a missing target, then there": Scenario(
        steps=(make("False TargetNotFound", target=SERVICE), Step(lambda team: team.serve()))
    ),
    "another connection Secret": Scenario(before=(ACTIVE,), steps=(patch(secretName="elsewhere"),)),
    "retain and adopt": Scenario(
        before=(make(deletionPolicy="Retain"),),
        steps=(DELETE, make(annotations={"hookgate.dev/adopt": "true"})),
    ),
    "a host withdrawn and given back": Scenario(
        before=(hosts(MOODY_HOST, end=GONE), make(exposure={"host": MOODY_HOST})),
        steps=(hosts(end="False HostNotAllowed"), hosts(MOODY_HOST, end="True Active")),
        alone=True,
    ),
}


def ended(team: Team, step: Step) -> bool:
    """Whether the step has come to its end."""
    if step.end == GONE:
        return team.get() is None
    said = team.says()
    return said.partition(" ")[0] in ("True", "False") if step.end == JUDGED else said == step.end


def play(team: Team, steps: tuple[Step, ...]) -> None:
    """Do one step after the other, each when the one before has come to its end and nothing more is written."""
    for step in steps:
        step.act(team)
        team.stand.wait(
            lambda step=step: ended(team, step),  # type: ignore[misc]
            lambda step=step: f"{team.namespace} to say {step.end or 'nothing'}, not {team.says()}",  # type: ignore[misc]
        )
        team.stand.quiet(team=team.namespace)

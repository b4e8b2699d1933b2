"""Operators come and go: whatever moment one ends at, the next one finds everything as it should be, or makes it so.

What it wrote is read from the API server's audit log, not from its own words.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.cluster.calls import github
from tests.cluster.plane import BARE_HOST, BINDINGS, FOREIGN_HOST, GATEWAY_HOST, SYSTEM, Plane, Write
from tests.cluster.team import GITHUB, Object, Team, condition, data_of

TOKEN = {"type": "token", "token": {"header": "X-Token"}}

#: An endpoint in every state that one can rest in: what it is created with, what is then changed, and Ready's reason.
STATES: dict[str, tuple[Object, Object, str]] = {
    **{f"active-{i}": ({}, {}, "Active") for i in range(10)},
    "idle": ({"state": "inactive"}, {}, "Inactive"),
    "deactivated": ({}, {"state": "inactive"}, "Inactive"),
    "deactivated-410": ({"inactiveResponse": 410}, {"state": "inactive"}, "Inactive"),
    "absent": ({"state": "absent"}, {}, "Absent"),
    "deconfigured": ({}, {"state": "absent"}, "Absent"),
    "token": ({"auth": TOKEN}, {}, "Active"),
    "gateway": ({"exposure": {"host": GATEWAY_HOST}}, {}, "Active"),
    "bare": ({"exposure": {"host": BARE_HOST}}, {}, "Active"),
    "open": ({"auth": {"type": "none"}, "exposure": {"host": BARE_HOST}}, {}, "Active"),
    "retained": ({"deletionPolicy": "Retain"}, {}, "Active"),
    "rotated": ({}, {"auth": {"secret": {"rotate": "2026-11"}}}, "Active"),
    "revoked": ({}, {"auth": {"secret": {"rotate": "2026-11", "overlap": "0s"}}}, "Active"),
    "own-secret": ({"auth": {**GITHUB, "secret": {"ref": {"name": "mine"}}}}, {}, "Active"),
    "no-secret": ({"auth": {**GITHUB, "secret": {"ref": {"name": "none"}}}}, {}, "SecretNotUsable"),
    "taken-name": ({"secretName": "mine"}, {}, "SecretNameTaken"),
    "foreign-host": ({"exposure": {"host": FOREIGN_HOST}}, {}, "HostNotAllowed"),
    "foreign-target": ({"target": {"url": "https://example.com/"}}, {}, "TargetNotAllowed"),
    "no-service": ({"target": {"service": {"name": "none", "port": 80}}}, {}, "TargetNotFound"),
    "strange-provider": ({"auth": {"type": "hmac", "provider": "unheard-of"}}, {}, "UnknownProvider"),
    "turned-foreign": ({}, {"exposure": {"host": FOREIGN_HOST}}, "HostNotAllowed"),
}


@pytest.fixture
def population(team: Team) -> Team:
    """A team with an endpoint in every state, all of them settled."""
    team.give_secret("mine", b"a value of the team's own")
    for name, (spec, _, _) in STATES.items():
        team.create(name, **spec)
    team.plane.wait(lambda: all(settled(each) for each in endpoints(team)), "all endpoints to be judged")
    for name, (_, change, _) in STATES.items():
        if change:
            team.patch(name, **change)
    team.plane.wait(lambda: all(settled(each) for each in endpoints(team)), "all endpoints to be judged again")
    team.plane.quiet()
    return team


def endpoints(team: Team) -> list[Object]:
    """The team's endpoints."""
    return team.plane.admin.list("WebhookEndpoint", team.namespace)


def settled(endpoint: Object) -> bool:
    """Whether the newest spec was judged and nothing is under way."""
    # Also of one that is refused: a missing target, say, does not keep its path from being served and routed.
    reasons = {condition(endpoint, kind)["reason"] for kind in ("Ready", "Programmed", "Exposed")}
    return "" not in reasons and reasons.isdisjoint({"NoReceivers", "ReceiversPending", "RoutePending"})


def reasons(team: Team) -> dict[str, str]:
    """Why each endpoint is Ready or not."""
    return {each["metadata"]["name"]: condition(each, "Ready")["reason"] for each in endpoints(team)}


def everything(team: Team) -> dict[tuple[str, str, str], str]:
    """Every object of the team's, children elsewhere included, with its version."""
    admin = team.plane.admin
    mine = {each["metadata"]["uid"] for each in endpoints(team)}
    found: list[tuple[str, Object]] = [("WebhookEndpoint", each) for each in endpoints(team)]
    found += [("Secret", each) for each in admin.list("Secret", team.namespace)]
    found += [("Event", each) for each in admin.list("Event", team.namespace)]
    for kind, namespace in (("Secret", BINDINGS), ("Ingress", SYSTEM), ("HTTPRoute", SYSTEM)):
        labelled = admin.list(kind, namespace, "hookgate.dev/endpoint-uid")
        found += [(kind, o) for o in labelled if o["metadata"]["labels"]["hookgate.dev/endpoint-uid"] in mine]
    return {(k, o["metadata"]["namespace"], o["metadata"]["name"]): o["metadata"]["resourceVersion"] for k, o in found}


def writes_about(team: Team, since: int) -> list[Write]:
    """What was asked to be written about the team meanwhile, in its namespace and elsewhere."""
    mine = [each["metadata"]["uid"] for each in endpoints(team)]
    written = team.plane.writes(since)
    return [w for w in written if w.namespace == team.namespace or any(uid in w.name for uid in mine)]


def everything_was_looked_at(sentinel: Team, round_: int) -> None:
    """Two changes of an endpoint have gone all the way, each behind whatever was waiting before it."""
    for half in (0, 1):
        sentinel.patched("sentinel", target={"timeout": f"{2 * round_ + half + 1}s"})
    sentinel.plane.quiet(0.5)


def test_a_second_look_at_everything_writes_nothing(population: Team, teams: Callable[[], Team]) -> None:
    """On a new configuration, after SIGTERM and after SIGKILL, all is reconciled and not one byte written."""
    plane, elsewhere = population.plane, teams()
    elsewhere.created("sentinel")
    assert reasons(population) == {name: reason for name, (_, _, reason) in STATES.items()}
    assert len(reasons(population)) >= 30
    before, since = everything(population), plane.mark()

    plane.reload({**plane.configuration, "limits": {"maxEndpointsPerNamespace": 99}})
    everything_was_looked_at(elsewhere, 1)
    assert plane.restart_operator(signal.SIGTERM) == 0
    everything_was_looked_at(elsewhere, 2)
    assert plane.restart_operator(signal.SIGKILL) == -signal.SIGKILL
    everything_was_looked_at(elsewhere, 3)

    assert writes_about(population, since) == []
    assert everything(population) == before
    assert writes_about(elsewhere, since) != []  # the audit log does see writes


def test_an_operator_that_is_told_to_end_lets_the_next_one_begin_at_once(plane: Plane) -> None:
    """It ends without an error and gives its Lease up."""
    assert plane.operator.end(signal.SIGTERM) == 0
    lease = plane.admin.get("Lease", SYSTEM, "hookgate-operator")
    assert "holderIdentity" not in lease["spec"]


def test_operators_that_are_ended_amid_the_work_leave_nothing_wrong(team: Team) -> None:
    """Secrets and URLs are made once, whoever finishes the work; what is removed is removed by the next one."""
    plane, names = team.plane, [f"push-{i:02}" for i in range(16)]
    since = plane.mark()
    for name in names[:8]:
        team.create(name)
    since, seen = _ended_after(5, signal.SIGKILL, since, team)
    for name in names[8:]:  # enough for the second one, however far the first one came
        team.create(name)
    since, more = _ended_after(30, signal.SIGTERM, since, team)
    for name in names:
        team.ready(name, "Active")
    made = _secrets_of(team)
    assert len(made) == 16
    assert (seen | more).items() <= made.items()  # no operator made a second secret

    bodies = {name: team.connection(name) for name in names}
    removed = [team.get(name) for name in names[12:]]
    since = plane.mark()
    for name in names[:8]:
        team.patch(name, state="inactive")
    for name in names[8:12]:
        team.patch(name, state="absent")
    for name in names[12:]:
        team.delete(name)
    _ended_after(9, signal.SIGKILL, since, team)
    for name in names[:8]:
        team.holds_together(team.ready(name, "Inactive"))
        assert team.connection(name) == bodies[name]
    for name in names[8:12]:
        assert team.left_of(team.ready(name, "Absent")) == []
    for endpoint in removed:
        team.gone(endpoint["metadata"]["name"])
        assert team.left_of(endpoint) == []
    for name in names[:8]:
        team.patch(name, state="active")
        team.holds_together(team.ready(name, "Active"))
        assert team.call(bodies[name]["url"].decode(), b"x", github(bodies[name]["secret"], b"x")).status == 200
    assert _secrets_of(team) == {name: secret for name, secret in made.items() if name in names[:8]}


def _ended_after(writes: int, number: signal.Signals, since: int, team: Team) -> tuple[int, dict[str, bytes]]:
    """End the operator amid its work, after some writes, and launch the next.

    Return the place in the audit log where that one begins, and the secrets that there were in between.
    """
    plane = team.plane
    plane.wait(lambda: len(plane.writes(since)) >= writes, f"{writes} writes")
    plane.operator.end(number)
    mark, seen = plane.mark(), _secrets_of(team)
    plane.launch_operator()
    return mark, seen


def _secrets_of(team: Team) -> dict[str, bytes]:
    """The secrets that stand in connection Secrets by now."""
    found = team.plane.admin.list("Secret", team.namespace, "hookgate.dev/role=connection")
    return {o["metadata"]["name"].removesuffix("-webhook"): data_of(o)["secret"] for o in found}

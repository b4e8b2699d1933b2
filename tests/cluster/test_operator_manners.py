"""Hookgate as one of many who work on the same objects: what it leaves on them, and how much it talks."""

from __future__ import annotations

import re
import signal

from tests.cluster.calls import github
from tests.cluster.plane import BARE_HOST, BINDINGS, OPERATOR_USER, Plane
from tests.cluster.rest import FIELD_MANAGER
from tests.cluster.team import FINALIZER, GITHUB, Object, Team, condition, encoded
from tests.control.kstatus import is_current
from tests.gitops.test_health import argo, flux


def test_of_ours_the_users_object_carries_one_finalizer_and_a_status(team: Team) -> None:
    """No annotation, no label, nothing of the framework below; and the field managers tell who wrote what."""
    given = team.endpoint("push")
    given["metadata"] |= {"labels": {"team": "a"}, "annotations": {"note": "mine"}}
    team.plane.cluster.apply(given)
    team.ready("push", "Active")
    team.patched("push", state="inactive")
    team.patched("push", state="active")
    found = team.get("push")["metadata"]
    assert found["finalizers"] == [FINALIZER]
    assert (found["labels"], found["annotations"]) == ({"team": "a"}, {"note": "mine"})
    assert {(each["manager"], each.get("subresource", "")) for each in found["managedFields"]} == {
        (FIELD_MANAGER, ""),
        ("hookgate", ""),
        ("hookgate", "status"),
    }
    ours = next(e for e in found["managedFields"] if e["manager"] == "hookgate" and "subresource" not in e)
    assert ours["fieldsV1"] == {"f:metadata": {"f:finalizers": {f'v:"{FINALIZER}"': {}}}}


def test_children_inherit_neither_labels_nor_annotations(team: Team) -> None:
    """A GitOps tool that tracks its objects by label would prune them."""
    given = team.endpoint("push")
    tracked = {"argocd.argoproj.io/instance": "app"}
    given["metadata"] |= {"labels": tracked, "annotations": tracked}
    team.plane.admin.create(given)
    endpoint = team.ready("push")
    children = [
        team.plane.admin.get("Secret", team.namespace, "push-webhook"),
        team.binding(endpoint),
        team.route(endpoint),
    ]
    told = [(child or {})["metadata"] for child in children]
    assert [tracked.keys() & {*each["labels"], *each.get("annotations", {})} for each in told] == [set()] * 3


def test_only_the_operator_writes_and_only_what_it_may(team: Team) -> None:
    """A life from creation to deletion without one refused request, and none by the receiver."""
    plane = team.plane
    since = plane.mark()
    url = team.created("push")["status"]["url"]
    team.call(url, b"{}", github(team.connection("push")["secret"], b"{}"))
    team.patched("push", auth={"secret": {"rotate": "1"}})
    team.patched("push", state="absent")
    team.delete("push")
    team.gone("push")
    written = [w for w in plane.writes(since) if w.namespace in {team.namespace, BINDINGS}]
    assert {w.user for w in written} == {OPERATOR_USER}
    assert [w for w in written if w.namespace == team.namespace and w.status >= 400] == []


def test_events_are_posted_on_transitions_only_and_on_each(team: Team) -> None:
    """One for each change of Ready's status or reason that a watch saw, in that order, and none for anything else."""
    team.created("push")
    team.patched("push", state="inactive")
    team.patched("push", target={"timeout": "3s"})
    team.patched("push", state="active")
    team.plane.quiet()  # an Event is not waited for at the end
    assert team.plane.restart_operator(signal.SIGTERM) == 0
    team.patched("push", target={"timeout": "4s"})
    team.plane.admin.delete("Secret", team.namespace, "push-webhook")
    team.plane.wait(lambda: team.secret("push-webhook") is not None, "the connection Secret")
    team.patch("push", auth={"type": "hmac", "provider": "unheard-of"})
    last = team.until("push", "Ready", "False", "UnknownProvider")

    team.plane.wait(lambda: team.plane.history.knows(last), "the watch to come that far")
    seen = [condition_of(each) for each in team.plane.history.of(last) if each["status"]]
    transitions = [now for before, now in zip([None, *seen], seen, strict=False) if now != before]
    team.plane.wait(lambda: len(team.events("push")) >= len(transitions), "the last Event")
    told = sorted(team.events("push"), key=lambda event: str(event["eventTime"]))
    assert [(e["type"] == "Normal", e["reason"]) for e in told] == [(s == "True", r) for s, r in transitions]
    assert [r for s, r in transitions if s == "True"] == ["Active", "Inactive", "Active"]
    assert {e["reportingController"] for e in told} == {"hookgate.dev/operator"}


def condition_of(version: Object) -> tuple[str, str]:
    """Status and reason of Ready, of whatever generation."""
    ready = next(c for c in version["status"]["conditions"] if c["type"] == "Ready")
    return ready["status"], ready["reason"]


def test_secrets_and_paths_stand_where_they_must_and_nowhere_else(team: Team) -> None:
    """After a life with good calls, forged ones, rotation, drift, broken specs and restarts: not in logs nor Events.

    In the store: secrets in the connection Secret and in the binding alone, the path of type none likewise.
    """
    plane = team.plane
    team.give_secret("mine", b"canary-of-the-teams-own-secret")
    team.created("signed")
    team.created("token", auth={"type": "token", "token": {"header": "X-Token"}})
    team.created("mine", auth={**GITHUB, "secret": {"ref": {"name": "mine"}}})
    team.created("open", auth={"type": "none"}, exposure={"host": BARE_HOST})
    values = {team.connection("signed")["secret"], team.connection("token")["token"]}
    urls = {team.connection(name)["url"].decode() for name in ("signed", "token", "mine", "open")}
    for url in urls:
        team.call(url, b"canary-body", github(team.connection("signed")["secret"], b"canary-body"))
        team.call(url, b"canary-body", {"X-Token": team.connection("token")["token"].decode(), "X-Other": "canary-h"})
        team.call(f"{url}/", b"canary-body", {"X-Hub-Signature-256": "sha256=canary"})
    team.patched("signed", auth={"secret": {"rotate": "1"}})
    values |= {team.connection("signed")["secret"]}
    plane.admin.merge("Secret", team.namespace, "signed-webhook", {"data": encoded({"url": b"x"})})
    team.patch("token", auth={"type": "hmac", "provider": "unheard-of", "token": None})
    team.until("token", "Ready", "False", "UnknownProvider")
    plane.restart_operator(signal.SIGKILL)
    team.patched("signed", state="inactive")

    segments = {url.rpartition("/")[2] for url in urls}
    events = repr(plane.admin.list("Event", None))
    canaries = {v.decode() for v in values} | segments | {"canary"}
    assert len(canaries) == 8
    spoken = {"operator": plane.operator_log(), "receiver": plane.receiver_log(), "Events": events}
    assert [(where, c[:4]) for where, text in spoken.items() for c in canaries if c in text] == []

    open_path = team.connection("open")["url"].decode().rpartition("/")[2]
    for value in (*(v.decode() for v in values), "canary-of-the-teams-own-secret", open_path):
        places = {f"/registry/secrets/{namespace}" for namespace in (team.namespace, BINDINGS)}
        assert keys_with(plane, value) == places, value[:4]


def keys_with(plane: Plane, value: str) -> set[str]:
    """Under which keys, without the object's own name, the store holds a text or its base64."""
    dump = plane.cluster.dump_etcd()
    places = [(m.start(), m.group(1).decode()) for m in re.finditer(rb"^(/registry/[^\n]*)/[^/\n]+\n", dump, re.M)]
    needles = {value.encode(), *(v.encode() for v in encoded({"x": value.encode()}).values())}
    hits = [m.start() for needle in needles for m in re.finditer(re.escape(needle), dump)]
    return {next(key for start, key in reversed(places) if start <= hit) for hit in hits}


def test_waiting_tools_read_the_status_right_at_every_moment(team: Team) -> None:
    """A life of ups and downs, for the check of every version that follows each test here."""
    team.created("push")
    team.patched("push", state="inactive")
    team.patch("push", auth={**GITHUB, "secret": {"ref": {"name": "late"}}}, state="active")
    team.until("push", "Ready", "False", "SecretNotUsable")
    team.give_secret("late", b"x")
    active = team.ready("push", "Active")
    team.patch("push", state="absent")
    last = team.ready("push", "Absent")
    team.plane.wait(lambda: team.plane.history.knows(last), "the watch to come that far")
    assert len(team.plane.history.of(last)) >= 6
    assert condition(active, "Programmed")["status"] == "True"


def test_argo_cd_and_flux_conclude_from_every_version_what_kstatus_does(team: Team) -> None:
    """By the rules in manifests/gitops, from what an API server told: current, failed, or still to be waited for."""
    team.created("push")
    team.patched("push", state="inactive")
    team.patch("push", auth={"type": "hmac", "provider": "unheard-of"}, state="active")
    team.until("push", "Ready", "False", "UnknownProvider")
    team.patch("push", auth={**GITHUB, "secret": {"ref": {"name": "late"}}})
    team.until("push", "Ready", "False", "SecretNotUsable")
    team.give_secret("late", b"x")
    last = team.ready("push", "Active")
    team.plane.wait(lambda: team.plane.history.knows(last), "the watch to come that far")
    concluded = [(concluded_from(each), flux(each), argo(each)) for each in team.plane.history.of(last)]
    by_kstatus = {
        "current": ("current", {"Healthy", "Suspended"}),
        "failed": ("failed", {"Degraded"}),
        "inProgress": ("inProgress", {"Progressing"}),
    }
    assert [c for c in concluded if c[1] != by_kstatus[c[0]][0] or c[2] not in by_kstatus[c[0]][1]] == []
    assert {shown for _, _, shown in concluded} == {"Healthy", "Suspended", "Degraded", "Progressing"}


def concluded_from(version: Object) -> str:
    """What kstatus makes of a version of an endpoint."""
    generation, status = version["metadata"]["generation"], version.get("status") or {}
    if is_current(generation, status):
        return "current"
    stalled = any(c["type"] == "Stalled" and c["status"] == "True" for c in status.get("conditions") or ())
    return "failed" if stalled and status.get("observedGeneration") == generation else "inProgress"

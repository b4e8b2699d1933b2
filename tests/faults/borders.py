"""P17 and P18: nothing is read in another team's namespace, and no secret stands where it does not belong."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
from collections.abc import Iterator
from typing import Any

from tests.cluster.calls import github, post
from tests.faults.asked import BINDINGS, SYSTEM
from tests.faults.cases import Case, Scope
from tests.faults.stand import Stand
from tests.faults.team import GITHUB, Team


def isolation(stand: Stand, scope: Scope) -> Iterator[Case]:
    """P17: endpoints that name what stands in another team's namespace get nothing of it, and nobody looks there."""
    stand.run_operator()
    owner, thief = stand.team(), stand.team()
    owner.give("mine", {"secret": b"the owner's own secret"})
    owner.serve("app")
    stand.quiet()
    mark = stand.proxy.mark()
    named: dict[str, tuple[dict[str, Any], str]] = {
        "a Secret": ({"auth": {**GITHUB, "secret": {"ref": {"name": "mine"}}}}, "False SecretNotUsable"),
        "a Service": ({"target": {"service": {"name": "app", "port": 8080}}}, "False TargetNotFound"),
        "a connection Secret": ({"secretName": "mine"}, "True Active"),
    }
    for what, (spec, end) in named.items():
        team = stand.team()
        team.create(**spec)
        wrong = ""
        try:
            team.until(end)
        except AssertionError as error:
            wrong = str(error)
        yield Case("P17", f"{what} of that name elsewhere", wrong)
        team.delete()
    for url in (f"http://app.{owner.namespace}:8080/", f"http://app.{owner.namespace}.svc/", "http://10.0.0.1/"):
        other = stand.team()
        other.create(target={"url": url})
        other.judged()
        yield Case(
            "P17", "another namespace's Service by URL", "" if "TargetNotAllowed" in other.says() else other.says()
        )
        other.delete()
    smuggled = thief.endpoint(auth={**GITHUB, "secret": {"ref": {"name": "mine", "namespace": owner.namespace}}})
    reply = stand.admin.try_create(smuggled)
    yield Case("P17", "a reference with a namespace", "" if reply.status in (400, 422) else "it was taken")
    reply = stand.admin.try_create(smuggled, query="fieldValidation=Ignore")
    thief.until("False SecretNotUsable")
    yield Case("P17", "a reference with a namespace, field validation off", "" if reply.ok else reply.message)
    thief.delete()
    stand.quiet()
    looked = [e for e in stand.proxy.since(mark) if e.asked.namespace == owner.namespace]
    told = "; ".join(str(e.asked) for e in looked)
    yield Case("P17", f"requests into the owner's namespace, of {len(stand.proxy.since(mark))}", told)
    verbs = [e for e in stand.proxy.since(mark) if e.asked.resource == "secrets" and e.asked.verb in ("list", "watch")]
    broad = [e for e in verbs if not e.asked.namespace and not e.asked.selector]
    yield Case("P17", "lists of all Secrets without a selector", "; ".join(str(e.asked) for e in broad))
    owner.delete()


def leaks(stand: Stand, scope: Scope) -> Iterator[Case]:
    """P18: canaries, given and generated, stand in their own Secrets and bindings, and nowhere else."""
    stand.run_operator()
    canary = f"canary-{secrets.token_hex(16)}".encode()
    given, made, bad = stand.team(), stand.team(), stand.team()
    given.give("mine", {"secret": canary})
    given.create(auth={**GITHUB, "secret": {"ref": {"name": "mine"}}})
    made.create()
    bad.give("mine", {"secret": canary}, labelled=False)
    bad.create(auth={**GITHUB, "secret": {"ref": {"name": "mine"}}})
    given.settled()
    made.settled()
    bad.until("False SecretNotUsable")
    made.patch(auth={"secret": {"rotate": "1"}})
    made.settled()
    first = made.connection()
    replies = _calls(stand, made, first)
    _fail_somehow(stand, made)
    for team in (given, made):
        team.patch(state="inactive")
        team.settled("True Inactive")
        team.patch(state="active")
        team.settled()
    values = {"the team's own": canary, "generated": first["secret"], "previous": first["previous-secrets"]}
    urls = {"the path of a URL": first["url"].rpartition(b"/")[2]}
    places = {**_places(stand), "replies to calls": replies}
    for what, value in values.items():
        for spelling, text in _spellings(value).items():
            for place, content in places.items():
                yield Case("P18", f"{what} secret, {spelling}, in {place}", "it is there" if text in content else "")
    for what, value in urls.items():
        for place in ("the operator's log", "the receiver's log", "Events", "the receiver's metrics"):
            yield Case("P18", f"{what} in {place}", "it is there" if value in places[place] else "")
    for what, value in values.items():
        found = _holders(stand, value)
        allowed = {BINDINGS, given.namespace, made.namespace, bad.namespace}
        wrong = [key for key in found if not key.startswith("/registry/secrets/") or key.split("/")[3] not in allowed]
        missing = "" if found else " it is nowhere, so nothing was looked for"
        yield Case("P18", f"{what} secret in etcd", "; ".join(wrong) + missing)
    for team in (given, made, bad):
        team.delete()


def _calls(stand: Stand, team: Team, told: dict[str, bytes]) -> bytes:
    """What good, forged, misplaced and broken calls are answered."""
    path = "/h/" + told["url"].decode().rpartition("/")[2]
    forged = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
    answers = [
        post(stand.public, path, b"{}", github(told["secret"], b"{}")),
        post(stand.public, path, b"{}", forged),
        post(stand.public, path, b"{}", {"X-Hub-Signature-256": told["secret"].decode()}),
        post(stand.public, f"{path}x", b"{}", forged),
        post(stand.public, f"{path}?secret={told['secret'].decode()}", b"{}", forged),
        post(stand.public, path, b"x" * 2_000_000, forged),
    ]
    return b"\n".join(answer.body + json.dumps(dict(answer.headers)).encode() for answer in answers)


def _fail_somehow(stand: Stand, team: Team) -> None:
    """Give everybody a reason to complain: a name that is taken, an API server that refuses."""
    from tests.faults.rules import Fail, Rule

    stand.proxy.rules = [Rule(action=Fail(status=422), team=team.namespace, nth=n) for n in (1, 3, 5)]
    team.patch(secretName="another")
    team.settled()
    stand.proxy.rules = []


def _places(stand: Stand) -> dict[str, bytes]:
    events = stand.admin.send("GET", "/apis/events.k8s.io/v1/events").body
    endpoints = stand.admin.send("GET", "/apis/hookgate.dev/v1alpha1/webhookendpoints").body
    routes = stand.admin.send("GET", f"/apis/networking.k8s.io/v1/namespaces/{SYSTEM}/ingresses").body
    return {
        "the operator's log": stand.operators.log.read_bytes(),
        "the receiver's log": stand.operators.receiver_log.read_bytes(),
        "Events": json.dumps(events).encode(),
        "endpoints": json.dumps(endpoints).encode(),
        "routes": json.dumps(routes).encode(),
        "the operator's metrics": _get(stand.health, "/metrics"),
        "the receiver's metrics": _get(stand.private, "/metrics"),
    }


def _get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status}"
        return body
    finally:
        connection.close()


def _spellings(value: bytes) -> dict[str, bytes]:
    return {"as it is": value, "in base64": base64.b64encode(value).rstrip(b"="), "in hex": value.hex().encode()}


def _holders(stand: Stand, value: bytes) -> list[str]:
    """The keys in etcd whose values hold a secret, as it is or in the base64 of a binding."""
    lines = stand.cluster.dump_etcd().split(b"\n/registry/")
    texts = tuple(_spellings(value).values())
    return sorted(
        "/registry/" + part.split(b"\n", 1)[0].decode() for part in lines if any(text in part for text in texts)
    )

"""What is left over of endpoints that are gone, and what is not ours to judge."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from hookgate.control.cluster import Cluster, ClusterError, Request
from hookgate.control.objects import binding_secret
from hookgate.control.sweep import orphans, suspects
from hookgate.control.sweeping import sweep_up
from hookgate.control.values import Object, Step, Verb
from hookgate.model.binding import Binding, encode
from hookgate.model.endpoint import LABEL_UID

SYSTEM, BINDINGS = "hookgate-system", "hookgate-bindings"


def binding(uid: str, namespace: str = "team-a") -> Object:
    """The binding Secret of an endpoint."""
    made = Binding(
        uid=uid,
        namespace=namespace,
        name="push",
        active=True,
        auth={},
        keys=(),
        nonce="ff",
        target="http://ci.team-a.svc:80/",
        timeout_ms=1000,
        max_body_bytes=1000,
    )
    return binding_secret(uid, encode(made), BINDINGS)


def route(uid: str) -> dict[str, Any]:
    """The Ingress of an endpoint."""
    metadata = {"name": f"hookgate-{uid}", "namespace": SYSTEM, "labels": {LABEL_UID: uid}}
    return {"kind": "Ingress", "metadata": metadata}


def names(steps: tuple[Step, ...]) -> list[str]:
    """What is deleted, in order."""
    assert {step.verb for step in steps} <= {Verb.DELETE}
    return [f"{step.object['kind']} {step.object['metadata']['name']}" for step in steps]


def test_what_living_endpoints_have_stays() -> None:
    assert orphans([binding("u")], [route("u")], {"u"}, None) == ()


def test_of_the_gone_the_route_goes_first() -> None:
    """Where not every namespace is listed nothing but its binding tells whose a route was."""
    swept = orphans([binding("u"), binding("v")], [route("u"), route("v")], {"v"}, None)
    assert names(swept) == ["Ingress hookgate-u", "Secret u"]


def test_whose_binding_is_about_to_go_is_told_first() -> None:
    """So that the endpoint can be asked for; what is not ours to judge is not asked about."""
    found = [binding("u"), binding("v"), binding("w", "team-b"), binding_secret("x", b"{}", BINDINGS)]
    assert suspects(found, {"v"}, ["team-a"]) == {"u": Request("team-a", "push")}
    assert set(suspects(found, {"v"}, None)) == {"u", "w"}


def test_a_route_without_a_binding_is_swept_by_whoever_sees_the_whole_cluster() -> None:
    """Nobody else could say whose it was."""
    assert names(orphans([], [route("u")], set(), None)) == ["Ingress hookgate-u"]
    assert orphans([], [route("u")], set(), ["team-a"]) == ()


def test_a_binding_of_a_namespace_that_was_not_listed_is_not_judged() -> None:
    """Its endpoint may well live."""
    found = [binding("u", "team-a"), binding("v", "team-b")]
    assert names(orphans(found, [route("u"), route("v")], set(), ["team-a"])) == ["Ingress hookgate-u", "Secret u"]


def test_where_no_namespace_could_be_listed_nothing_is_swept() -> None:
    """None listed is not all listed."""
    assert orphans([binding("u")], [route("u")], set(), []) == ()


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"version": 99, "uid": "u", "path": null}'])
def test_a_binding_that_cannot_be_read_is_not_judged(raw: bytes) -> None:
    """A later version may have made it."""
    assert orphans([binding_secret("u", raw, BINDINGS)], [], set(), None) == ()


class Refusing:
    """A cluster that refuses to delete what has one of these names; ``gone`` is what it deleted."""

    def __init__(self, *refused: str) -> None:
        self._refused = refused
        self.gone: list[str] = []

    async def execute(self, step: Step) -> None:
        """Delete an object, or refuse to."""
        name = step.object["metadata"]["name"]
        if name in self._refused:
            raise ClusterError(f"delete {name}: 403 Forbidden")
        self.gone.append(name)


def test_what_cannot_be_deleted_holds_up_nothing_else() -> None:
    """Neither the binding whose route stays, nor other endpoints, nor whoever has it swept."""
    left = orphans([binding("u"), binding("v")], [route("u"), route("v")], set(), None)
    cluster = Refusing("hookgate-u")
    assert asyncio.run(sweep_up(cast("Cluster", cluster), left)) == 3
    assert cluster.gone == ["hookgate-v", "u", "v"]

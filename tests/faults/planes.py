"""P22 and P23: receivers serve what they know while the control plane is away, and never what they cannot read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping

from tests.faults.asked import BINDINGS
from tests.faults.cases import Case, Scope
from tests.faults.stand import Stand
from tests.faults.team import Team, data_of, encoded

Spoil = Callable[[bytes], Mapping[str, bytes]]
_AWAY_S, _QUICK_S = 60.0, 3.0


def static_stability(stand: Stand, scope: Scope) -> Iterator[Case]:
    """P22: without operator, then without API server, then with a hanging one: every call is judged as before."""
    teams = [stand.team().created() for _ in range(5)]
    told = [team.connection() for team in teams]
    forged = [{**connection, "secret": b"guessed"} for connection in told]
    seconds = _QUICK_S if scope.quick else _AWAY_S

    def calls(name: str) -> Case:
        deadline, count, wrong = time.monotonic() + seconds, 0, ""
        while time.monotonic() < deadline:
            for team, good, bad in zip(teams, told, forged, strict=True):
                answers = team.call(good).status, team.call(bad).status
                count += 2
                if answers != (200, 401):
                    wrong = wrong or f"{answers} instead of (200, 401)"
            time.sleep(0.02)
        ready = stand.probe(stand.private, "/readyz")
        return Case("P22", f"{name}: {count} calls in {seconds:.0f} s", wrong or ("" if ready == 200 else "not ready"))

    yield calls("all there")
    stand.end_operator()
    yield calls("no operator")
    stand.cluster.pause_apiserver()
    yield calls("an API server that hangs")
    stand.cluster.resume_apiserver()
    stand.cluster.stop_apiserver(kill=True)
    yield calls("no API server")
    stand.cluster.start_apiserver()
    yield calls("the API server is back")
    stand.clean()
    for team in teams:
        team.delete()


def contract(stand: Stand, scope: Scope) -> Iterator[Case]:
    """P23: a binding that cannot be read takes itself out of service, and nobody else."""
    stand.run_operator()
    good = stand.team().created()
    stand.end_operator()  # it would put things right
    for name, (spoil, expected) in SPOILED.items():
        stand.run_operator()
        team = stand.team().created()
        told = team.connection()
        endpoint = team.get()
        assert endpoint is not None
        uid = endpoint["metadata"]["uid"]
        stand.end_operator()
        raw = data_of(stand.admin.get("Secret", BINDINGS, uid))["binding"]
        team.change("Secret", BINDINGS, uid, {"data": {"binding": None, **encoded(spoil(raw))}})
        wrong = ""
        try:
            stand.wait(lambda t=team, c=told, e=expected: t.call(c).status == e, f"{expected}", seconds=10)  # type: ignore[misc]
        except AssertionError:
            wrong = f"{team.call(told).status} instead of {expected}"
        if good.call().status != 200 or stand.probe(stand.private, "/readyz") != 200:
            wrong += " another endpoint or the receiver's readiness suffered"
        yield Case("P23", name, wrong)
        team.leave()
    yield _never_loaded(stand, good)
    stand.clean()
    good.delete()


def _never_loaded(stand: Stand, good: Team) -> Case:
    """A receiver that has never seen its bindings is not ready and serves nobody; when it has, it does."""
    told = good.connection()
    stand.cluster.stop_apiserver(kill=True)
    assert stand.receiver is not None
    stand.receiver.kill()
    stand.operators.wait_ended(stand.receiver)
    kubeconfig = stand.kubeconfig("receiver", "hookgate-receiver")
    stand.receiver = stand.operators.start_receiver(kubeconfig, stand.public, stand.private, 300.0)
    stand.wait(lambda: stand.probe(stand.private, "/livez") == 200, "the receiver to live")
    before = stand.probe(stand.private, "/readyz"), good.call(told).status
    stand.cluster.start_apiserver()
    stand.wait(lambda: stand.probe(stand.private, "/readyz") == 200, "the receiver to be ready")
    after = good.call(told).status
    wrong = "" if (before, after) == ((503, 503), 200) else f"{before} and then {after}"
    return Case("P23", "a receiver that never loaded its table", wrong)


def _with(**members: object) -> Spoil:
    def spoil(raw: bytes) -> Mapping[str, bytes]:
        return {"binding": json.dumps({**json.loads(raw), **members}).encode()}

    return spoil


#: What is made of a binding's bytes (nothing: the member is removed), and what its URL then answers.
SPOILED: Mapping[str, tuple[Spoil, int]] = {
    "half-written": (lambda raw: {"binding": raw[: len(raw) // 2]}, 404),
    "empty": (lambda raw: {"binding": b""}, 404),
    "without its member": (lambda raw: {}, 404),
    "with bytes that are no text": (lambda raw: {"binding": raw[:-1] + b"\xff}"}, 404),
    "of a newer version": (_with(version=2), 503),
    "of a newer version that knows more": (_with(version=99, keys="elsewhere", futures=[1]), 503),
    "without keys": (_with(keys=[]), 503),
    "of an unknown type": (_with(auth={"type": "telepathy"}), 503),
    "with a target that is none": (_with(target="gopher://nowhere"), 503),
    "of somebody else": (_with(uid="00000000-0000-4000-8000-000000000000"), 404),
    "a list": (lambda raw: {"binding": b"[]"}, 404),
    "nested too deep": (lambda raw: {"binding": b"[" * 100_000}, 404),
}

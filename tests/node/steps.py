"""The story, step by step: what is done to an installed Hookgate while calls go on, and what may happen to them.

Each step returns when what it did has taken effect. What is done is said here; how a step is timed, and how its calls
are counted, in story.py.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.cluster.processes import NotReadyError, wait_until
from tests.node import ingress, tenant
from tests.node.addresses import NODE
from tests.node.install import BINDINGS, SYSTEM
from tests.node.inventory import inventory
from tests.node.load import NO_ANSWER, Call, Load, Sender
from tests.node.place import Place
from tests.node.reach import reaches
from tests.node.target_server import PORT as TARGET_PORT

_SECONDS = 180.0
_NOTICED = 0.5
"""How long Envoy may take, on a busy machine, to notice that a connection has ended, in seconds: what it writes on it
until then was in flight."""
RECEIVER, OPERATOR = "receiver", "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step says beyond having succeeded.

    `excused`: whether a call that failed was free to. `tell`: what to say about those that did.
    """

    note: str = ""
    excused: Callable[[Call], bool] | None = None
    tell: Callable[[Sequence[Call]], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`calls`: whether the senders call meanwhile. `delay`: how long the target takes for each of their calls."""

    title: str
    play: Callable[[Place, Load], Outcome | None]
    calls: bool = True
    delay: float = 0.0


def _wait(place: Place, condition: Callable[[], bool], what: str) -> None:
    def alive() -> bool:
        place.node.check()
        return condition()

    wait_until(alive, what, seconds=_SECONDS)


def _statuses(place: Place, *, forged: bool = False) -> set[int]:
    """What one call at each host is answered."""
    found = set()
    for hook in place.hooks():
        sender = Sender(hook)
        found.add(sender.send(forged=forged).status)
        sender.close()
    return found


def _answered(place: Place, status: int) -> None:
    _wait(place, lambda: _statuses(place) == {status}, f"calls at both hosts to be answered {status}")


def _patch(place: Place, spec: str) -> None:
    for name in tenant.ENDPOINTS:
        place.cluster.kubectl(
            "patch", "webhookendpoint", name, f"--namespace={tenant.NAMESPACE}", "--type=merge", f"--patch={spec}"
        )


def _all_ready(place: Place) -> None:
    _wait(
        place,
        lambda: all(tenant.is_ready(place.cluster, name) for name in tenant.ENDPOINTS),
        "both endpoints to be Ready",
    )


def install(place: Place, _: Load) -> None:
    """The chart, until the operator and the receiver that it runs are ready."""
    place.install.install(place.image, replicas=1)
    _wait(place, lambda: place.has(RECEIVER) and _pods(place, RECEIVER) > 0, "the receiver to be ready")


# Without load --------------------------------------------------------------------------------------------------------


def declare(place: Place, _: Load) -> None:
    """The team's service and both endpoints, until a signed call passes at both hosts."""
    for name, host in tenant.ENDPOINTS.items():
        place.cluster.apply(tenant.endpoint(name, host))
    _all_ready(place)
    _answered(place, 200)


def keep_apart(place: Place, _: Load) -> Outcome:
    """Network policies as the network enforces them: what has to pass does, and the rest does not."""
    (receiver,), (team,) = place.pods(RECEIVER), tenant.pods(place.cluster)
    operator = place.pods(OPERATOR)[0]
    pairs = {
        "the team calls a receiver": (team, _address(receiver), 8080, True),
        "the team asks a receiver's private port": (team, _address(receiver), 8081, False),
        "the team asks an operator for its metrics": (team, _address(operator), 8082, False),
        "an operator asks a receiver's private port": (operator, _address(receiver), 8081, True),
        "an operator calls the team": (operator, _address(team), TARGET_PORT, False),
        "a receiver calls the team": (receiver, _address(team), TARGET_PORT, True),
        "a receiver asks an operator for its metrics": (receiver, _address(operator), 8082, False),
        "a receiver reaches the API server": (receiver, NODE, place.cluster.port, True),
        "a receiver reaches another port of the node": (receiver, NODE, ingress.ENVOY_HTTPS, False),
    }

    def wrong() -> list[str]:
        return [
            title
            for title, (pod, address, port, meant) in pairs.items()
            if reaches(place.processes(pod)[0], address, port) is not meant
        ]

    try:
        _wait(place, lambda: wrong() == [], "the network to do as the policies say")
    except NotReadyError:
        raise AssertionError(f"not as the network policies say: {'; '.join(wrong())}") from None
    closed = sum(not meant for *_, meant in pairs.values())
    return Outcome(note=f"{len(pairs) - closed} connections that have to pass do, {closed} that may not do not")


def _address(pod: dict[str, Any]) -> str:
    address: str = pod["status"]["podIP"]
    return address


def forge(place: Place, _: Load) -> Outcome:
    """A call that is signed with another key, at both hosts."""
    before = len(tenant.book(place.cluster))
    answers = _statuses(place, forged=True)
    assert answers == {401}, f"forged calls were answered {answers}"
    assert len(tenant.book(place.cluster)) == before, "a forged call arrived at the service"
    return Outcome(note="answered 401, and nothing arrived at the service")


def deactivate(place: Place, _: Load) -> None:
    """Both endpoints, until calls are refused."""
    _patch(place, '{"spec": {"state": "inactive"}}')
    _answered(place, 503)
    _all_ready(place)


def activate(place: Place, _: Load) -> None:
    """Both again, under the URL and the secret of before."""
    _patch(place, '{"spec": {"state": "active"}}')
    _answered(place, 200)
    _all_ready(place)


# Under load ----------------------------------------------------------------------------------------------------------


def rotate(place: Place, load: Load) -> None:
    """Ask for new secrets; the senders sign with them as soon as they are there."""
    before = [hook.secret for hook in place.hooks()]
    _patch(place, '{"spec": {"auth": {"secret": {"rotate": "e2e"}}}}')

    def renewed() -> bool:
        now = [hook.secret for hook in place.hooks()]
        return all(new != old for new, old in zip(now, before, strict=True))

    _wait(place, renewed, "both secrets to be new")
    load.use(place.hooks())
    _all_ready(place)


def _scale(place: Place, replicas: int) -> None:
    place.install.configure(replicas)
    _wait(place, lambda: _pods(place, RECEIVER) == replicas, f"{replicas} receivers, all of them ready")


def _pods(place: Place, component: str) -> int:
    """How many pods there are, if all of them are ready, none is on its way out and the Deployment says so; else -1."""
    found = place.deployment(component)
    status = found["status"]
    counts = {status.get(name, 0) for name in ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")}
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    pods = len(place.pods(component))
    return pods if seen and counts == {pods} == {found["spec"]["replicas"]} else -1


def scale_out(place: Place, _: Load) -> None:
    """From one receiver to three."""
    _scale(place, 3)


def scale_in(place: Place, _: Load) -> None:
    """From three receivers to one."""
    _scale(place, 1)


def kill_operators(place: Place, _: Load) -> Outcome:
    """SIGKILL to every operator at once; they start again, and one takes over."""
    processes = [pid for pod in place.pods(OPERATOR) for pid in place.processes(pod)]
    assert processes, "no operator runs"
    for pid in processes:
        os.kill(pid, signal.SIGKILL)
    _wait(place, lambda: _pods(place, OPERATOR) > 0, "the operators to be ready again")
    _patch(place, '{"spec": {"target": {"timeout": "29s"}}}')
    _all_ready(place)
    return Outcome(note=f"{len(processes)} at once; until an endpoint changed afterwards is Ready")


def kill_receiver(place: Place, _: Load) -> Outcome:
    """SIGKILL to one of the receivers, with calls in flight on all of them.

    Calls that are in flight on it fail. Those that come before Envoy was told that it is gone find nobody there; at the
    Ingress Envoy then tries another receiver, as its annotations say. An HTTPRoute has nothing to say that with.
    """
    (pid,) = place.processes(place.pods(RECEIVER)[0])
    before = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    _wait(place, lambda: _dead(pid), "the receiver to be dead")
    after = time.monotonic() + _NOTICED
    _wait(place, lambda: _restarts(place) > 0 and _pods(place, RECEIVER) > 1, "the receiver to be back")
    back = time.monotonic()

    def in_flight(call: Call) -> bool:
        return call.began <= after and call.ended >= before

    def excused(call: Call) -> bool:
        nobody_there = call.status == HTTPStatus.SERVICE_UNAVAILABLE and after <= call.began <= back
        return in_flight(call) or (call.host == tenant.GATEWAY_HOST and nobody_there)

    def tell(failed: Sequence[Call]) -> str:
        flying = sum(map(in_flight, failed))
        others = len(failed) - flying
        return f"{flying} were in flight on it, {others} came by HTTPRoute before Envoy knew that it was gone"

    return Outcome(excused=excused, tell=tell)


def _dead(pid: int) -> bool:
    """Whether a process has closed its connections: that is the last it does before somebody may collect it."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _restarts(place: Place) -> int:
    statuses = [pod["status"] for pod in place.pods(RECEIVER)]
    return sum(each["restartCount"] for status in statuses for each in status.get("containerStatuses", ()))


def roll(place: Place, _: Load) -> None:
    """Upgrade the release to another image: the operator first, then the receivers that it runs."""
    image = place.next_image
    place.install.upgrade(image)

    def rolled() -> bool:
        return place.images() == {image} and _pods(place, RECEIVER) > 0 and _pods(place, OPERATOR) > 0

    _wait(place, rolled, "everything to run the new image")


# The end -------------------------------------------------------------------------------------------------------------


def delete_namespace(place: Place, _: Load) -> Outcome:
    """The team's, until it is gone; its URLs are then unknown and no binding and no route is left."""
    hooks = place.hooks()
    place.cluster.kubectl("delete", "namespace", tenant.NAMESPACE, "--wait=false")
    _wait(place, lambda: not place.cluster.exists("namespace", tenant.NAMESPACE), "the namespace to be gone")
    # Without any route Envoy does not know the host any more, and ends the handshake.
    gone = {HTTPStatus.NOT_FOUND, NO_ANSWER}
    _wait(place, lambda: {Sender(hook).send().status for hook in hooks} <= gone, "calls to find nobody")
    left = [
        *place.cluster.get("secrets", f"--namespace={BINDINGS}")["items"],
        *place.cluster.get("ingresses", f"--namespace={SYSTEM}")["items"],
        *place.cluster.get("httproutes", f"--namespace={SYSTEM}")["items"],
    ]
    names = [f"{each['kind']}/{each['metadata']['name']}" for each in left]
    assert [name for name in names if "sh.helm" not in name] == []
    return Outcome(note="bindings and routes are gone, the URLs are unknown")


def uninstall(place: Place, _: Load) -> Outcome:
    """The release; then every object of every kind there is, held against what was there before it."""
    place.install.uninstall()
    left: set[str] = set()

    def nothing_left() -> bool:
        left.clear()
        left.update(inventory(place.cluster) - place.before)
        return not left

    try:
        _wait(place, nothing_left, "nothing to be left")
    except NotReadyError:
        raise AssertionError(f"uninstall left behind: {', '.join(sorted(left))}") from None
    return Outcome(note="no object of any kind is there that was not there before the installation")


STORY = (
    Step(title="install the chart, one receiver", play=install, calls=False),
    Step(title="declare two endpoints, first signed call taken at both", play=declare, calls=False),
    Step(title="network policies enforced", play=keep_apart, calls=False),
    Step(title="forged call refused", play=forge, calls=False),
    Step(title="deactivate", play=deactivate, calls=False),
    Step(title="activate", play=activate, calls=False),
    Step(title="rotate both secrets", play=rotate),
    Step(title="scale the receivers from 1 to 3", play=scale_out),
    Step(title="kill every operator", play=kill_operators),
    Step(title="kill one receiver of three", play=kill_receiver, delay=0.3),
    Step(title="roll to another image, 3 receivers", play=roll),
    Step(title="scale the receivers from 3 to 1", play=scale_in),
    Step(title="delete the team's namespace", play=delete_namespace, calls=False),
    Step(title="uninstall", play=uninstall, calls=False),
)

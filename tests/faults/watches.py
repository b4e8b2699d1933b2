"""P15: streams that fall silent, end in errors or talk nonsense; API servers that go, hang and forget; tokens that end.

The same operator process has to go on, and to find whatever it was not told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from tests.faults.asked import SYSTEM, Asked
from tests.faults.cases import Case, Scope
from tests.faults.picture import difference
from tests.faults.rules import Fail, Rule
from tests.faults.stand import RESYNC, Stand
from tests.faults.team import Team

#: After a stream fell silent: kopf's and the reflectors' patience of 75 s, and a moment to look around.
SILENCE_S = 100.0
_SOON_S = 30.0
_OUTAGE_S = 40.0
REFUSED_LISTS = "lists of a resync refused"


def watches(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Every trouble, each with an endpoint made, one changed, one deleted, and a drift, all in its course."""
    for title in scope.chosen(TROUBLES, _QUICK):
        trouble, patience = TROUBLES[title]
        if title == REFUSED_LISTS:
            _hurry(stand, RESYNC)
        operator, receiver = stand.run_operator(), stand.receiver
        changed, deleted, drifted = stand.team(), stand.team(), stand.team()
        for team in (changed, deleted, drifted):
            team.create()
        for team in (changed, deleted, drifted):
            team.settled()
        before = drifted.picture()
        wrong, told = "", title
        try:
            wrong = trouble(stand, partial(act, changed, deleted, drifted)) or ""
            made = stand.team()
            made.create()
            began = time.monotonic()
            _all_well(made, changed, deleted, drifted, before=before, seconds=patience)
            took = time.monotonic() - began
            wrong += difference(before, drifted.picture())
            told = f"{title}; all well after {took:.0f} s"
        except AssertionError as error:
            wrong = f"{error}; {operator.said()[-800:]}"
        if not operator.running or receiver is None or not receiver.running:
            wrong += f" a process ended ({operator.code}): {operator.said()[-800:]}"
        yield Case("P15", told, wrong)
        stand.clean()
        for team in (changed, drifted):
            team.delete()
        if title == REFUSED_LISTS:
            _hurry(stand, 300.0)


def _hurry(stand: Stand, resync: float) -> None:
    """Let everything be listed again after so many seconds from now on."""
    stand.end_operator()
    stand.restart_receiver(resync=resync)
    stand.run_operator(resync=resync)


def _all_well(made: Team, changed: Team, deleted: Team, drifted: Team, *, before: str, seconds: float) -> None:
    """Wait until all that was missed is made good."""
    wait = made.stand.wait
    wait(lambda: made.says() == "True Active", "a new endpoint", seconds=seconds)
    wait(lambda: changed.says() == "True Inactive", "a changed endpoint", seconds=seconds)
    wait(lambda: deleted.get() is None, "a deleted endpoint", seconds=seconds)
    wait(lambda: drifted.picture() == before, "a drift", seconds=seconds)


def act(changed: Team, deleted: Team, drifted: Team) -> None:
    """What is missed while nothing is told."""
    changed.patch(state="inactive")
    deleted.delete()
    drifted.stand.admin.delete("Secret", drifted.namespace, "ci-webhook")
    endpoint = drifted.get()
    assert endpoint is not None
    drifted.stand.admin.delete("Ingress", SYSTEM, f"hookgate-{endpoint['metadata']['uid']}")


Act = Callable[[], None]


def _silence(where: Callable[[Asked], bool]) -> Callable[[Stand, Act], None]:
    def trouble(stand: Stand, act: Act) -> None:
        assert stand.proxy.silence_streams(where)
        act()

    return trouble


def _inject(event: dict[str, object] | bytes) -> Callable[[Stand, Act], None]:
    def trouble(stand: Stand, act: Act) -> None:
        assert stand.proxy.inject(event)
        act()

    return trouble


def _cut(stand: Stand, act: Act) -> None:
    assert stand.proxy.cut_streams()
    act()


def _cut_often(stand: Stand, act: Act) -> None:
    act()
    for _ in range(20):
        stand.proxy.cut_streams()
        time.sleep(0.1)


def _restart(stand: Stand, act: Act) -> None:
    act()
    stand.cluster.stop_apiserver(kill=True)
    stand.cluster.start_apiserver()


def _gap(stand: Stand, act: Act) -> None:
    """History is lost while nobody listens: a true 410 for every watch."""
    stand.proxy.silence_streams()
    act()
    stand.cluster.expire_watches()


def _outage(stand: Stand, act: Act) -> None:
    act()
    stand.cluster.stop_apiserver(kill=True)
    time.sleep(_OUTAGE_S)
    stand.cluster.start_apiserver()


def _hang(stand: Stand, act: Act) -> None:
    act()
    stand.cluster.pause_apiserver()
    time.sleep(_OUTAGE_S)
    stand.cluster.resume_apiserver()


def _refuse_lists(stand: Stand, act: Act) -> None:
    """The server has no time for the lists of a resync, while it serves watches. kopf never lists again by itself."""
    mark = stand.proxy.mark()
    stand.proxy.rules.append(Rule(action=Fail(status=429, retry_after=1), lasting=True, matches=_lists_of_caches))
    operator = stand.run_operator().client
    wanted = {("receiver", "secrets"), (operator, "secrets"), (operator, "ingresses")}

    def refused() -> bool:
        entries = (entry for entry in stand.proxy.since(mark) if entry.status == 429)
        return {(entry.asked.client, entry.asked.resource) for entry in entries} >= wanted

    stand.wait(refused, "lists to be refused")
    act()


def _lists_of_caches(asked: Asked) -> bool:
    return asked.verb == "list" and asked.resource != "webhookendpoints"


def _expire(stand: Stand, act: Act) -> None:
    """The tokens of all processes end, and there are new ones where the old ones were."""
    stand.renew_tokens()
    stand.proxy.cut_streams()
    act()


def _status(code: int, reason: str) -> dict[str, object]:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return {"type": "ERROR", "object": {**status, "metadata": {}, "message": "injected by a test"}}


TROUBLES: Mapping[str, tuple[Callable[[Stand, Act], str | None], float]] = {
    "all streams silent": (_silence(lambda _: True), SILENCE_S),
    "the endpoints' stream silent": (_silence(lambda a: a.resource == "webhookendpoints"), SILENCE_S),
    "the receiver's stream silent": (_silence(lambda a: a.client == "receiver"), SILENCE_S),
    "ERROR 410 on all streams": (_inject(_status(410, "Expired")), _SOON_S),
    "ERROR 500 on all streams": (_inject(_status(500, "InternalError")), _SOON_S),
    "a line that is no event on all streams": (_inject(b'{"type":"ADDED","object":{"meta'), _SOON_S),
    "all streams cut": (_cut, _SOON_S),
    "all streams cut twenty times": (_cut_often, 2 * _SOON_S),
    "the API server restarted": (_restart, 2 * _SOON_S),
    "history lost while nobody listens": (_gap, 2 * _SOON_S),
    "the API server gone for 40 s": (_outage, 2 * _SOON_S),
    "the API server hangs for 40 s": (_hang, 2 * _SOON_S),
    "tokens replaced": (_expire, 2 * _SOON_S),
    REFUSED_LISTS: (_refuse_lists, _SOON_S),
}
_QUICK = ("ERROR 410 on all streams", "all streams cut")

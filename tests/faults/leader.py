"""P16: of several operators one writes; one that was stopped beyond its lease writes nothing when it goes on.

It is stopped while it waits for answers to several of its writes, each in the middle of what it does for an endpoint.
When it goes on these answers are there, and whether it writes what comes next depends on its lease alone. Each process
has a name of its own and may lead once: who was followed by another must never be seen to write again.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from tests.faults.asked import Asked, Entry
from tests.faults.cases import Case, Scope
from tests.faults.operators import Operator
from tests.faults.repeatedly import repeatedly
from tests.faults.rules import Hold, Rule
from tests.faults.stand import Stand
from tests.faults.team import Team

#: So short that a test need not wait for a quarter of a minute, and so long that a busy machine rarely loses it.
LEASE = {"lease_s": 6.0, "renew_deadline_s": 4.5, "retry_s": 0.5}
#: So many endpoints are changed all the time, and the leader is stopped when it is about to write for so many of them.
_ENDPOINTS, _HALFWAY = 12, 6
#: What the proxy notes of a request whose answer it keeps back.
_HELD = "held"


class Rivals:
    """The operators that run, by the names under which the proxy knows them."""

    def __init__(self, stand: Stand, number: int) -> None:
        self._stand, self._names = stand, (f"rival-{each}" for each in count(1))
        self.operators: dict[str, Operator] = {}
        for _ in range(number):
            self._start()

    def replace(self, client: str) -> None:
        """Start another one instead of one that has ended."""
        del self.operators[client]
        self._start()

    def revive(self) -> None:
        """Replace whoever has lost its lease by itself, as it may on a busy machine, and has ended as it has to."""
        for client in [client for client, operator in self.operators.items() if operator.code is not None]:
            self.replace(client)

    def end(self) -> None:
        """End all, one after the other."""
        for client, operator in self.operators.items():
            operator.signal(signal.SIGTERM)
            self._stand.operators.wait_ended(operator)
            self._stand.proxy.dead.add(client)

    def _start(self) -> None:
        client = next(self._names)
        self.operators[client] = self._stand.start_operator(lease=LEASE, client=client)
        self._stand.operator = None


def rivals(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Stop, continue and kill the leader amid work, again and again."""
    stand.end_operator()
    stand.admin.delete("Lease", "hookgate-system", "hookgate-operator")
    mark = stand.proxy.mark()
    running = Rivals(stand, 2 if scope.quick else 3)
    team = stand.team()
    with _work(team):
        for number in range(2 if scope.quick else 8):
            how = "stopped for longer than its lease, then continued" if number % 2 == 0 else "killed"
            yield from _round(stand, running, team, f"round {number + 1}: {how}", stop=number % 2 == 0)
    running.end()
    writes = [e for e in stand.proxy.writes(mark) if e.asked.client.startswith("rival-")]
    yield Case("P16", f"never two writers at a time, in {len(writes)} writes", two_at_a_time(writes))
    stand.proxy.dead.clear()


def _round(stand: Stand, running: Rivals, team: Team, name: str, *, stop: bool) -> Iterator[Case]:
    """Take the leader away and see another take over, and the old one do nothing more. How soon is told, not judged."""
    hold = Hold()
    leader = _halfway(stand, running, team, hold) if stop else _leading(stand, running)
    old = running.operators[leader]
    began = time.monotonic()
    old.signal(signal.SIGSTOP if stop else signal.SIGKILL)
    try:
        stand.wait(lambda: _writer(stand, 0) not in ("", leader), "another leader to write")
    except AssertionError as error:
        yield Case("P16", name, str(error))
        return
    took = time.monotonic() - began
    mark, fresh = stand.proxy.mark(), _writer(stand, 0)
    if stop:
        time.sleep(0.5)  # so that the new leader is in the middle of its work
        stand.proxy.rules = []
        stand.proxy.let_go(hold)
        stand.wait(lambda: not _held(stand), "the answers to be on their way")
        old.signal(signal.SIGCONT)
    code = stand.operators.wait_ended(old)
    stand.wait(lambda: _all_done(stand, leader, mark), "an end of what the old leader had asked for")
    late = [e for e in stand.proxy.writes(mark, client=leader) if e.status not in (0, 409)]
    wrong = f"wrote {late[0].asked} after {fresh} led" if late else ""
    if stop and code == 0:
        wrong += " ended as if nothing had happened"
    yield Case("P16", f"{name}; another writes after {took:.1f} s", wrong)
    running.replace(leader)


def _leading(stand: Stand, running: Rivals) -> str:
    """Who leads, by what is written from now on: the last write of all may be one that was found to be wrong."""
    mark = stand.proxy.mark()

    def found() -> str:
        running.revive()
        writer = _writer(stand, mark)
        return writer if writer in running.operators else ""

    stand.wait(found, "a leader to write")
    return found()


def _halfway(stand: Stand, running: Rivals, team: Team, hold: Hold) -> str:
    """Keep the answers back that a leader gets to its writes of connection Secrets; return who lacks several.

    The status is what it would write next, if not another Secret, and nothing else stands in its way.
    """

    def in_the_middle() -> str:
        running.revive()
        lacking = Counter(e.asked.client for e in _held(stand) if e.asked.client in running.operators)
        return next((client for client, number in lacking.items() if number >= _HALFWAY), "")

    def keep(client: str) -> None:
        def of_connection(asked: Asked) -> bool:
            return client in ("", asked.client) and (asked.resource, asked.namespace) == ("secrets", team.namespace)

        stand.proxy.rules = [Rule(action=hold, writes=True, matches=of_connection, lasting=True)]

    keep("")
    stand.wait(in_the_middle, "a leader to be in the middle of several endpoints")
    leader = in_the_middle()
    keep(leader)
    return leader


def _all_done(stand: Stand, client: str, mark: int) -> bool:
    """Whether nothing of a process that has ended is on its way: no stream is open, and each change has its answer."""
    return not stand.proxy.open_streams(client) and all(e.ended for e in stand.proxy.writes(mark, client=client))


def _held(stand: Stand) -> list[Entry]:
    """The requests that were done and have no answer yet."""
    return [entry for entry in stand.proxy.log if entry.fate == _HELD and entry.status and not entry.ended]


@contextmanager
def _work(team: Team) -> Iterator[None]:
    """Give the operators something to do all the time: endpoints whose connection Secrets are moved to and fro."""
    names = [f"ci-{number}" for number in range(_ENDPOINTS)]
    for name in names:
        team.create(name)
    turns = count()

    def move() -> None:
        turn = next(turns)
        name = names[turn % len(names)]
        team.patch(name, secretName=f"{name}-{turn // len(names) % 2}")

    with repeatedly(move, every=0.05):
        yield


def _writer(stand: Stand, mark: int) -> str:
    """Who wrote last, as far as the server took it."""
    writes = [e for e in stand.proxy.log[mark:] if e.asked.writes and e.asked.resource != "leases"]
    return next((e.asked.client for e in reversed(writes) if 200 <= e.status < 300), "")


def two_at_a_time(writes: list[Entry]) -> str:
    """Tell where somebody wrote again after another one had: the reign of each is one stretch of time.

    What counts is when a write was asked for: one that is on its way when a lease ends may still arrive.
    """
    former, leader = set[str](), ""
    for entry in sorted((e for e in writes if 200 <= e.status < 300), key=lambda e: e.began):
        client = entry.asked.client
        if client in former:
            return f"{client} wrote after {leader} had: {entry.asked}"
        if client != leader:
            former.add(leader)
            leader = client
    return ""

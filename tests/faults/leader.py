"""P16: of several operators one writes; one that was stopped beyond its lease writes nothing when it goes on."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, pairwise

from tests.faults.asked import Entry
from tests.faults.cases import Case, Scope
from tests.faults.operators import Operator
from tests.faults.repeatedly import repeatedly
from tests.faults.stand import Stand
from tests.faults.team import Team

#: A lease as short as it gets, so that a test need not wait for a quarter of a minute.
LEASE = {"lease_s": 3.0, "renew_deadline_s": 2.0, "retry_s": 0.4}
_CLIENTS = ("rival-a", "rival-b", "rival-c")


def rivals(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Stop, continue and kill the leader amid work, again and again."""
    stand.end_operator()
    stand.admin.delete("Lease", "hookgate-system", "hookgate-operator")
    mark = stand.proxy.mark()
    running = {
        client: stand.start_operator(lease=LEASE, client=client) for client in _CLIENTS[: 2 if scope.quick else 3]
    }
    stand.operator = None
    team = stand.team()
    with _work(team):
        stand.wait(lambda: _writer(stand, mark) in running, "a leader to write")
        for number in range(2 if scope.quick else 8):
            how = "stopped for longer than its lease, then continued" if number % 2 == 0 else "killed"
            yield from _round(stand, running, team, f"round {number + 1}: {how}", stop=number % 2 == 0)
    for client, operator in running.items():
        operator.signal(signal.SIGTERM)
        stand.operators.wait_ended(operator)
        stand.proxy.dead.add(client)
    writes = [e for e in stand.proxy.writes(mark) if e.asked.client in _CLIENTS]
    yield Case("P16", f"never two writers at a time, in {len(writes)} writes", two_at_a_time(writes))
    stand.proxy.dead.clear()


def _round(stand: Stand, running: dict[str, Operator], team: Team, name: str, *, stop: bool) -> Iterator[Case]:
    """Take the leader away and see another take over, and the old one do nothing more. How soon is told, not judged."""
    leader = _writer(stand, 0)
    old = running[leader]
    began = time.monotonic()
    old.signal(signal.SIGSTOP if stop else signal.SIGKILL)
    try:
        stand.wait(lambda: _writer(stand, 0) not in ("", leader), "another leader to write", seconds=30)
    except AssertionError as error:
        yield Case("P16", name, str(error))
        return
    took = time.monotonic() - began
    mark, fresh = stand.proxy.mark(), _writer(stand, 0)
    if stop:
        time.sleep(0.5)  # so that the new leader is in the middle of its work
        old.signal(signal.SIGCONT)
    code = stand.operators.wait_ended(old)
    late = [e for e in stand.proxy.writes(mark, client=leader) if e.status not in (0, 409)]
    wrong = f"wrote {late[0].asked} after {fresh} led" if late else ""
    if stop and code == 0:
        wrong += " ended as if nothing had happened"
    yield Case("P16", f"{name}; another writes after {took:.1f} s", wrong)
    running[leader] = stand.start_operator(lease=LEASE, client=leader)
    stand.operator = None


@contextmanager
def _work(team: Team) -> Iterator[None]:
    """Give the operators something to do all the time: one endpoint that changes, several times a second."""
    team.create()
    numbers = count()
    with repeatedly(lambda: team.patch(target={"timeout": f"{1 + next(numbers) % 50}s"}), every=0.1):
        yield


def _writer(stand: Stand, mark: int) -> str:
    """Who wrote last, as far as the server took it."""
    writes = [e for e in stand.proxy.log[mark:] if e.asked.writes and e.asked.resource != "leases"]
    return next((e.asked.client for e in reversed(writes) if 200 <= e.status < 300), "")


def two_at_a_time(writes: list[Entry]) -> str:
    """Tell where somebody wrote again after another one had: each reign is one stretch of the log."""
    for one, other in pairwise(writes):
        if one.asked.client != other.asked.client and other.began < one.ended and 200 <= other.status < 300:
            return f"{other.asked.client} wrote while {one.asked.client} did: {other.asked}"
    return ""

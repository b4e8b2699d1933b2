"""Ten minutes without operator and API server: every call is judged as before, and the receiver's memory stays flat."""

from __future__ import annotations

import signal
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.calls import github
from tests.cluster.team import Team

pytestmark = pytest.mark.slow

_SECONDS, _WARM_SECONDS = 600.0, 60.0
_CALLERS, _CALLS_A_SECOND = 8, 200
#: What the process may have grown by between the first minute and the last. A hundred bytes for each call would be 10.
_GROWTH_MIB = 4.0


def resident_mib(pid: int) -> float:
    """Return what a process has in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def outcomes(port: int) -> list[str]:
    """Return what the receiver itself counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines: list[str] = answer.read().decode().splitlines()
    return [line for line in lines if line.startswith(("hookgate_receiver_calls_total", "hookgate_receiver_rejected"))]


def test_ten_minutes_without_a_control_plane_change_no_answer_and_no_memory(
    team: Team, record_property: Callable[[str, object], None]
) -> None:
    plane = team.plane
    url = team.created("push")["status"]["url"]
    off = team.created("off")["status"]["url"]
    team.patched("off", state="inactive")
    signed, forged = github(team.connection("push")["secret"], b"{}"), github(b"guessed", b"{}")
    expected = ((url, signed, 200), (url, forged, 401), (off, signed, 503), (f"{url}x", signed, 404), (url, None, 401))
    plane.operator.end(signal.SIGKILL)
    plane.cluster.stop_apiserver(kill=True)

    told: list[Counter[tuple[int, int]]] = [Counter() for _ in range(_CALLERS)]
    over = threading.Event()

    def keep_calling(counts: Counter[tuple[int, int]]) -> None:
        number = 0
        while not over.is_set():
            where, headers, status = expected[number % len(expected)]
            counts[status, team.call(where, b"{}", headers).status] += 1
            number += 1
            time.sleep(_CALLERS / _CALLS_A_SECOND)

    callers = [threading.Thread(target=keep_calling, args=(counts,)) for counts in told]
    for caller in callers:
        caller.start()
    try:
        time.sleep(_WARM_SECONDS)
        warm = resident_mib(plane.receiver.pid)
        time.sleep(_SECONDS - _WARM_SECONDS)
        last = resident_mib(plane.receiver.pid)
    finally:
        over.set()
        for caller in callers:
            caller.join()
    counts = sum(told, Counter[tuple[int, int]]())
    record_property("soak", f"{counts.total()} calls, {warm:.1f} MiB after a minute, {last:.1f} MiB at the end")
    print(f"soak: {counts.total()} calls, {warm:.1f} MiB after a minute, {last:.1f} MiB at the end")
    assert [pair for pair in counts if pair[0] != pair[1]] == [], outcomes(plane.private)
    assert {status for status, _ in counts} == {200, 401, 503, 404}
    assert counts.total() > 10_000
    assert last - warm < _GROWTH_MIB
    assert plane.receiver_ready()

"""One run of the client against one contender, and rounds of them in turn."""

from __future__ import annotations

import contextlib
import hmac
import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.receiver.cases import CASES, Case
from tests.bench.receiver.contenders import ENDPOINTS, Contender, Contest
from tests.bench.receiver.machine import cores
from tests.bench.receiver.world import HEADER, SECRET, path

#: Before anything counts, in seconds: connections are open and caches warm by then.
WARMUP = 0.25
#: A rate that is held needs longer to have a tail.
RATE_FACTOR = 2.5
TARGET = "target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run. Latencies in microseconds; ``cpu`` are the contender's CPU seconds for a million calls.

    ``busy`` is the share of its time that the contender worked, ``others`` that of the core of client and target.
    ``wrong`` are failures and answers with another status than the case asks for.
    """

    case: str
    contender: str
    rate: float
    cpu: float
    busy: float
    others: float
    p50: float
    p99: float
    p999: float
    wrong: int


def rounds(contest: Contest, count: int, seconds: float, say: Callable[[str], None]) -> Iterator[Sample]:
    """Measure every case and contender ``count`` times, everybody once before anybody twice."""
    base = CASES[0]
    for turn in range(count):
        say(f"round {turn + 1} of {count}")
        yield _run(contest, base, TARGET, contest.target, seconds)
        for case in CASES:
            names = case.contenders[turn % len(case.contenders) :] + case.contenders[: turn % len(case.contenders)]
            for name in names:
                yield _run(contest, case, name, contest.contenders[name], seconds)


def call_each(port: int) -> None:
    """Have each endpoint of a receiver called once, over one connection."""
    body = b"{}"
    signature = "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        for number in range(ENDPOINTS):
            connection.request("POST", path(number), body, {HEADER: signature})
            connection.getresponse().read()


def _run(contest: Contest, case: Case, name: str, contender: Contender, seconds: float) -> Sample:
    lasting = seconds * (RATE_FACTOR if case.rate else 1)
    ports = contender.ports[:1] if name == TARGET else contender.ports
    command = [
        *("taskset", "--cpu-list", str(cores()[1]), str(contest.load)),
        *("-address", ",".join(f"127.0.0.1:{port}" for port in ports), "-secret", SECRET),
        *("-warmup", f"{WARMUP}s", "-duration", f"{lasting}s", *case.options()),
    ]
    cpu, target_cpu, began = contender.cpu(), contest.target.cpu(), time.monotonic()
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    took = time.monotonic() - began
    cpu, target_cpu = contender.cpu() - cpu, contest.target.cpu() - target_cpu
    answers = found["answers"]
    # The warm-up is part of the CPU time, so its calls are part of the count.
    calls = max(1.0, answers * (lasting + WARMUP) / lasting)
    return Sample(
        case=TARGET if name == TARGET else case.name,
        contender=name,
        rate=found["rate"],
        cpu=cpu / calls * 1e6,
        busy=cpu / took,
        others=(found["cpu_seconds"] + target_cpu) / took,
        p50=found["p50_us"],
        p99=found["p99_us"],
        p999=found["p999_us"],
        wrong=answers - found["statuses"].get(case.status, 0) + found["failures"] + found["unsent"],
    )

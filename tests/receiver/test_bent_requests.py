"""A hundred thousand bent requests against both edges: no answer of ours is a 5xx, nothing is raised, nothing leaks."""

from __future__ import annotations

import gc
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from hookgate.receiver.settings import Edge
from tests.receiver.hostile import LAST, requests
from tests.receiver.oracle import of_sender, told
from tests.receiver.rig import SECRET, Endpoint, House, bounds, everything, settings, signature

_SIGNED = (b"X-Signature", signature(b'{"n":1}'))
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)
_CLIENTS = 16
#: What the process may have grown by once the first tenth is over; a leak of one request's bytes each would be more.
_GROWTH_MIB = 24


class Heard(logging.Handler):
    """Remembers every record that somebody would be woken up for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


def resident_mib() -> float:
    """Return what this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def throw(endpoint: Endpoint, seeds: range) -> tuple[list[str], dict[int, int]]:
    """Send one input for each seed; return what was wrong and how often there was each status."""
    wrong: list[str] = []
    statuses: dict[int, int] = {}
    path = endpoint.path.encode()
    for seed in seeds:
        raw = requests(Random(seed), path, _SIGNED) + LAST
        came = everything(endpoint.house, raw)
        for status in map(int, _STATUS.findall(came)):
            statuses[status] = statuses.get(status, 0) + 1
        if any(hidden in came for hidden in (SECRET, endpoint.target_path.encode(), b"Traceback")):
            wrong.append(f"seed {seed}: an answer tells what is not the sender's")
        if seed % 100 == 0:  # the target's list is read in between, with nothing under way
            endpoint.house.until(lambda: endpoint.house.receiver.load.calls == 0)
        found = [(seen.body, of_sender(seen.headers)) for seen in endpoint.seen]
        endpoint.seen.clear()
        if not told(found, path, raw):
            wrong.append(f"seed {seed}: the target got what the oracle does not read")
    return wrong, statuses


@pytest.mark.slow
def test_a_hundred_thousand_bent_requests_do_no_harm(edge: Edge) -> None:
    heard = Heard()
    logging.getLogger().addHandler(heard)
    patience = {"bounds": bounds(head_seconds=0.1), "body_seconds": 0.1, "keep_alive": 0.2}
    try:
        with House(settings(edge=edge, **patience)).running() as house, ThreadPoolExecutor(_CLIENTS) as clients:
            endpoints = [house.endpoint(auth={"type": "none"}, keys=()) for _ in range(_CLIENTS)]
            descriptors = len(os.listdir("/proc/self/fd"))

            def thrown(begin: int, count: int) -> tuple[list[str], dict[int, int]]:
                shares = [range(begin + i, begin + count, _CLIENTS) for i in range(_CLIENTS)]
                wrong: list[str] = []
                statuses: dict[int, int] = {}
                for said, counted in clients.map(throw, endpoints, shares):
                    wrong += said
                    for status, number in counted.items():
                        statuses[status] = statuses.get(status, 0) + number
                return wrong, statuses

            wrong, statuses = thrown(0, 10_000)
            gc.collect()
            before = resident_mib()
            more, others = thrown(10_000, 90_000)
            gc.collect()
            grown = resident_mib() - before
            house.until(lambda: (house.receiver.load.calls, house.receiver.load.held_bytes) == (0, 0))
            house.until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors + _CLIENTS)
    finally:
        logging.getLogger().removeHandler(heard)
    assert wrong + more == []
    assert heard.said == []
    assert [status for status in (*statuses, *others) if status >= 500] == []
    assert {202, 400, 404, 405, 408} <= set(others), "the inputs get everywhere"
    assert grown < _GROWTH_MIB

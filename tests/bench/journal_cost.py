"""What does it cost a call to be seen? The journal beside objects of prometheus_client, in nanoseconds.

Run it with ``python -m tests.bench.journal_cost``; it prints a line for each, and what a scrape of a full table takes.
It measures, it asserts nothing: figures belong to the machine that made them.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "operator"))

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client import Histogram as PrometheusHistogram

from hookgate.receiver.edge import no_rejections
from hookgate.receiver.journal import VERIFY_BUCKETS, Histogram, Journal
from hookgate.receiver.load import Load
from hookgate.receiver.metrics import Metrics, Sources
from hookgate.receiver.replay import Memory
from hookgate.receiver.table import BindingTable

ROUNDS = 20_000
ENDPOINTS = 10_000
NOW = 1_700_000_000.5


@dataclass(frozen=True, slots=True)
class Served:
    """An endpoint as the table has it."""

    uid: str
    namespace: str
    name: str


def cost(function: Callable[[], object]) -> float:
    """Return the best of twenty runs in nanoseconds for each call."""
    return min(timeit.repeat(function, number=ROUNDS, repeat=20)) / ROUNDS * 1e9


def ours() -> None:
    """Print what the journal costs an accepted call, a refused one, and each of the two timings."""
    journal, endpoint, histogram = Journal({"u"}), Served("u", "team-a", "push"), Histogram(VERIFY_BUCKETS)
    accepted = cost(lambda: journal.accepted(endpoint, NOW, 1000, "k1"))
    refused = cost(lambda: journal.refused(endpoint, "stale", NOW, 1000, None, "header X", -1.0))
    timed = cost(lambda: histogram.observe(0.00007))
    print(f"journal:           accepted {accepted:6.0f} ns, refused {refused:6.0f} ns, a timing {timed:6.0f} ns")


def theirs() -> None:
    """Print the same by prometheus_client: a counter, bytes, the time of the last call and that of the key."""
    registry = CollectorRegistry()
    place = ("namespace", "name")
    calls = Counter("calls", "x", (*place, "outcome"), registry=registry)
    size = Counter("bytes", "x", place, registry=registry)
    last = Gauge("last", "x", place, registry=registry)
    key = Gauge("key", "x", (*place, "key"), registry=registry)
    histogram = PrometheusHistogram("verify", "x", buckets=VERIFY_BUCKETS, registry=registry)

    def accepted() -> None:
        calls.labels("team-a", "push", "accepted").inc()
        size.labels("team-a", "push").inc(1000)
        last.labels("team-a", "push").set(NOW)
        key.labels("team-a", "push", "k1").set(NOW)

    timed = cost(lambda: histogram.observe(0.00007))
    print(f"prometheus_client: accepted {cost(accepted):6.0f} ns,                    a timing {timed:6.0f} ns")


def scrape() -> None:
    """Print how long the text takes when every endpoint was called with two outcomes."""
    journal = Journal({f"u{n}" for n in range(ENDPOINTS)})
    for n in range(ENDPOINTS):
        endpoint = Served(f"u{n}", f"team-{n % 100}", f"push-{n}")
        journal.accepted(endpoint, NOW, 1000, "k1")
        journal.refused(endpoint, "stale", NOW, 1000)
    load = Load(max_calls=1, max_per_endpoint=1, max_bytes=1)
    table = BindingTable()
    memory = Memory(table, most=1, most_each=1)
    sources = Sources(table=table, journal=journal, load=load, memory=memory, store=None, edge_rejected=no_rejections())
    metrics = Metrics(sources)
    seconds = min(timeit.repeat(lambda: metrics.render(metrics.pages()), number=1, repeat=5))
    size = len(metrics.render(metrics.pages()))
    print(f"a scrape of {ENDPOINTS} endpoints: {seconds * 1e3:.0f} ms, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    ours()
    theirs()
    scrape()

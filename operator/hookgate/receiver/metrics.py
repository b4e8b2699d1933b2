"""The receiver's metrics in the Prometheus text format, computed from plain counters when somebody asks.

Nothing here runs during a call: the journal's counters cost one a fifth of a microsecond, where objects of
prometheus_client cost three (``python -m tests.bench.journal_cost``). Labels are endpoints' namespaces and names,
reasons and limits, all of them bounded; no path, no key, nothing that was sent. An endpoint's series begin with its
first call and end with the endpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from hookgate import __version__
from hookgate.receiver.edge import Bound
from hookgate.receiver.journal import Histogram, Journal, Page
from hookgate.receiver.load import Load
from hookgate.receiver.redis import RedisStore
from hookgate.receiver.replay import Memory
from hookgate.receiver.table import BindingTable

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
ACCEPTED, HANDSHAKE, DUPLICATE = "accepted", "handshake", "duplicate"
_ENDPOINT = ("namespace", "name")
_SAMPLES_IN_ONE_GO = 50
_PAUSE_SECONDS = 0.00005


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the numbers are. ``edge_rejected`` are connections that the protocol ended, by what they exceeded."""

    table: BindingTable
    journal: Journal
    load: Load
    memory: Memory
    store: RedisStore | None
    edge_rejected: Mapping[Bound, int]


class Metrics:
    """Renders everything. `pages` has to be read in the event loop; the rest may run beside it in a thread."""

    def __init__(self, sources: Sources, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read from ``sources`` at every question. ``clock`` is the one of `BindingTable.heard_at`."""
        self._sources, self._clock = sources, clock

    def pages(self) -> list[Page]:
        """Return what there is to tell of endpoints now."""
        return [*self._sources.journal.pages(), self._sources.journal.nobody]

    def render(self, pages: Iterable[Page]) -> bytes:
        """Return the whole text."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Collector(self._sources, list(pages), self._clock()))
        return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, sources: Sources, pages: list[Page], now: float) -> None:
        self._sources, self._pages, self._now = sources, pages, now

    def describe(self) -> Iterable[Metric]:
        return ()  # or registering would collect

    def collect(self) -> Iterator[Metric]:
        yield from _of_calls(self._pages)
        yield from _of_edge(self._sources)
        yield from _of_memory(self._sources.memory)
        if self._sources.store is not None:
            yield from _of_store(self._sources.store)
        yield from _of_table(self._sources.table, self._now)
        build = GaugeMetricFamily("hookgate_build_info", "Always 1.", labels=("version",))
        build.add_metric((__version__,), 1)
        yield build


def _of_calls(pages: list[Page]) -> Iterator[Metric]:
    outcomes: dict[tuple[str, ...], int] = {}
    body_bytes: dict[tuple[str, ...], int] = {}
    for page in pages:
        told = [
            (ACCEPTED, page.accepted),
            (HANDSHAKE, page.greeted),
            (DUPLICATE, page.repeated),
            *list(page.refused.items()),
        ]
        for reason, count in told:
            key = (page.namespace, page.name, str(reason))
            if count:
                outcomes[key] = outcomes.get(key, 0) + count
        if page.body_bytes:
            place = (page.namespace, page.name)
            body_bytes[place] = body_bytes.get(place, 0) + page.body_bytes
    yield _counter(
        "hookgate_receiver_calls",
        "Calls by endpoint and by what became of them: accepted, handshake, duplicate, or the reason for the refusal.",
        (*_ENDPOINT, "outcome"),
        outcomes,
    )
    yield _counter("hookgate_receiver_body_bytes", "Bytes of bodies that were read.", _ENDPOINT, body_bytes)


def _of_edge(sources: Sources) -> Iterator[Metric]:
    journal, load = sources.journal, sources.load
    yield _counter(
        "hookgate_receiver_unknown_path_calls",
        "Calls to paths that no endpoint has.",
        (),
        {(): journal.unknown_paths},
    )
    yield _histogram("hookgate_receiver_verify_seconds", "Time to judge whether a call is authentic.", journal.verify)
    yield _histogram("hookgate_receiver_target_seconds", "Time until the target's answer was there.", journal.target)
    yield GaugeMetricFamily("hookgate_receiver_in_flight_calls", "Calls that are being worked on.", value=load.calls)
    yield GaugeMetricFamily("hookgate_receiver_held_bytes", "Bytes of bodies held for them.", value=load.held_bytes)
    yield _counter(
        "hookgate_receiver_rejected",
        "Calls and connections that were turned away, by the limit that they met.",
        ("limit",),
        {(str(limit),): count for limit, count in (*load.rejected.items(), *sources.edge_rejected.items())},
    )


def _of_memory(memory: Memory) -> Iterator[Metric]:
    yield GaugeMetricFamily("hookgate_receiver_replay_marks", "Marks of calls that are remembered.", value=len(memory))
    counts = memory.counts
    yield _counter(
        "hookgate_receiver_replay",
        "What was found when a call was looked for among those before: the same one, seen or in flight; no room for it "
        "(full), or room by giving up an older one (evicted).",
        ("found",),
        {
            ("seen",): counts.repeated,
            ("in-flight",): counts.in_flight,
            ("full",): counts.full,
            ("evicted",): counts.evicted,
        },
    )


def _of_store(store: RedisStore) -> Iterator[Metric]:
    up = GaugeMetricFamily("hookgate_receiver_replay_store_up", "1 while the shared store can be asked.")
    up.add_metric((), float(store.up))
    yield up
    yield _counter(
        "hookgate_receiver_replay_store_errors",
        "Questions that the shared store did not answer (away) or answered with an error (refused); calls that it "
        "could not be told of (forgotten).",
        ("kind",),
        {(kind,): count for kind, count in store.errors.items()},
    )


def _of_table(table: BindingTable, now: float) -> Iterator[Metric]:
    yield GaugeMetricFamily("hookgate_receiver_table_endpoints", "Endpoints in the table.", value=len(table))
    yield GaugeMetricFamily("hookgate_receiver_table_loaded", "1 once it was loaded.", value=float(table.loaded))
    heard = table.heard_at()
    if heard is not None:
        yield GaugeMetricFamily(
            "hookgate_receiver_table_age_seconds",
            "Time since the origin of the bindings was last heard of.",
            value=max(0.0, now - heard),
        )
    yield _counter(
        "hookgate_receiver_table_troubles",
        "Bindings that could not be served as written, by what was wrong.",
        ("trouble",),
        {(str(trouble),): count for trouble, count in table.troubles.items()},
    )


def _counter(name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    # Read once and in order, which spares a list of what may be tens of thousands.
    family.samples = _gently(f"{name}_total", labels, values)  # type: ignore[assignment]
    return family


def _gently(name: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], int]) -> Iterator[Sample]:
    """Yield samples, giving the event loop its turn every now and then: it would else wait for a time slice each."""
    for number, (key, value) in enumerate(values.items(), start=1):
        if number % _SAMPLES_IN_ONE_GO == 0:
            time.sleep(_PAUSE_SECONDS)
        yield Sample(name, dict(zip(labels, key, strict=True)), value)


def _histogram(name: str, text: str, found: Histogram) -> Metric:
    family = HistogramMetricFamily(name, text)
    bounds = [*map(str, found.bounds), "+Inf"]
    family.add_metric((), list(zip(bounds, accumulate(found.counts), strict=True)), found.total)
    return family

"""The operator's metrics in the Prometheus text format, computed from plain counters when somebody asks.

Labels are reasons, verbs and kinds: no name of an endpoint, nothing that a tenant writes. The operator that stands by
tells of its caches and of no work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hookgate import __version__
from hookgate.control.queue import Queue
from hookgate.control.status import ready_of
from hookgate.control.values import Object

CONTENT_TYPE = "text/plain; version=0.0.4"
_NONE = "none"


@dataclass(slots=True)
class Sources:
    """Where the numbers are. ``queue`` and ``writes`` are there while this operator leads."""

    endpoints: Callable[[], Iterable[Object]]
    queue: Queue | None = None
    writes: Mapping[tuple[str, str], int] = field(default_factory=dict)


def render(sources: Sources) -> bytes:
    """Return the whole text."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Collector(sources))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def describe(self) -> Iterable[Metric]:
        return ()  # or registering would collect

    def collect(self) -> Iterator[Metric]:
        yield _of_endpoints(self._sources.endpoints())
        leading = GaugeMetricFamily("hookgate_operator_leading", "1 while this operator is the one that acts.")
        leading.add_metric((), float(self._sources.queue is not None))
        yield leading
        if self._sources.queue is not None:
            yield from _of_queue(self._sources.queue)
        writes = CounterMetricFamily(
            "hookgate_operator_writes", "Changes that the API server took.", labels=("verb", "kind")
        )
        for key, count in sorted(self._sources.writes.items()):
            writes.add_metric(key, count)
        yield writes
        build = GaugeMetricFamily("hookgate_build_info", "Always 1.", labels=("version",))
        build.add_metric((__version__,), 1)
        yield build


def _of_endpoints(manifests: Iterable[Object]) -> Metric:
    family = GaugeMetricFamily(
        "hookgate_operator_endpoints", "Endpoints by their Ready condition.", labels=("ready", "reason")
    )
    for (ready, reason), count in sorted(Counter(ready_of(m.get("status") or {}) for m in manifests).items()):
        family.add_metric((ready or _NONE, reason or _NONE), count)
    return family


def _of_queue(queue: Queue) -> Iterator[Metric]:
    yield GaugeMetricFamily("hookgate_operator_queue_depth", "Endpoints that wait to be looked at.", value=queue.depth)
    yield GaugeMetricFamily("hookgate_operator_running", "Endpoints that are being looked at.", value=queue.running)
    yield CounterMetricFamily("hookgate_operator_reconciles", "Looks that went through.", value=queue.done)
    failed = CounterMetricFamily(
        "hookgate_operator_errors", "Looks that failed and are tried again, by what went wrong.", labels=("kind",)
    )
    for kind, count in queue.failed.items():
        failed.add_metric((kind,), count)
    yield failed

"""From figures to the table that is read: markdown, one column for each number of endpoints."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.bench.operator.bare import WRITES_EACH, Bare
from tests.bench.operator.stages import Changed, Created, Restarted, Rested


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything measured with ``count`` endpoints.

    ``library`` and ``own`` are bare applies through the usual client and through ours, before and after the operator's
    run; ``needed`` are applies of what endpoints need, through the usual client, after it.
    """

    count: int
    library: tuple[Bare, Bare]
    own: tuple[Bare, Bare]
    needed: Bare
    created: Created
    restarted: Restarted
    changed: Changed
    deactivated: Changed
    rested: Rested

    @property
    def bare(self) -> float:
        """Seconds for the bare applies that the goal is told in, the mean of both times."""
        return _mean(self.library)


_NEEDED = "what an endpoint needs (finalizer, binding, Secret, route, status)"
_ROWS: tuple[tuple[str, Callable[[Run], str]], ...] = (
    (
        f"{WRITES_EACH}n bare applies of small Secrets through `kubernetes.aio`, before / after, s",
        lambda r: _seconds(r.library),
    ),
    ("their CPU: servers / client, s", lambda r: _cpu(r.library[1])),
    (
        f"{WRITES_EACH}n bare applies of small Secrets through our own client, before / after, s",
        lambda r: _seconds(r.own),
    ),
    ("their CPU: servers / client, s", lambda r: _cpu(r.own[1])),
    (f"{WRITES_EACH}n bare applies of {_NEEDED} through `kubernetes.aio`, s", lambda r: f"{r.needed.seconds:.1f}"),
    ("their CPU: servers / client, s", lambda r: _cpu(r.needed)),
    ("all created, s", lambda r: f"{r.created.accepted:.1f}"),
    ("all Ready, s", lambda r: f"{r.created.ready:.1f}"),
    (
        "**Ready / applies of small Secrets through `kubernetes.aio`** (goal 1.5)",
        lambda r: f"**{r.created.ready / r.bare:.2f}**",
    ),
    (
        "**Ready / applies of what an endpoint needs through `kubernetes.aio`** (goal 1.5)",
        lambda r: f"**{r.created.ready / r.needed.seconds:.2f}**",
    ),
    ("Ready / applies of small Secrets through our own client", lambda r: f"{r.created.ready / _mean(r.own):.2f}"),
    ("writes per endpoint (goal 5 and an Event)", lambda r: f"{r.created.writes.total() / r.count:.2f}"),
    ("reads of single objects per endpoint", lambda r: f"{_gets(r.created.reads) / r.count:.3f}"),
    ("refused writes per endpoint", lambda r: f"{r.created.refused.total() / r.count:.3f}"),
    ("operator's CPU per endpoint, ms", lambda r: f"{r.created.usage.cpu / r.count * 1000:.1f}"),
    ("API server's and etcd's CPU, s", lambda r: f"{r.created.server_cpu:.1f}"),
    ("operator's peak memory, MiB (goals 120, 300)", lambda r: f"{r.created.usage.peak:.0f}"),
    ("its memory at rest afterwards, MiB", lambda r: f"{r.created.usage.resident:.0f}"),
    ("restart: working after, s (goal 20)", lambda r: f"{r.restarted.working:.1f}"),
    ("restart: all looked at after, s", lambda r: f"{r.restarted.idle:.1f}"),
    ("restart: writes (goal 0)", lambda r: str(r.restarted.writes.total())),
    ("restart: CPU, s", lambda r: f"{r.restarted.usage.cpu:.1f}"),
    ("restart: peak memory, MiB", lambda r: f"{r.restarted.usage.peak:.0f}"),
    ("one change: Ready again p50 / p99, ms", lambda r: _quantiles(r.changed)),
    ("one change: writes (goal 1 to 2)", lambda r: f"{r.changed.writes.total() / len(r.changed.seconds):.2f}"),
    ("deactivation: refused p50 / p99, ms (goal 500)", lambda r: _quantiles(r.deactivated)),
    ("at rest: writes (goal 0)", lambda r: f"{r.rested.writes.total()} in {r.rested.seconds:.0f} s"),
    ("at rest: CPU, % of one", lambda r: f"{r.rested.cpu / r.rested.seconds * 100:.1f}"),
)


def main_table(runs: Sequence[Run]) -> str:
    """Return what was measured, one line for each figure."""
    head = "| | " + " | ".join(f"n = {run.count:,}" for run in runs) + " |"
    lines = [f"| {label} | " + " | ".join(tell(run) for run in runs) + " |" for label, tell in _ROWS]
    return "\n".join([head, "|---|" + "---:|" * len(runs), *lines])


def table(runs: Sequence[Run], *, began: datetime, command: str, processors: int, load: float) -> str:
    """Return the whole report. ``load`` is the machine's load average when it began."""
    return "\n".join(
        [
            "# What the operator costs",
            "",
            f"{began:%Y-%m-%d %H:%M} UTC, `{command}`, {processors} processors shared with API server, etcd, receiver "
            f"and the creating client; load average {load:.1f} at the beginning.",
            "",
            main_table(runs),
            "",
            "Writes per endpoint, by verb and kind:",
            "",
            *_kinds("created", [(run.count, run.count, run.created.writes) for run in runs]),
            *_kinds("one change", _changes(runs, lambda run: run.changed)),
            *_kinds("one deactivation and activation", _changes(runs, lambda run: run.deactivated)),
            *_kinds("restart", [(run.count, 1, run.restarted.writes) for run in runs]),
            *_kinds("at rest", [(run.count, 1, run.rested.writes) for run in runs]),
            *_kinds("refused", [(run.count, run.count, run.created.refused) for run in runs]),
            "",
        ]
    )


def _changes(runs: Sequence[Run], of: Callable[[Run], Changed]) -> list[tuple[int, int, Counter[str]]]:
    return [(run.count, len(of(run).seconds), of(run).writes) for run in runs]


def _kinds(title: str, counted: Sequence[tuple[int, int, Counter[str]]]) -> list[str]:
    kinds = sorted({kind for _, _, counts in counted for kind in counts})
    if not kinds:
        return []
    lines = [f"| {title} | " + " | ".join(f"n = {n:,}" for n, _, _ in counted) + " |", "|---|" + "---:|" * len(counted)]
    lines += [f"| {k} | " + " | ".join(f"{counts[k] / per:.3f}" for _, per, counts in counted) + " |" for k in kinds]
    return [*lines, ""]


def _mean(both: tuple[Bare, Bare]) -> float:
    return statistics.mean(bare.seconds for bare in both)


def _seconds(both: tuple[Bare, Bare]) -> str:
    return " / ".join(f"{bare.seconds:.1f}" for bare in both)


def _cpu(bare: Bare) -> str:
    return f"{bare.server_cpu:.1f} / {bare.client_cpu:.1f}"


def _gets(reads: Counter[str]) -> int:
    return sum(count for kind, count in reads.items() if kind.startswith("get "))


def _quantiles(changed: Changed) -> str:
    ordered = sorted(changed.seconds)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * q))] * 1000 for q in (0.5, 0.99)]
    return " / ".join(f"{milliseconds:.0f}" for milliseconds in at)

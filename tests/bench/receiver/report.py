"""Samples become rows, ratios and a Markdown table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.receiver.cases import CASES, Case
from tests.bench.receiver.measure import TARGET, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """All rounds of one contender in one case."""

    case: Case
    contender: str
    title: str
    samples: tuple[Sample, ...]

    def median(self, value: Callable[[Sample], float]) -> float:
        """Return the median of the rounds."""
        return median(map(value, self.samples))

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest rate."""
        rates = [sample.rate for sample in self.samples]
        return min(rates), max(rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """MiB of one contender: at rest, the most it had with bodies of the usual size, and the most it ever had."""

    title: str
    rest: float
    small: float
    peak: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """What one contender does for each one that another does, as the median over rounds, and the goal for it."""

    text: str
    value: float
    low: float
    high: float
    goal: float | None = None


def rows(samples: Sequence[Sample], titles: Mapping[str, str]) -> list[Row]:
    """Return a row for each case and contender, in the order of the cases."""
    found = []
    for case in CASES:
        for name in case.contenders:
            mine = tuple(s for s in samples if (s.case, s.contender) == (case.name, name))
            if mine:
                found.append(Row(case=case, contender=name, title=titles[name], samples=mine))
    return found


def _rate(sample: Sample) -> float:
    return sample.rate


def _cpu(sample: Sample) -> float:
    return sample.cpu


def _per_round(samples: Sequence[Sample], case: str, value: Callable[[Sample], float], a: str, b: str) -> list[float]:
    """Compare two contenders within each round, so that what slows the whole machine slows both."""
    mine = [value(s) for s in samples if (s.case, s.contender) == (case, a)]
    other = [value(s) for s in samples if (s.case, s.contender) == (case, b)]
    return [x / y for x, y in zip(mine, other, strict=True) if y]


def ratios(samples: Sequence[Sample]) -> list[Ratio]:
    """Return the ratios that the goals speak of."""
    wanted: tuple[tuple[str, str, Callable[[Sample], float], str, str, float | None], ...] = (
        ("accept and forward: Hookgate to Go's ReverseProxy", "forward", _rate, "hookgate", "go-proxy", 1.5),
        (
            "forward, not signed for the target: Hookgate to Go's ReverseProxy",
            "unsigned",
            _rate,
            "hookgate",
            "go-proxy",
            None,
        ),
        (
            "forward, repeated calls recognised: Hookgate to Go's ReverseProxy, which recognises none",
            "replay-on",
            _rate,
            "hookgate",
            "go-proxy",
            1.5,
        ),
        ("forward, called over TLS: Hookgate to Go's ReverseProxy", "tls", _rate, "hookgate-tls", "go-proxy-tls", None),
        ("accept and forward: Hookgate to nginx without a check", "forward", _rate, "hookgate", "nginx-proxy", None),
        ("refuse: Hookgate to Go's net/http", "refuse", _rate, "hookgate", "go-answer", 1.0),
        (
            "accept and forward: not compiled to Go's ReverseProxy",
            "forward",
            _rate,
            "hookgate-source",
            "go-proxy",
            None,
        ),
        ("refuse: not compiled to Go's net/http", "refuse", _rate, "hookgate-source", "go-answer", None),
        ("refuse: Hookgate on uvicorn to Go's net/http", "refuse", _rate, "hookgate-uvicorn", "go-answer", 0.6),
        ("refuse: lean edge to uvicorn", "refuse", _rate, "hookgate", "hookgate-uvicorn", 1.5),
        ("accept and forward: lean edge to uvicorn", "forward", _rate, "hookgate", "hookgate-uvicorn", None),
        ("unknown path: Hookgate to Go's net/http", "unknown", _rate, "hookgate", "go-answer", None),
        (
            "accept and forward: Hookgate on uvicorn to Go's ReverseProxy",
            "forward",
            _rate,
            "hookgate-uvicorn",
            "go-proxy",
            None,
        ),
        ("CPU of a forwarded call, 10,000 endpoints to 10", "forward", _cpu, "hookgate", "hookgate-10", None),
        ("CPU of a refused call, 10,000 endpoints to 10", "refuse", _cpu, "hookgate", "hookgate-10", None),
    )
    found = [*_of_replay(samples)]
    for text, case, value, a, b, goal in wanted:
        each = _per_round(samples, case, value, a, b)
        if each:
            found.append(Ratio(text=text, value=median(each), low=min(each), high=max(each), goal=goal))
    return found


def _of_replay(samples: Sequence[Sample]) -> list[Ratio]:
    on, off = (
        [s.cpu for s in samples if (s.case, s.contender) == (case, "hookgate")] for case in ("replay-on", "replay-off")
    )
    each = [x / y for x, y in zip(on, off, strict=True) if y]
    text = "CPU of a forwarded call, repeated calls recognised to not"
    return [Ratio(text=text, value=median(each), low=min(each), high=max(each))] if each else []


def ratio_table(compared: Sequence[Ratio]) -> str:
    """Return the ratios in Markdown."""
    lines = ["| ratio, each within its round | median | lowest and highest | goal |", "|---|---:|---:|---:|"]
    for each in compared:
        goal = f"{each.goal:.1f}" if each.goal is not None else ""
        lines.append(f"| {each.text} | **{each.value:.2f}** | {each.low:.2f} to {each.high:.2f} | {goal} |")
    return "\n".join(lines) + "\n"


def memory_table(memory: Sequence[Memory], all_called: float) -> str:
    """Return what everybody has in memory, in Markdown; ``all_called``: a receiver whose every endpoint was called."""
    lines = [
        "| memory, MiB | at rest | at most in the first round, before larger bodies | at most in the end |",
        "|---|---:|---:|---:|",
    ]
    lines += [f"| {each.title} | {each.rest:.0f} | {each.small:.0f} | {each.peak:.0f} |" for each in memory]
    lines += ["", f"With every one of its endpoints called once, Hookgate has {all_called:.0f} MiB."]
    return "\n".join(lines) + "\n"


def table(found: Sequence[Row], compared: Sequence[Ratio], weighed: str, samples: Sequence[Sample]) -> str:
    """Return everything in Markdown; ``weighed`` is the table of memory."""
    return f"{ratio_table(compared)}\n{case_table(found, samples)}\n{weighed}"


def case_table(found: Sequence[Row], samples: Sequence[Sample]) -> str:
    """Return what everybody did in every case, in Markdown."""
    lines = [
        "| case | contender | calls a second | lowest and highest | CPU s per million | core busy | other core busy |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in found:
        if not row.case.rate:
            low, high = row.spread
            busy, others = row.median(lambda s: s.busy), row.median(lambda s: s.others)
            lines.append(
                f"| {row.case.title} | {row.title} | **{row.median(_rate):,.0f}** | {low:,.0f} to {high:,.0f} "
                f"| {row.median(_cpu):,.1f} | {busy:.0%} | {others:.0%} |"
            )
    lines += ["", "| latency at a held rate | p50 ms | p99 ms | p99.9 ms | core busy |", "|---|---:|---:|---:|---:|"]
    for row in found:
        if row.case.rate:
            p50, p99, p999 = (row.median(value) / 1000 for value in (_p50, _p99, _p999))
            busy = row.median(lambda s: s.busy)
            lines.append(f"| {row.case.title}, {row.title} | {p50:.2f} | {p99:.2f} | {p999:.2f} | {busy:.0%} |")
    target = [sample for sample in samples if sample.case == TARGET]
    if target:
        rate = median(sample.rate for sample in target)
        lines += ["", f"The target alone, called by the same client from the same core: {rate:,.0f} a second."]
    wrong = [f"{row.case.title}, {row.title}: {n}" for row in found if (n := sum(s.wrong for s in row.samples))]
    lines += ["", "Answers that were not as expected: " + ("; ".join(wrong) if wrong else "none") + "."]
    return "\n".join(lines) + "\n"


def _p50(sample: Sample) -> float:
    return sample.p50


def _p99(sample: Sample) -> float:
    return sample.p99


def _p999(sample: Sample) -> float:
    return sample.p999

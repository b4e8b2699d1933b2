"""Draws how time and memory grow with the number of endpoints: an SVG of two panels, written by hand.

Both axes are logarithmic, so that a straight line of slope one is linear growth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.operator.report import Run

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 360, 260, 60, 40, 100
_COLORS = ("#1f6feb", "#8b949e", "#9a6700", "#d1242f", "#1a7f37")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a panel: its label and its points (endpoints, value)."""

    label: str
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


def draw(runs: Sequence[Run]) -> str:
    """Return the SVG."""
    time = (
        _line("all Ready", runs, [r.created.ready for r in runs]),
        _line("1.5 times 5n applies of small Secrets", runs, [1.5 * r.bare for r in runs], dashed=True),
        _line("1.5 times 5n applies of what is needed", runs, [1.5 * r.needed.seconds for r in runs], dashed=True),
        _line("operator's CPU", runs, [r.created.usage.cpu for r in runs]),
        _line("restart, all looked at", runs, [r.restarted.idle for r in runs]),
    )
    memory = (
        _line("peak, creation", runs, [r.created.usage.peak for r in runs]),
        _line("peak, restart", runs, [r.restarted.usage.peak for r in runs]),
    )
    width = 2 * (_LEFT + _WIDTH) + _GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_TOP + _HEIGHT + 60}" '
            'font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            *_panel("seconds", time, _LEFT),
            *_panel("MiB", memory, _LEFT + _WIDTH + _GAP),
            "</svg>",
            "",
        ]
    )


def _line(label: str, runs: Sequence[Run], values: Sequence[float], *, dashed: bool = False) -> Line:
    points = tuple((float(run.count), max(value, 0.01)) for run, value in zip(runs, values, strict=True))
    return Line(label=label, points=points, dashed=dashed)


def _panel(title: str, lines: Sequence[Line], left: float) -> list[str]:
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    (x0, x1), (y0, y1) = _decades(xs), _decades(ys)

    def x_at(value: float) -> float:
        return left + _WIDTH * (math.log10(value) - x0) / (x1 - x0)

    def y_at(value: float) -> float:
        return _TOP + _HEIGHT * (1 - (math.log10(value) - y0) / (y1 - y0))

    drawn = [f'<text x="{left}" y="{_TOP - 18}" font-weight="bold">{title}</text>']
    for decade in range(x0, x1 + 1):
        x = x_at(10.0**decade)
        drawn.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_TOP + _HEIGHT}" stroke="#e5e7eb"/>')
        drawn.append(f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{10**decade:,}</text>')
    for decade in range(y0, y1 + 1):
        y = y_at(10.0**decade)
        drawn.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + _WIDTH}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        drawn.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:g}</text>')
    for i, line in enumerate(lines):
        color, dash = _COLORS[i], ' stroke-dasharray="5 4"' if line.dashed else ""
        path = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in line.points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        drawn += [f'<circle cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="3" fill="{color}"/>' for x, y in line.points]
        label = f'<text x="{left + 10}" y="{_TOP + 16 + 16 * i}" fill="{color}">{line.label}</text>'
        drawn.append(label)
    drawn.append(f'<text x="{left + _WIDTH / 2}" y="{_TOP + _HEIGHT + 40}" text-anchor="middle">endpoints</text>')
    return drawn


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)

"""Draws the rows as an SVG of small panels, one for each case: bars with the spread of the rounds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import log10

from tests.bench.receiver.report import Row

_COLUMNS, _WIDTH, _BAR, _GAP, _TOP, _LABEL = 2, 470, 20, 46, 30, 210
_COLORS = {"hookgate": "#1f6feb", "go": "#00a29c", "nginx": "#8b949e", "webhook": "#bf8700"}


def draw(rows: Sequence[Row]) -> str:
    """Return the SVG."""
    panels = [list(found) for _, found in groupby(rows, key=lambda row: row.case.name)]
    drawn: list[str] = []
    heights = [0.0] * _COLUMNS
    for panel in panels:
        column = heights.index(min(heights))
        drawn += _panel(panel, column * (_WIDTH + _GAP) + 10, heights[column] + 10)
        heights[column] += _TOP + _BAR * len(panel) + 24
    width, height = _COLUMNS * (_WIDTH + _GAP), max(heights) + 20
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" '
            'font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            *drawn,
            "</svg>",
            "",
        ]
    )


def _panel(rows: Sequence[Row], left: float, top: float) -> list[str]:
    latency = bool(rows[0].case.rate)
    title = rows[0].case.title + (": p50, p99, p99.9 in ms, logarithmic" if latency else ": thousand calls a second")
    drawn = [f'<text x="{left}" y="{top + 14}" font-weight="bold">{title}</text>']
    for i, row in enumerate(rows):
        y = top + _TOP + i * _BAR
        drawn.append(f'<text x="{left}" y="{y + 12}">{row.title}</text>')
        drawn += _latencies(row, rows, left + _LABEL, y) if latency else _bar(row, rows, left + _LABEL, y)
    return drawn


def _color(row: Row) -> str:
    return next(color for name, color in _COLORS.items() if row.contender.startswith(name))


def _bar(row: Row, rows: Sequence[Row], left: float, y: float) -> list[str]:
    scale = (_WIDTH - _LABEL - 50) / max(each.spread[1] for each in rows)
    rate, (low, high) = row.median(lambda s: s.rate), row.spread
    opacity = 0.5 if row.contender in ("hookgate-source", "hookgate-uvicorn", "hookgate-10") else 1
    return [
        f'<rect x="{left}" y="{y + 2}" width="{rate * scale:.1f}" height="{_BAR - 7}" fill="{_color(row)}" '
        f'opacity="{opacity}"/>',
        f'<line x1="{left + low * scale:.1f}" x2="{left + high * scale:.1f}" y1="{y + 8.5}" y2="{y + 8.5}" '
        'stroke="black"/>',
        f'<text x="{left + high * scale + 5:.1f}" y="{y + 13}">{rate / 1000:.1f}</text>',
    ]


def _latencies(row: Row, rows: Sequence[Row], left: float, y: float) -> list[str]:
    def places(each: Row) -> list[float]:
        return [each.median(value) / 1000 for value in (lambda s: s.p50, lambda s: s.p99, lambda s: s.p999)]

    everything = [value for each in rows for value in places(each)]
    low, high = log10(min(everything)) - 0.1, log10(max(everything)) + 0.1
    xs = [left + (_WIDTH - _LABEL - 50) * (log10(value) - low) / (high - low) for value in places(row)]
    drawn = [f'<line x1="{xs[0]:.1f}" x2="{xs[-1]:.1f}" y1="{y + 9}" y2="{y + 9}" stroke="{_color(row)}"/>']
    drawn += [f'<circle cx="{x:.1f}" cy="{y + 9}" r="4" fill="{_color(row)}"/>' for x in xs]
    drawn.append(f'<text x="{xs[-1] + 8:.1f}" y="{y + 13}">{" · ".join(f"{v:.2f}" for v in places(row))}</text>')
    return drawn

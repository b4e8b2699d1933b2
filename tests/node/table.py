"""What the story tells: one row for each step, as text and as Markdown. It computes nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BEGIN, END = "<!-- e2e: begin -->\n", "<!-- e2e: end -->\n"
"""What a document has around the table, if it has other text as well."""

_HEADS = ("step", "seconds", "calls sent", "failed", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One step. Without calls there is nothing to tell of them."""

    step: str
    seconds: float
    calls: tuple[int, int, int] | None = None
    """Sent, failed, lost."""
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        """As text."""
        counts = ("", "", "") if self.calls is None else tuple(map(str, self.calls))
        return (self.step, f"{self.seconds:.1f}", *counts)


def text(rows: Sequence[Row]) -> str:
    """For a terminal."""
    cells = [_HEADS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADS))]
    lines = [
        f"{step:<{widths[0]}}  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        for step, *rest in cells
    ]
    notes = [f"  {row.step}: {row.note}" for row in rows if row.note]
    return "\n".join([*lines, *notes])


def markdown(rows: Sequence[Row]) -> str:
    """For a file."""
    lines = [_HEADS, ("---", *("---:",) * (len(_HEADS) - 1)), *(row.cells() for row in rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    notes = "\n".join(f"- *{row.step}*: {row.note}" for row in rows if row.note)
    return f"{table}\n\n{notes}\n" if notes else f"{table}\n"


def placed(document: str, table: str) -> str:
    """The document with the table between its marks; without marks the table is the document."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}{table}{end}{after}" if begin and end else table

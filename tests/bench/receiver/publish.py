"""Puts a bench's results where the README shows them: the ratios between two marks, and the plot beside it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]
PLOT = "tests/bench/receiver/plot.svg"
BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"


def publish(text: str, plot: str, root: Path = ROOT) -> None:
    """Replace what stands between the marks, and the plot. Raises ValueError where the marks are not there."""
    readme = root / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"README.md: needs the marks {BEGIN.strip()} and {END.strip()}")
    image = f"![Calls a second and latencies of all cases]({PLOT})\n"
    (root / PLOT).write_text(plot)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{image}\n{END}{after}")

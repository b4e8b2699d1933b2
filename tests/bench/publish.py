"""Puts a bench's results where the README shows them: a text between two marks, and the plot beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where results go: the ``name`` in the marks, the file of the ``plot``, and what that shows, in words."""

    name: str
    plot: str
    shows: str

    @property
    def begin(self) -> str:
        """The mark before the text."""
        return f"<!-- {self.name}: begin -->\n"

    @property
    def end(self) -> str:
        """The mark after it."""
        return f"<!-- {self.name}: end -->\n"


RECEIVER = Place(name="bench", plot="tests/bench/receiver/plot.svg", shows="Calls a second and latencies of all cases")
OPERATOR = Place(
    name="bench-operator", plot="tests/bench/operator/plot.svg", shows="Time and memory against the number of endpoints"
)


def publish(place: Place, text: str, plot: str, root: Path = ROOT) -> None:
    """Replace what stands between the marks, and the plot. Raises ValueError where the marks are not there."""
    readme = root / "README.md"
    before, _, rest = readme.read_text().partition(place.begin)
    _, found, after = rest.partition(place.end)
    if not found:
        raise ValueError(f"README.md: needs the marks {place.begin.strip()} and {place.end.strip()}")
    (root / place.plot).write_text(plot)
    readme.write_text(f"{before}{place.begin}\n{text}\n![{place.shows}]({place.plot})\n\n{place.end}{after}")

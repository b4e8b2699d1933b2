"""Print one line for each test module in a JUnit report; fail unless at least one test ran and all passed.

Usage: table.py REPORT. It knows the report's format and nothing about the tests.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from xml.etree import ElementTree as ET


@dataclass(slots=True)
class Tally:
    """What one test module did."""

    passed: int = 0
    not_passed: int = 0
    seconds: float = 0.0


def tally(report: str) -> dict[str, Tally]:
    """Read a JUnit report (its text) into tallies by module; a skipped test counts as not passed."""
    suites: defaultdict[str, Tally] = defaultdict(Tally)
    # The report is written by the test run just before: no foreign XML.
    for case in ET.fromstring(report).iter("testcase"):  # noqa: S314
        suite = suites[case.get("classname") or case.get("name") or "?"]
        suite.seconds += float(case.get("time") or 0)
        if any(case.find(kind) is not None for kind in ("failure", "error", "skipped")):
            suite.not_passed += 1
        else:
            suite.passed += 1
    return dict(suites)


def table(suites: dict[str, Tally]) -> str:
    """Return the table as text."""
    width = max(map(len, suites), default=0)
    rows = [f"{'suite':{width}}  passed  not passed  seconds"]
    rows += [f"{name:{width}}  {t.passed:6}  {t.not_passed:10}  {t.seconds:7.1f}" for name, t in sorted(suites.items())]
    return "\n".join(rows)


def main(path: str) -> int:
    """Print the table of the report at ``path`` and return the exit status."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    suites = tally(text) if text else {}
    if not suites:
        print("No slow suite exists: nothing ran, nothing is proven.", file=sys.stderr)
        return 1
    print(table(suites))
    return 1 if any(t.not_passed for t in suites.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

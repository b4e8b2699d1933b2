"""`python -m tests.faults [PROPERTY ...]`: run the suites and print one table. With --quick, a small part of each.

Exits with 1 if anything failed. With --markdown FILE the table is written there, too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster.binaries import Unavailable
from tests.faults.cases import BROKEN, Case, Scope
from tests.faults.stand import stand
from tests.faults.suites import PROPERTIES, SUITES
from tests.faults.table import Table


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("properties", nargs="*", metavar="PROPERTY", help=f"of {', '.join(PROPERTIES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a small part of each suite")
    parser.add_argument("--only", default="", metavar="TEXT", help="the cases with this in the name of their story")
    parser.add_argument("--first", action="store_true", help="end at the first failure")
    parser.add_argument("--keep", type=Path, help="a folder to keep all logs in")
    parser.add_argument("--markdown", type=Path, help="a file to write the table to")
    options = parser.parse_args()
    wanted = set(options.properties or PROPERTIES)
    if unknown := wanted - set(PROPERTIES):
        parser.error(f"no such property: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="hookgate-faults-") as folder:
        try:
            scope = Scope(quick=options.quick, only=options.only)
            table = run(wanted, scope, options.keep or Path(folder) / "stand", first=options.first)
        except Unavailable as reason:
            print(f"hookgate faults: {reason}", file=sys.stderr)
            return 2
    print(table.text())
    if options.markdown:
        command = " ".join(["python -m tests.faults", *options.properties, *(["--quick"] if options.quick else [])])
        options.markdown.write_text(table.markdown(command, datetime.now(UTC)), encoding="utf-8")
    return 1 if table.failures else 0


def run(wanted: set[str], scope: Scope, folder: Path, *, first: bool = False) -> Table:
    """Run the suites that have to do with the wanted properties, with ``first`` until a failure. Raises Unavailable."""
    table = Table()
    with stand(folder) as made:
        for suite in SUITES:
            if wanted.isdisjoint(suite.properties):
                continue
            made.clean()
            began = time.monotonic()
            seen = 0
            for case in guarded(suite.run(made, scope), next(p for p in suite.properties if p in wanted)):
                seen += 1
                now = time.monotonic()
                table.add(case, now - began)
                began = now
                if case.wrong:
                    print(f"FAILED {case.property} {case.name}: {case.wrong[:1500]}", flush=True)
                if first and case.wrong and case.property in wanted:
                    return table
            print(f"{'/'.join(suite.properties)}: {seen} cases", file=sys.stderr, flush=True)
        made.proxy.clear()
    return table


def guarded(cases: Iterator[Case], name: str) -> Iterator[Case]:
    """A suite that breaks is a failure of its own, and the others go on."""
    try:
        yield from cases
    except (AssertionError, OSError) as error:
        yield Case(name, BROKEN, f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())

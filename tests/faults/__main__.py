"""`python -m tests.faults [PROPERTY ...]`: run the suites and print one table. With --quick, a small part of each.

Exits with 1 if anything failed, or if of a wanted property nothing was tried, as with an --only that is in no name.
With --markdown FILE the table is written there, too.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.binaries import Unavailable
from tests.faults.cases import Scope
from tests.faults.pieces import cut, play
from tests.faults.suites import PROPERTIES
from tests.faults.table import Table
from tests.faults.workers import spread

#: Much of it is waiting: so many at a time keep two cores busy, and nobody waits in vain.
WORKERS = 4


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("properties", nargs="*", metavar="PROPERTY", help=f"of {', '.join(PROPERTIES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a small part of each suite")
    parser.add_argument("--only", default="", metavar="TEXT", help="the cases with this in the name of their story")
    parser.add_argument("--first", action="store_true", help="end at the first failure")
    parser.add_argument("--workers", type=int, default=WORKERS, help="how many suites at a time; default: %(default)s")
    parser.add_argument("--keep", type=Path, help="a folder to keep all logs in")
    parser.add_argument("--markdown", type=Path, help="a file to write the table to")
    options = parser.parse_args()
    wanted = set(options.properties or PROPERTIES)
    if unknown := wanted - set(PROPERTIES):
        parser.error(f"no such property: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: all ends in order
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hookgate-faults-", ignore_cleanup_errors=True) as folder:
        try:
            scope = Scope(quick=options.quick, only=options.only)
            table = run(wanted, scope, options.keep or Path(folder), max(1, options.workers), first=options.first)
        except Unavailable as reason:
            print(f"hookgate faults: {reason}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
    print(table.text())
    minutes = f"{(time.monotonic() - began) / 60:.0f} minutes, {options.workers} suites at a time"
    print(minutes)
    if options.markdown:
        options.markdown.write_text(table.markdown(_command(options), datetime.now(UTC), minutes), encoding="utf-8")
    if table.untried:
        print(f"hookgate faults: nothing was tried of {', '.join(table.untried)}", file=sys.stderr)
    return 1 if table.failures or table.untried else 0


def _command(options: argparse.Namespace) -> str:
    """Return the command with all that decides what is tried."""
    said = ["python", "-m", "tests.faults", *options.properties]
    said += [flag for flag, given in (("--quick", options.quick), ("--first", options.first)) if given]
    said += ["--only", options.only] if options.only else []
    return shlex.join([*said, "--workers", str(options.workers)])


def run(wanted: set[str], scope: Scope, folder: Path, workers: int, *, first: bool = False) -> Table:
    """Run the suites that have to do with the wanted properties, with ``first`` until a failure. Raises Unavailable."""
    for needed in (binaries.locate, binaries.gateway_crds):
        needed()  # once, before several processes would want it at the same time
    table, underway = Table(wanted), Counter[str]()
    with closing(spread(cut(wanted, scope), play, folder, workers)) as news:
        for told in news:
            if told is None:
                counts = ", ".join(f"{name} ({count})" for name, count in sorted(underway.items()))
                _say(f"... still at work, with so many cases until now: {counts or 'none yet'}")
                continue
            name, case = told.piece.name, told.case
            if case is None:
                _say(f"{name}: {underway.pop(name, 0)} cases in {told.seconds:.0f} s")
                continue
            underway[name] += 1
            table.add(case, told.seconds)
            if case.wrong:
                print(f"FAILED {case.property} {case.name}: {case.wrong[:1500]}", flush=True)
            if first and case.wrong and case.property in wanted:
                break
    return table


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Measures the receiver beside its peers: ``python -m tests.bench.receiver``, `make bench`.

Everybody has one core to itself; the client and the target have the other. Rounds are interleaved, so that whatever
slows the machine slows everybody, and what counts are ratios within a round. It asserts nothing: figures belong to the
machine that made them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.publish import RECEIVER, publish
from tests.bench.receiver.cases import LAST_SMALL
from tests.bench.receiver.contenders import Contest
from tests.bench.receiver.machine import Missing, check, ended
from tests.bench.receiver.measure import Sample, call_each, rounds
from tests.bench.receiver.plot import draw
from tests.bench.receiver.report import Memory, case_table, memory_table, ratio_table, ratios, rows, table

_BEGAN = time.monotonic()
#: Whose memory is told.
_WEIGHED = ("hookgate", "hookgate-10", "hookgate-source", "go-proxy", "go-answer", "nginx-proxy", "webhook")
#: Who never had large bodies nor marks of calls, so that its endpoints are what its memory tells of.
_ALL_CALLED = "hookgate-2"


def say(line: str) -> None:
    """Show how far it is."""
    print(f"[{time.monotonic() - _BEGAN:6.1f} s] {line}", file=sys.stderr, flush=True)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.receiver", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.2, help="time of each run (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    parser.add_argument("--publish", action="store_true", help="put plot and ratios into the README, too")
    return parser.parse_args()


def measure(options: argparse.Namespace, folder: Path) -> tuple[list[Sample], list[Memory], dict[str, str], float]:
    """Start everybody, measure, end everybody. The last number: MiB of a receiver whose every endpoint was called."""
    contest = Contest(folder)
    with ended(contest.processes):
        say("starting everybody")
        contest.start()
        rest = {name: sum(p.memory() for p in contest.contenders[name].processes) for name in _WEIGHED}
        samples: list[Sample] = []
        small: dict[str, float] = {}
        for sample in rounds(contest, options.rounds, options.seconds, say):
            samples.append(sample)
            if sample.case == LAST_SMALL:
                small = small or _peaks(contest)
        most = _peaks(contest)
        memory = [
            Memory(title=contest.contenders[name].title, rest=rest[name], small=small[name], peak=most[name])
            for name in rest
        ]
        called = contest.contenders[_ALL_CALLED]
        call_each(called.ports[0])
        titles = {name: each.title for name, each in contest.contenders.items()}
        return samples, memory, titles, called.processes[0].memory()


def _peaks(contest: Contest) -> dict[str, float]:
    return {name: sum(each.peak() for each in contest.contenders[name].processes) for name in _WEIGHED}


def main() -> int:
    """Measure, print and write."""
    chosen = options()
    try:
        check()
        with tempfile.TemporaryDirectory() as folder:
            samples, memory, titles, all_called = measure(chosen, Path(folder))
    except Missing as missing:
        print(f"bench: {missing}", file=sys.stderr)
        return 1
    found = rows(samples, titles)
    weighed = memory_table(memory, all_called)
    load = os.getloadavg()[2]
    about = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench`: {chosen.rounds} rounds of {chosen.seconds} s, "
        f"{_processor()}, Python {platform.python_version()}, load average {load:.1f}.\n"
    )
    text = f"{about}\n{table(found, ratios(samples), weighed, samples)}"
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "table.md").write_text(text)
    (chosen.out / "plot.svg").write_text(draw(found))
    (chosen.out / "samples.json").write_text(json.dumps([asdict(sample) for sample in samples]))
    print(text)
    say(f"written to {chosen.out}")
    if chosen.publish:
        every = f"<details>\n<summary>Every case</summary>\n\n{case_table(found, samples)}\n</details>\n"
        publish(RECEIVER, f"{about}\n{ratio_table(ratios(samples))}\n{weighed}\n{every}", draw(found))
        say("put into the README")
    return 0


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main())

"""Measures the operator against the number of its endpoints: ``python -m tests.bench.operator``, `make bench-operator`.

Prints a table and writes it, with a plot, to ``--out``. It asserts nothing: figures belong to the machine that made
them, and the baseline of the same run tells how fast that machine was at the time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shlex
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from hookgate.kube.api import Api
from tests.bench.operator import stages
from tests.bench.operator.bare import WRITES_EACH, Bare, bare_applies, library_applies, needed_applies, own_applies
from tests.bench.operator.installation import Installation, installed
from tests.bench.operator.plot import draw
from tests.bench.operator.report import Run, main_table, table
from tests.bench.publish import OPERATOR, publish

_BEGAN = time.monotonic()


def say(line: str) -> None:
    """Show how far it is."""
    print(f"[{time.monotonic() - _BEGAN:6.1f} s] {line}", file=sys.stderr, flush=True)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.operator", description=__doc__)
    parser.add_argument("--sizes", default="100,1000,10000", help="numbers of endpoints (%(default)s)")
    parser.add_argument("--rest", type=float, default=60.0, help="seconds at rest (%(default)s)")
    parser.add_argument("--samples", type=int, default=200, help="single changes and deactivations (%(default)s)")
    parser.add_argument("--profile", type=Path, help="write the operator's cProfile statistics of the creation here")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    parser.add_argument("--publish", action="store_true", help="put the plot and the main table into the README, too")
    return parser.parse_args()


async def measure(count: int, options: argparse.Namespace, folder: Path) -> Run:
    """All stages for one size, on a fresh control plane."""
    with installed(folder, profile=options.profile) as installation:
        admin, operator = await installation.administrator(), await installation.as_operator()
        async with admin, operator:
            await stages.prepare(admin, count)
            say(f"n = {count}: {WRITES_EACH}n bare applies, operator not running")
            before = await baselines(installation, admin, operator, count)
            await asyncio.to_thread(installation.start_operator)
            say(f"n = {count}: creating")
            created = await stages.create_all(installation, admin, count, lambda line: say(f"n = {count}: {line}"))
            say(f"n = {count}: all Ready after {created.ready:.1f} s; bare applies took {before[0].seconds:.1f} s")
            if options.profile:
                installation.operator.end()
                raise SystemExit(f"profile written to {options.profile}")
            changed = await stages.changes(installation, admin, count, options.samples)
            say(f"n = {count}: restarting")
            restarted = await stages.restart(installation)
            say(f"n = {count}: resting")
            rested = await stages.rest(installation, options.rest)
            say(f"n = {count}: deactivating")
            # Last of all: it makes calls, and what became of calls is told in statuses by and by.
            deactivated = await stages.deactivations(installation, admin, count, options.samples)
            await asyncio.to_thread(installation.operator.end)
            say(f"n = {count}: {WRITES_EACH}n bare applies again")
            after = await baselines(installation, admin, operator, count)
            say(f"n = {count}: {WRITES_EACH}n bare applies of what endpoints need")
            # Last of all, for it leaves endpoints behind that no operator made.
            needed = await applies_of_what_is_needed(installation, admin, count)
    return Run(
        count=count,
        library=(before[0], after[0]),
        own=(before[1], after[1]),
        needed=needed,
        created=created,
        restarted=restarted,
        changed=changed,
        deactivated=deactivated,
        rested=rested,
    )


async def baselines(installation: Installation, admin: Api, operator: Api, count: int) -> tuple[Bare, Bare]:
    """What bare applies take, through the usual client and through ours."""
    async with library_applies(installation.kubeconfig, installation.discovered) as apply:
        library = await bare_applies(apply, admin, WRITES_EACH * count)
    return library, await bare_applies(own_applies(operator), admin, WRITES_EACH * count)


async def applies_of_what_is_needed(installation: Installation, admin: Api, count: int) -> Bare:
    """What bare applies of what the operator writes take, through the usual client."""
    async with library_applies(installation.kubeconfig, installation.discovered) as apply:
        return await needed_applies(apply, admin, count, stages.endpoint(0))


def main() -> None:
    """Measure, print, write."""
    chosen = options()
    runs = []
    command = "python -m tests.bench.operator " + shlex.join(sys.argv[1:])
    began, load = datetime.now(UTC), os.getloadavg()[0]
    for size in chosen.sizes.split(","):
        with tempfile.TemporaryDirectory(prefix="hookgate-bench-") as folder:
            runs.append(asyncio.run(measure(int(size), chosen, Path(folder))))
        text = table(runs, began=began, command=command.strip(), processors=os.cpu_count() or 1, load=load)
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "operator.md").write_text(text)
        (chosen.out / "operator.svg").write_text(draw(runs))
    print(text)
    say(f"written to {chosen.out}")
    if chosen.publish:
        about = f"{began:%Y-%m-%d}, {os.cpu_count()} processors shared with API server, etcd, receiver and client:"
        publish(OPERATOR, f"{about}\n\n{main_table(runs)}\n", draw(runs))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()

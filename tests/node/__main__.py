"""`make e2e`: Hookgate installed by its chart on a real node, called through a real ingress, harmed and removed again.

Builds what is missing (minutes, once), then plays the story in namespaces of its own and prints one table. Options:
`--report FILE` writes the table as Markdown, too (in README.md, between its marks); `--keep FOLDER` keeps all logs
there, which else are kept on failure only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.cluster.binaries import Unavailable, contour_crds, gateway_crds, locate, say_on_stderr
from tests.node import images, ingress, isolation, needs
from tests.node.table import Row, markdown, placed, text

_FAMILIES = ("kubernetes", "node", "coredns", "kube-router", "contour", "helm", "pause")


def prepare() -> list[Path]:
    """Build and fetch everything; the archives of the images. Raises Unavailable."""
    for family in _FAMILIES:
        locate(family)
    gateway_crds()
    contour_crds()
    ingress.envoy(say_on_stderr)
    return images.archives(say_on_stderr)


def main() -> int:
    """0 when every step went as it has to, 1 when one did not, 2 when it cannot run here."""
    parser = argparse.ArgumentParser(prog="python -m tests.node", description="Hookgate on a real node")
    parser.add_argument("--report", type=Path, help="write the table into this file, as Markdown")
    parser.add_argument("--keep", type=Path, help="keep logs in this folder")
    parser.add_argument("--install", action="store_true", help="install missing Debian packages with apt-get")
    options = parser.parse_args()
    if options.install and not list(needs.privileges()):
        needs.install()
    if problems := list(needs.missing()):
        print("\n".join(f"hookgate e2e: cannot run here: {problem}" for problem in problems), file=sys.stderr)
        return 2
    try:
        archives = prepare()
    except Unavailable as reason:
        print(f"hookgate e2e: {reason}", file=sys.stderr)
        return 2
    isolation.sweep()
    folder = Path(tempfile.mkdtemp(prefix=isolation.PREFIX))
    command: list[str | Path] = [sys.executable, "-m", "tests.node.inside", folder, isolation.cgroup_name(), *archives]
    status = isolation.isolated(command, cgroup=isolation.cgroup_name())
    _tell(folder, options.report if status == 0 else None)
    kept = options.keep or (Path(tempfile.mkdtemp(prefix="hookgate-e2e-logs-")) if status else None)
    if kept is not None:
        _keep_logs(folder, kept)
    isolation.remove_folder(folder)
    return status


def _tell(folder: Path, report: Path | None) -> None:
    rows = folder / "rows.json"
    found = [_row(each) for each in json.loads(rows.read_text())] if rows.exists() else []
    print(text(found))
    if report is not None:
        about = f"\nOn {os.cpu_count()} cores, at a load average of {os.getloadavg()[1]:.0f}.\n"
        report.write_text(placed(report.read_text() if report.exists() else "", markdown(found) + about))


def _row(told: dict[str, object]) -> Row:
    calls = told["calls"]
    return Row(**{**told, "calls": tuple(calls) if isinstance(calls, list) else None})  # type: ignore[arg-type]


def _keep_logs(folder: Path, kept: Path) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    for path in [*folder.glob("*.log"), *folder.glob("evidence-*.txt")]:
        shutil.copyfile(path, kept / path.name)
    print(f"hookgate e2e: logs are in {kept}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

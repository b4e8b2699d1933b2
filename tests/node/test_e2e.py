"""The whole story as one test: installed by the chart on a real node, called through an ingress, harmed, removed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.node import needs

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_hookgate_on_a_real_node_keeps_its_promises_under_load(tmp_path: Path) -> None:
    """Every step of `make e2e` passes; the command says which did not, and where the logs are."""
    in_ci = os.environ.get("CI") == "true"  # a machine that is there for this, so that packages may be installed
    if problems := list(needs.privileges() if in_ci else needs.missing()):
        pytest.skip("; ".join(problems))
    report = tmp_path / "report.md"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.node",
        "--report",
        report,
        *(["--install"] if in_ci else []),
    ]
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert done.returncode == 0
    assert "| uninstall |" in report.read_text()

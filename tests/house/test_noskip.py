"""The run that must not skip anything: every kind of skip fails it, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SKIPS = {
    "in a test": "import pytest\ndef test_x():\n    pytest.skip('no cluster here')\n",
    "by a mark": "import pytest\n@pytest.mark.skip(reason='no cluster here')\ndef test_x():\n    pass\n",
    "in a fixture": (
        "import pytest\n@pytest.fixture\ndef f():\n    pytest.skip('no cluster here')\ndef test_x(f):\n    pass\n"
    ),
    "at import": "import pytest\npytest.skip('no cluster here', allow_module_level=True)\n",
}
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail\ndef test_x():\n    assert False\n"


def run(folder: Path, source: str, *arguments: str, required: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on ``source`` in a process of its own, under the rule but without the project's settings."""
    (folder / "test_sample.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOOKGATE_REQUIRE_CLUSTER": required}
    command = [sys.executable, "-m", "pytest", "-p", "tests.noskip", "-p", "no:cacheprovider", *arguments, "."]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("kind", SKIPS)
def test_a_skip_fails_the_run_that_must_not_skip(kind: str, tmp_path: Path) -> None:
    """The failure names the test or module, and repeats why it was skipped."""
    result = run(tmp_path, SKIPS[kind], required="1")
    assert result.returncode != 0, result.stdout
    assert "test_sample.py" in result.stdout
    assert "no cluster here" in result.stdout
    assert "allows no skip" in result.stdout


def test_a_skip_in_a_parallel_run_fails_it_too(tmp_path: Path) -> None:
    """Reports made in a worker process count like any other."""
    result = run(tmp_path, SKIPS["at import"], "-n", "1", required="1")
    assert result.returncode != 0, result.stdout
    assert "allows no skip" in result.stdout


def test_elsewhere_a_skip_stays_a_skip(tmp_path: Path) -> None:
    """Without the variable a run may be shorter than the whole."""
    result = run(tmp_path, SKIPS["in a test"], required="")
    assert result.returncode == 0, result.stdout
    assert "1 skipped" in result.stdout


def test_an_expected_failure_is_not_a_skip(tmp_path: Path) -> None:
    """xfail is an outcome that was looked at."""
    result = run(tmp_path, EXPECTED_FAILURE, required="1")
    assert result.returncode == 0, result.stdout
    assert "1 xfailed" in result.stdout

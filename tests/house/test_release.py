"""The recipe that releases: taken by the forge's linter, every step pinned, and in agreement with what it builds."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import binaries
from tests.cluster.fixtures import refuse
from tests.house.source import ROOT

RECIPE = ROOT / ".ci" / "release.yaml"
PINNED = re.compile(r"^[\w./-]+@[0-9a-f]{40}$")


@pytest.fixture(scope="module")
def linter(pytestconfig: pytest.Config) -> Path:
    """The forge's linter."""
    try:
        return binaries.locate("actionlint").path("actionlint")
    except binaries.Unavailable as reason:
        refuse(pytestconfig, str(reason))


def lint(linter: Path, text: str) -> str:
    """What the linter says, without tools of the machine that happen to be there."""
    command = [str(linter), "-no-color", "-oneline", "-shellcheck=", "-pyflakes=", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def steps() -> list[dict[str, Any]]:
    """What it does, in order."""
    found: list[dict[str, Any]] = yaml.safe_load(RECIPE.read_text())["jobs"]["release"]["steps"]
    return found


def test_the_linter_has_nothing_to_say(linter: Path) -> None:
    assert lint(linter, RECIPE.read_text()) == ""


def test_the_linter_notices_a_mistake(linter: Path) -> None:
    """The check above can fail."""
    assert '"picture" is not defined' in lint(linter, RECIPE.read_text().replace("steps.image.", "steps.picture."))


def test_every_step_of_others_is_pinned_by_commit() -> None:
    """A tag can be moved to other code, which would run with the right to publish."""
    used = [step["uses"] for step in steps() if "uses" in step]
    assert len(used) >= 5
    assert [name for name in used if not PINNED.match(name)] == []


def test_it_builds_for_both_architectures_with_sbom_provenance_and_signature() -> None:
    (build,) = (step["with"] for step in steps() if "build-push" in step.get("uses", ""))
    assert build["platforms"].split(",") == ["linux/amd64", "linux/arm64"]
    assert (build["sbom"], build["provenance"], build["push"]) == (True, "mode=max", True)
    assert any("cosign sign" in step.get("run", "") for step in steps())


def test_it_sets_arguments_that_the_containerfile_takes() -> None:
    """A misspelt one would be ignored."""
    (build,) = (step["with"] for step in steps() if "build-push" in step.get("uses", ""))
    given = {line.partition("=")[0] for line in build["build-args"].splitlines()}
    taken = set(re.findall(r"^ARG (\w+)", (ROOT / build["file"]).read_text(), re.MULTILINE))
    assert given - taken == set()


def test_what_it_replaces_in_the_chart_is_there() -> None:
    """Its search for lines finds them, once each."""
    values = (ROOT / "manifests" / "chart" / "values.yaml").read_text().splitlines()
    assert [values.count(line) for line in ("  repository: hookgate", '  digest: ""')] == [1, 1]
    version = (ROOT / "operator" / "hookgate" / "__init__.py").read_text()
    assert re.search(r'^__version__ = "[^"]+"$', version, re.MULTILINE)

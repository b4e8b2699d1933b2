"""What an installation brings along: each part no more than it needs, and nothing unpinned where results count."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = (".ci/requirements.lock", ".ci/runtime.lock")
#: What compiles the hot modules while the image is built, and is no part of it.
COMPILE_LOCK = ".ci/compile.lock"

PINNED = re.compile(r"^[a-z0-9._-]+==\S+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+$")


def installed_by(extra: str | None) -> frozenset[str]:
    """Every distribution that ``pip install hookgate[extra]`` brings, by the metadata of what is installed here."""
    found: set[str] = set()
    waiting = own_requirements(extra)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = f"{name}[{','.join(sorted(requirement.extras))}]"
        if key not in found:
            found |= {key, name}
            waiting += requirements_of(name, requirement.extras)
    return frozenset(name for name in found if not name.endswith("]"))


def own_requirements(extra: str | None) -> list[Requirement]:
    """What pyproject.toml asks for, with extras of the project itself followed."""
    texts = [*PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] if extra else [])]
    result: list[Requirement] = []
    for requirement in map(Requirement, texts):
        if requirement.name == PROJECT["name"]:
            result += [inner for name in requirement.extras for inner in own_requirements(name)]
        elif requirement.marker is None or requirement.marker.evaluate():
            result.append(requirement)
    return result


def requirements_of(name: str, extras: set[str]) -> list[Requirement]:
    """What an installed distribution asks for here, with these extras."""
    wanted = map(Requirement, metadata.requires(name) or [])
    return [r for r in wanted if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in extras | {""})]


@pytest.mark.parametrize(
    ("extra", "brings", "spares"),
    [
        (None, {"cryptography", "jsonschema", "pyyaml"}, {"kopf", "kubernetes", "uvicorn", "aiohttp"}),
        ("receiver", {"uvicorn", "aiohttp"}, {"kopf"}),
        ("operator", {"kopf", "kubernetes"}, {"uvicorn"}),
        ("all", {"kopf", "uvicorn"}, {"pytest", "mypy"}),
    ],
)
def test_an_extra_brings_what_its_part_needs(extra: str | None, brings: set[str], spares: set[str]) -> None:
    """The receiver never gets kopf, and the bare package talks to no cluster and serves nothing."""
    found = installed_by(extra)
    assert brings - found == set()
    assert spares & found == set()


@pytest.mark.parametrize("path", [*LOCKS, COMPILE_LOCK])
def test_every_locked_requirement_is_pinned_by_hash(path: str) -> None:
    """A line with neither exact version nor hash would let the index decide what runs."""
    lines = (line for line in (ROOT / path).read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    requirements = re.split(r"\n(?! )", "\n".join(lines).strip())
    assert [r.splitlines()[0] for r in requirements if not PINNED.match(r)] == []
    assert len(requirements) > 5


@pytest.mark.parametrize("path", [*LOCKS, COMPILE_LOCK])
def test_no_lock_names_an_index(path: str) -> None:
    """Where packages come from is the installer's setting, not the project's."""
    text = (ROOT / path).read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if "://" in line or line.startswith("-")] == []


def test_both_locks_agree() -> None:
    """What is tested is what runs."""
    tested, runs = ({*re.findall(r"^[a-z0-9._-]+==\S+", (ROOT / p).read_text(), re.MULTILINE)} for p in LOCKS)
    assert runs - tested == set()


def test_the_image_is_compiled_by_the_mypy_that_checks_the_types() -> None:
    """The same pins, but for setuptools, which nothing else needs."""
    tested, compiles = (
        {*re.findall(r"^[a-z0-9._-]+==\S+", (ROOT / p).read_text(), re.MULTILINE)} for p in (LOCKS[0], COMPILE_LOCK)
    )
    assert [pin.partition("==")[0] for pin in compiles - tested] == ["setuptools"]
    assert any(pin.startswith("mypy==") for pin in compiles)


@pytest.mark.parametrize(("path", "extra"), [(LOCKS[0], "dev"), (LOCKS[1], "all")])
def test_the_lock_answers_the_metadata(path: str, extra: str) -> None:
    """A dependency added without `make lock` is missing from the lock, or its pin is too old."""
    text = (ROOT / path).read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))
    stale = [
        str(r)
        for r in own_requirements(extra)
        if canonicalize_name(r.name) not in pins or pins[canonicalize_name(r.name)] not in r.specifier
    ]
    assert stale == []


def test_the_wheel_carries_the_contract_and_the_type_mark(tmp_path: Path) -> None:
    """Installed alone, the package has its CRD, its data, and its types; tests and tools stay behind."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    carried = {
        "hookgate/py.typed",
        "hookgate/config/webhookendpoints.hookgate.dev.yaml",
        "hookgate/scheme/presets.yaml",
    }
    assert carried - names == set()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"hookgate"}

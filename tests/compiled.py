"""With HOOKGATE_TEST_COMPILED=1 a run is one of what the image ships: hot modules that are compiled (`.ci/compiled`).

It would pass as well on the sources, and mean nothing; so it is refused where a single one of them is not compiled.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pytest

import hookgate

VARIABLE = "HOOKGATE_TEST_COMPILED"
#: What processes that tests start import from: as the tests do, which may be from a copy that is compiled.
SOURCE = Path(hookgate.__file__).parents[1]
_LIST = Path(__file__).parents[1] / ".ci" / "compile"


def hot_files() -> list[str]:
    """Return the files that `.ci/compile` compiles, from the package's own folder on."""
    return re.findall(r"hookgate/\S+\.py", _LIST.read_text(encoding="utf-8"))


def environment() -> dict[str, str]:
    """Return what has a process import the very package that the tests import, and the tests."""
    return {"PYTHONPATH": os.pathsep.join([str(SOURCE), *(path for path in sys.path if path)])}


def interpreted(files: Iterable[str]) -> list[str]:
    """Return the modules among these that are imported from their sources."""
    names = [file.removesuffix(".py").replace("/", ".") for file in files]
    return [name for name in names if not str(import_module(name).__file__).endswith(".so")]


def pytest_sessionstart() -> None:
    """Refuse a run that would not try what it says."""
    if os.environ.get(VARIABLE) == "1" and (plain := interpreted(hot_files())):
        raise pytest.UsageError(f"{VARIABLE}=1, but not compiled: {', '.join(plain)}")

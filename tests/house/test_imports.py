"""Each part can really be imported in an installation that has only what its extra brings."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.house.source import SOURCE, hookgate

#: Imports every module given, with the libraries before "--" made unimportable.
PROGRAM = """
import importlib, sys
cut = sys.argv.index("--")
for name in sys.argv[1:cut]:
    sys.modules[name] = None
for name in sys.argv[cut + 1:]:
    importlib.import_module(name)
"""

SERVER_LIBRARIES = ("aiohttp", "httptools", "uvicorn", "uvloop")

#: A part, the libraries that its installation lacks, and the layers it consists of.
PARTS = (
    ("bare", ("kopf", "kubernetes", *SERVER_LIBRARIES), ("", "model", "scheme", "config")),
    ("receiver", ("kopf",), ("", "model", "scheme", "config", "kube", "receiver")),
    ("operator", ("httptools", "uvicorn", "uvloop"), ("", "model", "scheme", "config", "kube", "control")),
)


@pytest.mark.parametrize(("absent", "layers"), [p[1:] for p in PARTS], ids=[p[0] for p in PARTS])
def test_a_part_imports_without_the_libraries_of_the_others(absent: tuple[str, ...], layers: tuple[str, ...]) -> None:
    """No module of the part fails to import."""
    names = [subject.name for subject in hookgate() if subject.layer in layers]
    command = [sys.executable, "-c", PROGRAM, *absent, "--", *names]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert result.stderr.splitlines()[-1:] == []


def test_the_command_line_starts_without_any_optional_library() -> None:
    """`hookgate --help` and the offline commands work in a bare installation."""
    absent = ("kopf", "kubernetes", *SERVER_LIBRARIES)
    command = [sys.executable, "-c", PROGRAM, *absent, "--", "hookgate.cli.main"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert result.stderr.splitlines()[-1:] == []


@pytest.mark.parametrize("entry", ["hookgate.cli.operator", "hookgate.cli.receiver"])
def test_a_process_begins_without_libraries_for_public_keys(entry: str) -> None:
    """They take more than ten MiB, and are read with the first key that needs them."""
    program = f"import sys, {entry}; print(sorted({{'cryptography', 'joserfc'}} & sys.modules.keys()))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"

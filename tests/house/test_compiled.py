"""The modules that are compiled: all there, and without what compiled code would understand in another way."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookgate.receiver import calls
from tests.compiled import SOURCE, VARIABLE, environment, hot_files, interpreted
from tests.house.source import ROOT

MODULES = [ROOT / "operator" / name for name in hot_files()]


def names_of_two_types(tree: ast.AST) -> list[str]:
    """Names to which one function binds exceptions of two types: compiled, a name has the type that it had first."""
    return [
        f"{function.name}: {name}"
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for name, types in _bound(function).items()
        if len(types) > 1
    ]


def _bound(function: ast.AST) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for handler in _handlers(function):
        if handler.name is not None and handler.type is not None:
            found.setdefault(handler.name, set()).add(ast.unparse(handler.type))
    return found


def _handlers(function: ast.AST) -> Iterator[ast.ExceptHandler]:
    return (node for node in ast.walk(function) if isinstance(node, ast.ExceptHandler))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_name_has_exceptions_of_two_types(path: Path) -> None:
    """The type checker lets it pass, and compiled code raises TypeError for the second one."""
    assert names_of_two_types(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_the_rule_sees_what_it_is_for() -> None:
    code = "def f():\n try: g()\n except A as e: h(e)\n try: g()\n except B as e: h(e)\n"
    assert names_of_two_types(ast.parse(code)) == ["f: e"]
    assert names_of_two_types(ast.parse(code.replace("B as e", "A as e"))) == []


def test_a_run_on_what_is_compiled_is_refused_on_the_sources(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", __file__, "-o", "pythonpath=operator ."],
        cwd=ROOT,
        env={**os.environ, VARIABLE: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, "not compiled: hookgate.receiver.answers" in run.stderr) == (4, True)


def test_a_module_that_is_not_compiled_is_noticed() -> None:
    assert interpreted(["hookgate/receiver/process.py"]) == ["hookgate.receiver.process"]


@pytest.mark.parametrize("variables", [environment(), {"PYTHONPATH": str(SOURCE)}], ids=["receiver", "serve"])
def test_processes_that_tests_start_import_what_the_tests_import(variables: dict[str, str]) -> None:
    """Else a run on what is compiled would try sources in every process of its own."""
    code = "from hookgate.receiver import calls; print(calls.__file__)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == calls.__file__

"""The modules that are compiled: all there, and without what compiled code would understand in another way."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import ROOT

MODULES = [ROOT / "operator" / name for name in re.findall(r"hookgate/\S+\.py", (ROOT / ".ci" / "compile").read_text())]


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

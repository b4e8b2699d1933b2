"""The table of attacks names tests that exist: a row without one would be a promise."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "operator" / "HARDENING.md"
_NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def missing(text: str) -> list[str]:
    """Return the tests that a table names and that are not there, and the rows that name none."""
    wrong = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 3 or cells[0] in {"attack", "---"} or cells[0].startswith("**"):
            continue
        named = _NAMED.fullmatch(cells[2])
        if named is None:
            wrong.append(f"{cells[0]}: names no test")
        elif named[2] not in _tests(ROOT / "tests" / named[1]):
            wrong.append(f"{cells[0]}: {named[1]} has no {named[2]}")
    return wrong


def _tests(file: Path) -> set[str]:
    if not file.is_file():
        return set()
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_attack_has_its_test() -> None:
    text = TABLE.read_text()
    assert missing(text) == []
    assert len(_NAMED.findall(text)) > 40


@pytest.mark.parametrize(
    "row",
    [
        "| an attack | an outcome | `receiver/test_edge.py::test_that_nobody_wrote` |",
        "| an attack | an outcome | `receiver/test_nowhere.py::test_a` |",
        "| an attack | an outcome | it is obvious |",
    ],
)
def test_a_row_without_a_test_is_noticed(row: str) -> None:
    assert len(missing(f"| attack | outcome | test |\n|---|---|---|\n{row}\n")) == 1

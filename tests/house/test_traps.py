"""Every known mistake has tests, and they are where the table says."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.house.traps import RECEIVER, SCHEMES

TESTS = Path(__file__).parents[1]
#: How many mistakes are known, of either kind: a line that is dropped has to be dropped here, too.
KNOWN = (19, 27)


@cache
def names_in(file: str) -> frozenset[str]:
    """The tests that pytest collects from a file below ``tests``; none if there is no such file."""
    path = TESTS / file
    if not path.is_file():
        return frozenset()
    found = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    functions = (each for each in found if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(each.name for each in functions if each.name.startswith("test_"))


def missing(tests: tuple[str, ...]) -> list[str]:
    """Those that do not exist."""
    return [test for test in tests if test.partition("::")[2] not in names_in(test.partition("::")[0])]


@pytest.mark.parametrize("trap", [*SCHEMES, *RECEIVER])
def test_a_mistake_has_tests_that_exist(trap: str) -> None:
    named = SCHEMES.get(trap) or RECEIVER[trap]
    assert named
    assert missing(named) == []


def test_all_known_mistakes_are_in_the_table() -> None:
    assert (len(SCHEMES), len(RECEIVER)) == KNOWN


def test_a_test_that_is_gone_is_noticed() -> None:
    here = "house/test_traps.py"
    assert missing((f"{here}::test_a_test_that_is_gone_is_noticed",)) == []
    gone = (f"{here}::test_that_was_renamed", "house/test_gone.py::test_a", f"{here}::missing")
    assert missing(gone) == list(gone)

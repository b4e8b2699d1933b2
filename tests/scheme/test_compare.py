"""Secrets are compared in constant time: the source of the code that judges calls has no other comparison of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hookgate

ROOT = Path(hookgate.__file__).parent
SOURCES = sorted(path for part in ("scheme", "receiver") for path in (ROOT / part).rglob("*.py"))
#: Names that hold key-dependent bytes, or what a sender gave for them.
SECRET = re.compile(r"(^|_)(secrets?|tokens?|mac|hmac|signatures?|credentials?|passwords?|expected|given)(_|$)")
COMPARISONS = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def names_in(operand: ast.expr) -> Iterator[str]:
    """The names whose values an operand is made of; what a function or a method is called does not count."""
    if isinstance(operand, ast.Name):
        yield operand.id
    elif isinstance(operand, ast.Attribute):
        yield operand.attr
    elif isinstance(operand, ast.Subscript):
        yield from names_in(operand.value)
    elif isinstance(operand, ast.Call) and isinstance(operand.func, ast.Attribute):
        yield from names_in(operand.func.value)


def early_comparisons(tree: ast.AST) -> list[int]:
    """Lines that compare something named like a secret with ==, !=, in or not in."""
    compares = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    return [
        node.lineno
        for node in compares
        if any(isinstance(op, COMPARISONS) for op in node.ops)
        and any(SECRET.search(name) for side in (node.left, *node.comparators) for name in names_in(side))
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_secret_is_compared_with_an_operator(path: Path) -> None:
    assert early_comparisons(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code", ["a.secret == b", "x != expected_mac", "token in known", "given[0] == y", "hmac.digest(k, m, 'x') == z"]
)
def test_the_rule_sees_what_it_is_for(code: str) -> None:
    assert early_comparisons(ast.parse(code)) == [1]


def test_every_match_of_a_key_uses_compare_digest() -> None:
    source = (ROOT / "scheme" / "verify.py").read_text(encoding="utf-8")
    assert source.count("hmac.compare_digest(") == 3

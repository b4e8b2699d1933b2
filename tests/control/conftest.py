"""What the tests of reconciliation share: a stage, and the flag that rewrites golden files."""

from __future__ import annotations

import pytest

from tests.control.stage import Stage


def pytest_addoption(parser: pytest.Parser) -> None:
    """``pytest tests/control --update-golden`` writes what the operator does now into tests/golden."""
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected halves of tests/golden")


@pytest.fixture
def stage() -> Stage:
    """An empty stage where an Ingress host is offered and two receivers are ready."""
    return Stage()

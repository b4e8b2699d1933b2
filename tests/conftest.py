"""What every test of the project shares; fixtures of one area live in that area's own conftest."""

from __future__ import annotations

from tests.compiled import pytest_sessionstart
from tests.noskip import pytest_make_collect_report, pytest_runtest_makereport

__all__ = [
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "pytest_sessionstart",
]

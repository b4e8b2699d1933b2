"""With HOOKGATE_REQUIRE_CLUSTER=1 no test may be skipped: a skip becomes a failure that repeats the skip's reason.

On a laptop a missing control plane may shorten the run; where the result is believed, it may not. The reports are
changed where they are made, so that every reporter, and every worker of a parallel run, tells the same. Expected
failures (xfail) are outcomes, not skips, and stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

VARIABLE = "HOOKGATE_REQUIRE_CLUSTER"


def skips_fail() -> bool:
    """Tell whether this run refuses skips."""
    return os.environ.get(VARIABLE) == "1"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one."""
    report = yield
    if skips_fail() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = _explain(report.nodeid, report.longrepr)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a module skipped at import into a failed one."""
    report = yield
    if skips_fail() and report.skipped:
        report.outcome = "failed"
        report.longrepr = _explain(report.nodeid, report.longrepr)
    return report


def _explain(name: str, reason: object) -> str:
    text = reason[2] if isinstance(reason, tuple) else reason
    return f"{name} was skipped, and {VARIABLE}=1 allows no skip. {text}"

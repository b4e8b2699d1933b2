"""A small part of the fault suites, for every change: `make faults` runs all, and RESULTS.md tells what came of it."""

from __future__ import annotations

import pytest

from tests.faults.cases import Scope
from tests.faults.stand import Stand
from tests.faults.suites import Suite, suite_of

#: What takes the longest is left to the long run.
QUICK = ("P1", "P3", "P4", "P7", "P9", "P12", "P14", "P17", "P18")


@pytest.mark.parametrize("suite", [suite_of(name) for name in QUICK], ids=QUICK)
def test_a_part_of_the_suite_finds_nothing(faults: Stand, suite: Suite) -> None:
    faults.clean()
    cases = list(suite.run(faults, Scope(quick=True)))
    assert [f"{case.property} {case.name}: {case.wrong}" for case in cases if case.wrong] == []
    assert cases


def test_every_status_seen_until_now_kept_the_rules(faults: Stand) -> None:
    """P11: every version of every endpoint's status, as a watch beside the proxy told it."""
    assert faults.recorder.wrong == []
    assert faults.recorder.versions > 0

"""The fault suites in full."""

from __future__ import annotations

import pytest

from tests.faults.cases import Scope
from tests.faults.stand import Stand
from tests.faults.suites import SUITES, Suite

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: "-".join(suite.properties))
def test_the_suite_finds_nothing(faults: Stand, suite: Suite) -> None:
    faults.clean()
    cases = list(suite.run(faults, Scope()))
    assert [f"{case.property} {case.name}: {case.wrong}" for case in cases if case.wrong] == []
    assert cases

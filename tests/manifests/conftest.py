"""Without kubectl and helm nothing can be rendered: these tests are skipped then, or fail where nothing may be."""

from __future__ import annotations

import pytest

from tests.cluster.binaries import Unavailable
from tests.cluster.fixtures import refuse
from tests.manifests.chart import program
from tests.manifests.render import kubectl


@pytest.fixture(scope="session", autouse=True)
def _tools(pytestconfig: pytest.Config) -> None:
    try:
        kubectl()
        program()
    except Unavailable as reason:
        refuse(pytestconfig, str(reason))

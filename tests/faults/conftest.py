"""One test stand for all fault tests of a pytest process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.binaries import Unavailable
from tests.cluster.fixtures import refuse
from tests.faults.stand import Stand, stand


@pytest.fixture(scope="session")
def faults(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A real control plane, the proxy, a receiver, and operators as they are needed."""
    try:
        made = stand(tmp_path_factory.mktemp("faults") / "stand")
        with made as found:
            yield found
    except Unavailable as reason:
        refuse(pytestconfig, str(reason))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on the stand are marked `cluster`."""
    for item in items:
        if "faults" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)

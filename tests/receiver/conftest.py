"""One receiver for all tests that need no settings of their own; each test brings its own endpoints."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.receiver.rig import House, bounds, settings


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """A running receiver and target."""
    with House(settings(bounds=bounds(head_seconds=60))).running() as running:
        yield running

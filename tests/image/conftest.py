"""Fixtures: the image, built from the sources as they are, and a container of it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cluster.binaries import Unavailable
from tests.cluster.fixtures import aloud
from tests.image.build import NAME, Builder, build


@pytest.fixture(scope="session")
def image(pytestconfig: pytest.Config) -> Builder:
    """The builder that has it. Without root or tools the tests are skipped, or fail where nothing may be skipped."""
    try:
        return build(say=aloud(pytestconfig))
    except Unavailable as reason:
        if os.environ.get("HOOKGATE_REQUIRE_CLUSTER") == "1":
            pytest.fail(f"HOOKGATE_REQUIRE_CLUSTER=1, but there is no image: {reason}", pytrace=False)
        aloud(pytestconfig)(f"hookgate tests: SKIPPING all tests of the image: {reason}")
        pytest.skip(str(reason))


@pytest.fixture
def container(image: Builder) -> Iterator[str]:
    """A container of the image, of this test alone."""
    name = image.run("from", "--pull-never", NAME).stdout.strip()
    yield name
    image.run("rm", name)

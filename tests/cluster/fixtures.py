"""Fixtures for tests against a real Kubernetes API server: `control_plane`, `process_control`, `namespace`.

One control plane per pytest process, also where several run the tests at once. Sharing one among them was left out on
purpose: a test may stop the API server, which must not happen under somebody else's test, and another control plane
costs three seconds.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from tests.cluster import binaries
from tests.cluster.cluster import Cluster, ExistingCluster
from tests.cluster.controlplane import ControlPlane


def aloud(config: pytest.Config) -> Callable[[str], None]:
    """Prints a line on the real stderr, through pytest's capturing."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            print(f"\n{line}", file=sys.stderr, flush=True)

    return say


def refuse(config: pytest.Config, reason: str) -> NoReturn:
    """Skips with one loud line; where HOOKGATE_REQUIRE_CLUSTER=1 promises a cluster, fails instead."""
    if os.environ.get("HOOKGATE_REQUIRE_CLUSTER") == "1":
        pytest.fail(f"HOOKGATE_REQUIRE_CLUSTER=1, but there is no Kubernetes API server: {reason}", pytrace=False)
    aloud(config)(f"hookgate tests: SKIPPING all tests that need a Kubernetes API server: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Kubernetes API server with full rights on it: the tests' own, or with HOOKGATE_TEST_USE_CLUSTER=1 yours."""
    folder = tmp_path_factory.mktemp("cluster")
    existing = os.environ.get("HOOKGATE_TEST_USE_CLUSTER") == "1"
    if existing and not os.environ.get("KUBECONFIG"):
        pytest.fail("HOOKGATE_TEST_USE_CLUSTER=1 needs KUBECONFIG to name the cluster", pytrace=False)
    cluster: Cluster
    try:
        cluster = (
            ExistingCluster(folder)
            if existing
            else ControlPlane(folder, binaries=binaries.locate(say=aloud(pytestconfig)))
        )
    except binaries.Unavailable as reason:
        refuse(pytestconfig, str(reason))
    with cluster if isinstance(cluster, ControlPlane) else contextlib.nullcontext():
        yield cluster


@pytest.fixture(scope="session")
def process_control(control_plane: Cluster) -> ControlPlane:
    """The control plane, for tests that stop, pause or look into its processes."""
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("stops or looks into the API server: not done to the cluster that KUBECONFIG names")
    return control_plane


@pytest.fixture
def namespace(control_plane: Cluster) -> Iterator[str]:
    """A namespace of this test alone. Its deletion is asked for and not waited for."""
    name = f"test-{secrets.token_hex(5)}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.restore()
    control_plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture(autouse=True)
def _cluster_restored(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test leaves the shared control plane paused or stopped for the next one."""
    yield
    if "control_plane" in request.fixturenames:
        cluster: Cluster = request.getfixturevalue("control_plane")
        cluster.restore()


@pytest.fixture(scope="session")
def gateway_crds(pytestconfig: pytest.Config, control_plane: Cluster) -> list[str]:
    """The Gateway API's standard kinds, installed; the names of their CustomResourceDefinitions."""
    try:
        folder = binaries.gateway_crds(say=aloud(pytestconfig))
    except binaries.Unavailable as reason:
        refuse(pytestconfig, str(reason))
    return control_plane.install_crds(folder)

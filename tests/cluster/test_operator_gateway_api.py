"""An operator in a cluster that has no Gateway API at first: it is told, and what is installed later is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import binaries
from tests.cluster.controlplane import ControlPlane
from tests.cluster.fixtures import aloud, refuse
from tests.cluster.plane import GATEWAY_HOST, Plane, audited, configuration, installed
from tests.cluster.processes import free_port
from tests.cluster.target import Target
from tests.cluster.team import Team

NAMESPACE = "test-gateway-api"


def test_a_gateway_api_that_is_installed_later_is_found(
    pytestconfig: pytest.Config, tmp_path: Path, target: Target
) -> None:
    """Until then the endpoint says what cannot be made; then the process ends in order, and the next one makes it."""
    try:
        found, gateway = binaries.locate(say=aloud(pytestconfig)), binaries.gateway_crds(say=aloud(pytestconfig))
    except binaries.Unavailable as reason:
        refuse(pytestconfig, str(reason))
    with ControlPlane(tmp_path, binaries=found, apiserver_flags=audited(tmp_path)) as cluster:
        installed(cluster)
        ports = [free_port() for _ in range(3)]
        options = ("--resync", "3")
        plane = Plane(tmp_path, cluster, configuration(target.url, [ports[1]]), ports, options)
        try:
            plane.start()
            plane.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
            team = Team(plane, target, NAMESPACE)
            team.create("push", exposure={"host": GATEWAY_HOST})
            said = team.until("push", "Ready", "False", "WriteRefused")
            assert "HTTPRoute" in str(said["status"]["conditions"])
            cluster.install_crds(gateway)
            assert plane.operator.exit_code() == 0
            assert "the cluster now has HTTPRoutes" in plane.operator_log()
            plane.start()
            team.ready("push", "Active")
        finally:
            plane.stop()

"""Brings the cluster fixtures into this folder and marks the tests that use them."""

from __future__ import annotations

import pytest

from tests.cluster.fixtures import _cluster_restored, control_plane, gateway_crds, namespace, process_control

__all__ = ["_cluster_restored", "control_plane", "gateway_crds", "namespace", "process_control"]


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker, for runs that do not read pyproject.toml."""
    config.addinivalue_line("markers", "cluster: needs a real Kubernetes API server")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every test that uses the control plane is marked `cluster`, and kept in one xdist worker if that may be."""
    for item in items:
        if "control_plane" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)
            if config.pluginmanager.hasplugin("xdist"):
                item.add_marker(pytest.mark.xdist_group("cluster"))

"""Brings the cluster fixtures into this folder and marks the tests that use them."""

from __future__ import annotations

import pytest

from tests.cluster.fixtures import _cluster_restored, control_plane, gateway_crds, namespace, process_control
from tests.cluster.operated import operated, plane, standby, target, team, teams

__all__ = [
    "_cluster_restored",
    "control_plane",
    "gateway_crds",
    "namespace",
    "operated",
    "plane",
    "process_control",
    "standby",
    "target",
    "team",
    "teams",
]

#: Fixtures that start a control plane, with the xdist group of the tests that share it.
_GROUPS = {"control_plane": "cluster", "operated": "operator", "tenants": "tenants"}


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker, for runs that do not read pyproject.toml."""
    config.addinivalue_line("markers", "cluster: needs a real Kubernetes API server")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every test that uses a control plane is marked `cluster`, and kept with its like in one xdist worker."""
    for item in items:
        for group in (_GROUPS[name] for name in getattr(item, "fixturenames", ()) if name in _GROUPS):
            item.add_marker(pytest.mark.cluster)
            if config.pluginmanager.hasplugin("xdist"):
                item.add_marker(pytest.mark.xdist_group(group))

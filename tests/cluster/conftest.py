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

#: Fixtures that start a control plane.
_STARTING = frozenset({"control_plane", "operated", "tenants"})


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker, for runs that do not read pyproject.toml."""
    config.addinivalue_line("markers", "cluster: needs a real Kubernetes API server")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that uses a control plane is marked `cluster`."""
    for item in items:
        if _STARTING.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)

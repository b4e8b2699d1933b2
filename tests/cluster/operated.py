"""Fixtures for tests of Hookgate itself on a real API server: `plane`, `team`, `teams`, `target`.

One installation per pytest process, on a control plane of its own: it keeps an audit log, and an operator for the whole
cluster would act on the objects of every other test.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.cluster import binaries
from tests.cluster.controlplane import ControlPlane
from tests.cluster.fixtures import aloud, refuse
from tests.cluster.plane import SYSTEM, Plane, Program, audited, configuration, installed, probe
from tests.cluster.processes import free_port
from tests.cluster.target import Target
from tests.cluster.team import Object, Team
from tests.control.kstatus import violations

Standby = Callable[..., tuple[Program, int]]


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    """The teams' service."""
    with Target() as serving:
        yield serving


@pytest.fixture(scope="session")
def operated(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, target: Target) -> Iterator[Plane]:
    """An API server with the kustomize base, and operator and receiver running with the rights that it gives."""
    folder = tmp_path_factory.mktemp("operated")
    try:
        found = binaries.locate(say=aloud(pytestconfig))
        gateway = binaries.gateway_crds(say=aloud(pytestconfig))
    except binaries.Unavailable as reason:
        refuse(pytestconfig, str(reason))
    with ControlPlane(folder, binaries=found, apiserver_flags=audited(folder)) as cluster:
        cluster.install_crds(gateway)
        installed(cluster)
        ports = [free_port() for _ in range(3)]
        plane = Plane(folder, cluster, configuration(target.url, [ports[1]]), ports)
        try:
            plane.start()
            yield plane
        finally:
            plane.stop()


@pytest.fixture
def plane(operated: Plane) -> Iterator[Plane]:
    """The installation; whatever a test did to its processes and configuration is undone afterwards.

    Every version of every endpoint that a watch was told of meanwhile is held to the rules of kstatus.
    """
    seen = len(operated.history.versions)
    yield operated
    operated.restore()
    told = operated.history.versions[seen:]
    wrong = [(each["metadata"]["name"], fault) for each in told for fault in faults_of(each)]
    assert wrong == [], "a status that kstatus would misread was shown, if only for a moment"


def faults_of(endpoint: Object) -> list[str]:
    """What tools that wait for objects would misunderstand about a version of an endpoint."""
    status = endpoint.get("status")
    return violations(endpoint["metadata"]["generation"], status) if status else []


@pytest.fixture
def teams(plane: Plane, target: Target) -> Iterator[Callable[[], Team]]:
    """Makes teams, each with a fresh namespace. Their deletion is asked for and not waited for."""
    names: list[str] = []

    def make() -> Team:
        name = f"test-{secrets.token_hex(5)}"
        plane.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        names.append(name)
        return Team(plane, target, name)

    yield make
    plane.restore()
    for name in names:
        plane.admin.delete("Namespace", None, name)


@pytest.fixture
def team(teams: Callable[[], Team]) -> Team:
    """One team."""
    return teams()


@pytest.fixture
def standby(plane: Plane) -> Iterator[Standby]:
    """Starts another operator and waits until it is ready: the process, and the port of its probes."""
    started: list[Program] = []

    def start(*options: str) -> tuple[Program, int]:
        port = free_port()
        kubeconfig = plane.cluster.kubeconfig_for(SYSTEM, "hookgate-operator")
        program = plane.operator_with(f"standby-{len(started)}", plane.config_file, kubeconfig, port, options)
        program.log.unlink(missing_ok=True)
        program.start()
        started.append(program)
        plane.wait(lambda: probe(port, "/readyz") == 200, "the other operator to be ready")
        return program, port

    yield start
    for program in started:
        program.stop()

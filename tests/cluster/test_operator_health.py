"""The probes of a real operator in which something is stuck that no failure of the API server explains."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.cluster.plane import SYSTEM, Plane, Program, probe
from tests.cluster.processes import free_port
from tests.cluster.team import Team

# Ten minutes are too long for a test, and nothing in an operator is known to get stuck: both are put in.
_STUCK = """
import asyncio, sys
from hookgate.cli.main import main
from hookgate.control import health
from hookgate.control.caches import Caches
from hookgate.control.queue import Queue
from hookgate.control.reconcile import Reconciler
from hookgate.kube.reflector import Reflector

async def stuck(*_):
    await asyncio.Event().wait()

def never(*_):
    return 0.0

health.STILL = 2.0
if sys.argv.pop(1) == "worker":
    Reconciler.reconcile, Caches.still = stuck, never
else:
    Reflector._watch, Queue.longest = stuck, property(never)
sys.exit(main())
"""


@pytest.fixture
def stuck(plane: Plane, request: pytest.FixtureRequest) -> Iterator[tuple[Program, int]]:
    """An operator in which a part is stuck: the process, and the port of its probes."""
    plane.operator.end(signal.SIGTERM)
    port = free_port()
    kubeconfig = plane.cluster.kubeconfig_for(SYSTEM, "hookgate-operator")
    options = ("--config", plane.config_file, "--kubeconfig", kubeconfig, "--health", f"127.0.0.1:{port}")
    program = plane.program(f"stuck-{request.param}", "-c", _STUCK, request.param, "operator", *options)
    program.start()
    yield program, port
    program.stop(kill=True)


@pytest.mark.parametrize("stuck", ["worker", "watch"], indirect=True)
def test_an_operator_with_a_stuck_part_is_told_dead(plane: Plane, team: Team, stuck: tuple[Program, int]) -> None:
    """Although it runs, and its caches are full."""
    program, port = stuck
    plane.wait(lambda: probe(port, "/readyz") == 200, "the operator to be ready")
    team.create("push")
    plane.wait(lambda: probe(port, "/livez") == 503, "the operator to be told dead")
    assert program.running

"""A fresh control plane with the operator and one receiver as they ship, for one size.

As few programs as possible share the machine with the operator: no controller manager, no gateway, no target. Both run
as `hookgate operator` and `hookgate receiver`, with the rights of the kustomize base.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from hookgate.kube.api import Api
from tests.bench.operator.audit import AuditLog
from tests.bench.operator.process import Usage, usage
from tests.cluster.binaries import locate
from tests.cluster.controlplane import ControlPlane
from tests.cluster.plane import HOST, OPERATOR_USER, ROOT, SYSTEM, Program, audited
from tests.cluster.processes import NotReadyError, Watchdog, free_port, wait_until

_PER_NAMESPACE = 100
_CLI: tuple[object, ...] = ("-m", "hookgate")
#: The same command line; writes the profile to the file named first when it ends.
_PROFILED = """
import cProfile, sys, time
from hookgate.cli.main import main
path, *arguments = sys.argv[1:]
profile = cProfile.Profile(time.process_time)  # waiting for others is no cost of its own
try:
    sys.exit(profile.runcall(main, arguments))
finally:
    profile.dump_stats(path)
"""
_WORKING = "working on "


class Installation:
    """The processes under measurement."""

    def __init__(self, folder: Path, cluster: ControlPlane, profile: Path | None) -> None:
        self.cluster = cluster
        self.folder = folder
        self.discovered = folder / "discovery.json"
        self._watchdog = Watchdog()
        public, private, health = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.receiver_url, self._receiver_probe = f"http://{public}", f"http://{private}/readyz"
        self._operator_probe = f"http://{health}/readyz"
        config = folder / "hookgate.yaml"
        config.write_text(yaml.safe_dump(configuration(private)))
        self.kubeconfig = str(cluster.kubeconfig_for(SYSTEM, "hookgate-operator"))
        as_receiver = str(cluster.kubeconfig_for(SYSTEM, "hookgate-receiver"))
        self.operator = self._program(
            "operator",
            *(("-c", _PROFILED, profile) if profile else _CLI),
            *("operator", "--config", config, "--kubeconfig", self.kubeconfig, "--health", health),
            # Two processors for everything: what is measured must not end because an answer took ten seconds.
            *("--lease-duration", 120),
        )
        self.receiver = self._program(
            "receiver",
            *_CLI,
            *("receiver", "--listen", public, "--private-listen", private, "--kubeconfig", as_receiver),
        )
        self.audit = AuditLog(folder / "audit.log", OPERATOR_USER)

    def _program(self, name: str, *arguments: object) -> Program:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT / "operator"),
        }
        command = [sys.executable, *map(str, arguments)]
        log = self.folder / f"{name}.log"
        return Program(name, command, log=log, environment=environment, watchdog=self._watchdog)

    def start_receiver(self) -> None:
        """Start it and wait until it is ready."""
        self.receiver.start()
        wait_until(lambda: _answers(self._receiver_probe), "the receiver to be ready", needs=[self.receiver])

    def start_operator(self) -> float:
        """Start it; return the seconds until it worked, with full caches and as the leader."""
        before, began = self._worked(), time.monotonic()
        self.operator.start()
        works = lambda: self._worked() > before  # noqa: E731 -- a wait's condition
        wait_until(works, "the operator to work", seconds=120, needs=[self.operator])
        took = time.monotonic() - began
        wait_until(lambda: _answers(self._operator_probe), "the operator to be ready", needs=[self.operator])
        return took

    def alive(self) -> None:
        """Raise `NotReadyError` where the operator has ended, with its last words."""
        if not self.operator.running:
            raise NotReadyError(f"the operator ended meanwhile\n{self.operator.last_lines()}")

    def stop(self) -> None:
        """End both."""
        for program in (self.operator, self.receiver):
            program.stop(kill=True)
        self._watchdog.close()

    def usage(self) -> Usage:
        """What the operator has used since its start."""
        return usage(self.operator.pid)

    async def administrator(self) -> Api:
        """A client with full rights."""
        return await Api.connect(kubeconfig=str(self.cluster.admin_kubeconfig), light=True)

    async def as_operator(self) -> Api:
        """A client with the operator's rights, and its place in the API server's fair queues."""
        return await Api.connect(kubeconfig=self.kubeconfig, light=True)

    def _worked(self) -> int:
        """How often operators have said that they work."""
        log = self.operator.log
        return log.read_text(errors="replace").count(_WORKING) if log.exists() else 0


@contextmanager
def installed(folder: Path, *, profile: Path | None) -> Iterator[Installation]:
    """Start everything but the operator; stop everything afterwards. Raises `binaries.Unavailable`."""
    folder.mkdir(parents=True, exist_ok=True)
    with ControlPlane(folder, binaries=locate(), controller_manager=False, apiserver_flags=audited(folder)) as cluster:
        kubectl = str(cluster.binaries.path("kubectl"))
        base = subprocess.run([kubectl, "kustomize", str(ROOT / "manifests" / "base")], capture_output=True, check=True)
        cluster.apply(base.stdout.decode())
        cluster.install_crds(ROOT / "crds")
        installation = Installation(folder, cluster, profile)
        try:
            installation.start_receiver()
            yield installation
        finally:
            installation.stop()


def namespace_of(index: int) -> str:
    """Where the endpoint number ``index`` lives: so many to a namespace, as teams have them."""
    return f"team-{index // _PER_NAMESPACE}"


def namespaces(count: int) -> list[str]:
    """The namespaces of ``count`` endpoints."""
    return list(dict.fromkeys(namespace_of(i) for i in range(count)))


def configuration(receiver: str) -> dict[str, object]:
    """The hookgate.yaml of the bench, for one receiver at ``receiver``."""
    return {
        "apiVersion": "config.hookgate.dev/v1alpha1",
        "kind": "HookgateConfiguration",
        "hosts": [{"name": HOST, "namespaces": ["team-*"], "exposure": "ingress", "className": "contour"}],
        "limits": {"maxEndpointsPerNamespace": _PER_NAMESPACE},
        "receiver": {"addresses": [f"http://{receiver}"]},
    }


def _answers(probe: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(probe, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

"""Hookgate itself under test: operator and receiver as processes of their own, with no more rights than manifests give.

`Plane` starts a control plane, applies the kustomize base as shipped, and runs both processes under the service
accounts of that base. Everything that either of them writes to the API server is counted by the server's own audit log.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from tests.cluster.controlplane import ControlPlane
from tests.cluster.gateway import Gateway, accept
from tests.cluster.history import History
from tests.cluster.processes import Server, Watchdog, free_port, wait_until
from tests.cluster.rest import Rest

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = "hookgate-system"
BINDINGS = "hookgate-bindings"
_TAIL = 65_536
OPERATOR_USER = f"system:serviceaccount:{SYSTEM}:hookgate-operator"
RECEIVER_USER = f"system:serviceaccount:{SYSTEM}:hookgate-receiver"

#: One host for each way of exposing, for every test's namespace, and one that is for nobody here.
HOST, GATEWAY_HOST, BARE_HOST, FOREIGN_HOST = (
    f"{name}.example.com" for name in ("hooks", "gateway", "bare", "somebody-elses")
)

# A pod's receiver calls neither its own host nor the API server's; here the targets are on both. Everything else is the
# command line as shipped.
_RECEIVER = """
import sys
from functools import partial
from hookgate.cli import main, receiver
from hookgate.receiver import kube_server
async def nowhere(_api, _host, _judge, tried): tried.set()
kube_server.keep_out = nowhere
receiver.ReceiverSettings = partial(receiver.ReceiverSettings, loopback_targets=True)
sys.exit(main.main())
"""
# A container's user is a number that no file knows a name for.
_OPERATOR = """
import pwd, sys
from hookgate.cli import main
def nobody(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")
pwd.getpwuid = nobody
sys.exit(main.main())
"""
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata", "users": [OPERATOR_USER, RECEIVER_USER]}, {"level": "None"}],
}
_READS = ("get", "list", "watch")
#: What the operator logs when it leads, with full caches, and of the configuration that it goes by.
_WORKING, _IN_FORCE = "working on ", re.compile("configuration ([0-9a-f]{12}) in force")
_END_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One request that asked for a change, as the API server's audit log tells it; ``status`` is the HTTP answer."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    status: int


class Program(Server):
    """A server of the harness that can also be ended by a chosen signal and tells how it ended."""

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code (negative: ended by that signal)."""
        assert self._process is not None, f"{self.name} does not run"
        self._process.send_signal(number)
        code = self._process.wait(_END_SECONDS)
        self._watchdog.forget(self._process.pid)
        self._process = None
        return code

    def exit_code(self, seconds: float = 30.0) -> int:
        """Wait until it ends by itself and return the exit code."""
        assert self._process is not None, f"{self.name} does not run"
        code = self._process.wait(seconds)
        self._watchdog.forget(self._process.pid)
        self._process = None
        return code


class Plane:
    """A whole installation. ``configuration`` is hookgate.yaml as tests find it; ``configure`` changes it.

    ``history`` has every version of every endpoint, a little after it was written. ``gateway`` accepts every route.
    """

    def __init__(
        self,
        folder: Path,
        cluster: ControlPlane,
        configuration: dict[str, Any],
        ports: list[int],
        operator_options: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.cluster = cluster
        self.configuration = configuration
        self._operator_options = operator_options
        self.public, self.private, self.health = ports
        self.config_file = folder / "hookgate.yaml"
        self.admin = Rest(cluster.url, str(cluster.ca_file), cluster.admin_token, keep=True)
        self.history = History(Rest(cluster.url, str(cluster.ca_file), cluster.admin_token))
        self.gateway = Gateway(Rest(cluster.url, str(cluster.ca_file), cluster.admin_token, keep=True), SYSTEM)
        self._watchdog = Watchdog()
        self._audit_log = cluster.folder / "audit.log"
        self.configure(configuration)
        self.history.start()
        operator = cluster.kubeconfig_for(SYSTEM, "hookgate-operator")
        receiver = cluster.kubeconfig_for(SYSTEM, "hookgate-receiver")
        self.operator = self.operator_with("operator", self.config_file, operator, self.health)
        self.receiver = self.program(
            "receiver",
            *("-c", _RECEIVER, "receiver", "--kubeconfig", receiver, "--drain-delay", "0"),
            *("--listen", f"127.0.0.1:{self.public}", "--private-listen", f"127.0.0.1:{self.private}"),
        )

    def operator_with(
        self,
        name: str,
        config: Path,
        kubeconfig: Path,
        port: int | None = None,
        more: tuple[str, ...] = (),
        *,
        environment: Mapping[str, str] | None = None,
    ) -> Program:
        """An operator, not yet started; its log is ``name``.log."""
        health = f"127.0.0.1:{port or free_port()}"
        options = ("--config", config, "--kubeconfig", kubeconfig, "--health", health, *self._operator_options, *more)
        return self.program(name, "-c", _OPERATOR, "operator", *options, environment=environment)

    def program(self, name: str, *arguments: object, environment: Mapping[str, str] | None = None) -> Program:
        """A Python process that knows the package, not yet started; its log is ``name``.log."""
        whole = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT / "operator"),
            "PYTHONUNBUFFERED": "1",
            **(environment or {}),
        }
        command = [sys.executable, *map(str, arguments)]
        log = self.folder / f"{name}.log"
        return Program(name, command, log=log, environment=whole, watchdog=self._watchdog)

    # Life -----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start what does not run, and wait until it is ready and works."""
        if not self.receiver.running:
            self.receiver.start()
        if not self.operator.running:
            before = self.operator_log().count(_WORKING)
            self.launch_operator()
            working = lambda: self.operator_log().count(_WORKING) > before  # noqa: E731 -- a wait's condition
            wait_until(working, "the operator to lead and work", needs=[self.operator])
        wait_until(self.operator_ready, "the operator to be ready", needs=[self.operator])
        wait_until(self.receiver_ready, "the receiver to be ready", needs=[self.receiver])

    def launch_operator(self) -> None:
        """Start the operator and do not wait for anything."""
        # A killed leader's lease runs out in a quarter of a minute: what the wait is like is not tested here.
        self.admin.delete("Lease", SYSTEM, "hookgate-operator")
        self.operator.start()

    def stop(self) -> None:
        """End both."""
        self.history.stop()
        self.gateway.stop()
        self.admin.close()
        for program in (self.operator, self.receiver):
            program.stop(kill=True)
        self._watchdog.close()

    def restore(self) -> None:
        """Undo what a test did to processes and configuration."""
        self.gateway.says = accept
        self.cluster.restore()
        self.configure(self.configuration)
        self.start()
        self._until_in_force()

    def restart_operator(self, number: signal.Signals) -> int:
        """End the operator by a signal, start it again, wait until it is ready; the exit code of the one that ended."""
        code = self.operator.end(number)
        self.start()
        return code

    def operator_ready(self) -> bool:
        """Whether the operator's probe says so."""
        return self.operator.running and probe(self.health, "/readyz") == 200

    def probe_operator(self, path: str) -> int:
        """The status of one of the operator's probes, 0 where nobody answers."""
        return probe(self.health, path)

    def receiver_ready(self) -> bool:
        """Whether the receiver's probe says so."""
        return self.receiver.running and self.probe_receiver("/readyz") == 200

    def probe_receiver(self, path: str) -> int:
        """The status of one of the receiver's probes, 0 where nobody answers."""
        return probe(self.private, path)

    # Configuration --------------------------------------------------------------------------------------------------

    def configure(self, configuration: dict[str, Any] | str) -> None:
        """Replace hookgate.yaml as a mounted ConfigMap does: at once, never half of it."""
        text = configuration if isinstance(configuration, str) else yaml.safe_dump(configuration)
        fresh = self.config_file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.config_file)

    def with_hosts(self, *names: str) -> dict[str, Any]:
        """The usual configuration with these of its hosts only."""
        return {**self.configuration, "hosts": [h for h in self.configuration["hosts"] if h["name"] in names]}

    def reload(self, configuration: dict[str, Any] | str) -> None:
        """Replace hookgate.yaml and wait until the operator took it in and woke every endpoint."""
        self.configure(configuration)
        self._until_in_force()

    def _until_in_force(self) -> None:
        wanted = hashlib.sha256(self.config_file.read_bytes()).hexdigest()[:12]
        in_force = lambda: _IN_FORCE.findall(self.operator_log())[-1:] == [wanted]  # noqa: E731 -- a wait's condition
        self.wait(in_force, "the configuration to be in force")

    # What is seen ---------------------------------------------------------------------------------------------------

    def operator_log(self) -> str:
        """Everything that operators wrote so far."""
        return self.operator.log.read_text(errors="replace") if self.operator.log.exists() else ""

    def receiver_log(self) -> str:
        """Everything that receivers wrote so far."""
        return self.receiver.log.read_text(errors="replace") if self.receiver.log.exists() else ""

    def mark(self) -> int:
        """A place in the audit log, for `writes`: the beginning of a line."""
        with self._audit_log.open("rb") as log:
            return _whole_lines(log, 0)

    def writes(self, since: int) -> list[Write]:
        """Every change that operator or receiver asked the API server for since a `mark`, done or refused.

        Without renewals of the Lease that tells who leads.
        """
        told = map(_write, self.requests(since))
        return [each for each in told if each.verb not in _READS and each.resource != "leases"]

    def requests(self, since: int) -> list[dict[str, Any]]:
        """Every request since a `mark`, as the audit log tells it."""
        with self._audit_log.open("rb") as log:
            end = _whole_lines(log, since)
            log.seek(since)
            return [json.loads(line) for line in log.read(end - since).splitlines()]

    def quiet(self, seconds: float = 1.0) -> None:
        """Wait until neither operator nor receiver has written anything for ``seconds``."""
        since, mark = time.monotonic(), self.mark()

        def silent() -> bool:
            nonlocal since, mark
            now = self.mark()
            if self.writes(mark):
                since = time.monotonic()
            mark = now
            return time.monotonic() - since >= seconds

        self.wait(silent, "the operator to have nothing left to write")

    def wait(self, condition: Callable[[], bool], what: str, *, seconds: float = 30.0) -> None:
        """Wait for ``condition`` while both processes live."""
        running = [program for program in (self.operator, self.receiver) if program.running]
        wait_until(condition, what, seconds=seconds, needs=running)


def _whole_lines(log: BinaryIO, since: int) -> int:
    """Return where the last line ends that is there whole; another one may just be written. Not before ``since``."""
    end = log.seek(0, os.SEEK_END)
    while end > since:
        begin = max(since, end - _TAIL)
        log.seek(begin)
        found = log.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return since


def audited(folder: Path) -> list[str]:
    """Flags that make an API server write down, before it answers, what operator and receiver ask it for."""
    policy = folder / "audit-policy.yaml"
    policy.write_text(yaml.safe_dump(_AUDIT_POLICY))
    return [
        f"--audit-policy-file={policy}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--audit-log-mode=blocking",
        "--audit-log-maxsize=1000",
    ]


def installed(cluster: ControlPlane, kustomization: str = "base") -> None:
    """Apply a kustomization as shipped and wait until the new kind is served."""
    command = [str(cluster.binaries.path("kubectl")), "kustomize", str(ROOT / "manifests" / kustomization)]
    cluster.apply(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    cluster.install_crds(ROOT / "crds")
    # The garbage collector learns of new kinds when it starts, or up to half a minute later.
    cluster.restart_controller_manager()


def configuration(target: str, receivers: list[int]) -> dict[str, Any]:
    """The hookgate.yaml of most tests: four hosts, one target, receivers at fixed private ports."""
    mine = ["test-*"]
    return {
        "apiVersion": "config.hookgate.dev/v1alpha1",
        "kind": "HookgateConfiguration",
        "hosts": [
            {"name": HOST, "namespaces": mine, "exposure": "ingress", "className": "contour"},
            {
                "name": GATEWAY_HOST,
                "namespaces": mine,
                "exposure": "gateway",
                "parentRefs": [{"name": "public", "namespace": "gateways"}],
            },
            {"name": BARE_HOST, "namespaces": mine, "exposure": "none"},
            {"name": FOREIGN_HOST, "namespaces": ["somebody-else"], "exposure": "ingress"},
        ],
        "auth": {"allowedTypes": ["hmac", "token", "none"]},
        "targets": {"urls": [{"prefix": target, "namespaces": mine}]},
        "receiver": {"addresses": [f"http://127.0.0.1:{port}" for port in receivers]},
    }


def probe(port: int, path: str) -> int:
    """The status of a probe, 0 where nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code
    except OSError:
        return 0


def _write(told: dict[str, Any]) -> Write:
    about = told.get("objectRef", {})
    return Write(
        user=told["user"]["username"],
        verb=told["verb"],
        resource="/".join(part for part in (about.get("resource", ""), about.get("subresource", "")) if part),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        status=told.get("responseStatus", {}).get("code", 0),
    )

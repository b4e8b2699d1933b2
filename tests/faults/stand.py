"""The test stand: a real control plane, the proxy, a receiver and operators, and whatever a case asks of them."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import binaries
from tests.cluster.controlplane import ControlPlane
from tests.cluster.gateway import Gateway
from tests.cluster.plane import installed
from tests.cluster.processes import Watchdog, free_port
from tests.cluster.rest import Rest
from tests.cluster.target import Target
from tests.faults.asked import BINDINGS, SYSTEM
from tests.faults.operators import Operator, Operators, pause_until
from tests.faults.proxy import Proxy
from tests.faults.recorder import MARKED, Recorder
from tests.faults.team import Team

HOST, GATEWAY_HOST, BARE_HOST = "hooks.example.com", "gateway.example.com", "bare.example.com"
#: How long a case may take to come to its end before it counts as failed, in seconds.
PATIENCE = 60.0
#: How often operators of these tests look at everything again; a missed event is found within twice this.
RESYNC = 2.0


class Stand:
    """Use `stand` to make one. ``operator`` is the one that runs now, if any does."""

    def __init__(self, folder: Path, cluster: ControlPlane, proxy: Proxy, target: Target) -> None:
        self.folder, self.cluster, self.proxy, self.target = folder, cluster, proxy, target
        self._threads = threading.local()
        self.watchdog = Watchdog()
        self.operators = Operators(folder, self.watchdog)
        self.public, self.private, self.health = free_port(), free_port(), 0
        self.config = folder / "hookgate.yaml"
        self.recorder = Recorder(cluster)
        self._gateway = Gateway(Rest(cluster.url, str(cluster.ca_file), cluster.admin_token, keep=True), SYSTEM)
        self._kubeconfigs: dict[str, Path] = {}
        self.operator: Operator | None = None
        self.receiver: Operator | None = None
        #: Whether an operator that ends is started again, as a Deployment does; how often that was, with which resync.
        self.supervised, self.starts, self.resync = False, 0, 300.0
        self._clients = 0
        self.configure()

    @property
    def admin(self) -> Rest:
        """The administrator; a connection of its own for each thread."""
        if not hasattr(self._threads, "admin"):
            self._threads.admin = Rest(self.cluster.url, str(self.cluster.ca_file), self.cluster.admin_token, keep=True)
        found: Rest = self._threads.admin
        return found

    # Processes ------------------------------------------------------------------------------------------------------

    def kubeconfig(self, client: str, account: str) -> Path:
        """A kubeconfig by which ``client`` reaches the API server through the proxy as a service account."""
        if client not in self._kubeconfigs:
            made = self.cluster.kubeconfig_for(SYSTEM, account, server=self.proxy.open_port(client))
            self._kubeconfigs[client] = made.rename(self.folder / f"kubeconfig-{client}")
        return self._kubeconfigs[client]

    def renew_tokens(self) -> None:
        """Make the tokens of all processes invalid, and put new ones where the old ones were."""
        for account in ("hookgate-operator", "hookgate-receiver"):
            path = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts"
            found = self.admin.send("GET", f"{path}/{account}").body
            self.admin.send("DELETE", f"{path}/{account}")
            kept = {key: found["metadata"].get(key) for key in ("name", "namespace", "labels")}
            self.admin.send("POST", path, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": kept})
            token = self.cluster.token_for(SYSTEM, account)
            for client, file in self._kubeconfigs.items():
                if (client == "receiver") == (account == "hookgate-receiver"):
                    document = yaml.safe_load(file.read_text())
                    document["users"][0]["user"]["token"] = token
                    file.write_text(yaml.safe_dump(document))

    def start_operator(
        self,
        *,
        lease: dict[str, float] | None = None,
        resync: float = 300.0,
        client: str | None = None,
        operators: Operators | None = None,
        namespaces: Sequence[str] = (),
    ) -> Operator:
        """Start an operator, of other ``operators`` if need be, through a port of its own, and wait for nothing."""
        if client is None:
            self._clients = (self._clients + 1) % 8
            client = f"operator-{self._clients}"
        self.proxy.dead.discard(client)
        kubeconfig = self.kubeconfig(client, "hookgate-operator")
        self.health = free_port()
        more = {"resync": resync, "health": ["127.0.0.1", self.health], "namespaces": [*namespaces]}
        self.operator = (operators or self.operators).start(client, kubeconfig, self.config, lease=lease, **more)
        return self.operator

    def run_operator(self, *, resync: float = 300.0) -> Operator:
        """Return an operator that runs and works, the present one if it does."""
        if self.operator is None or not self.operator.running:
            self.start_operator(resync=resync)
        operator = self.operator
        assert operator is not None
        self.wait(lambda: "working on" in operator.said() or not operator.running, "the operator to work")
        assert operator.running, f"the operator ended with {operator.code}: {operator.said()[-400:]}"
        return operator

    def kill_operator(self) -> None:
        """Kill whichever operator is the present one, and wait for nothing."""
        if self.operator is not None:
            self.operator.kill()

    def end_operator(self) -> None:
        """Kill the operator if one runs, and wait for its end."""
        operator = self.operator
        if operator is not None and operator.code is None:
            operator.kill()
            assert pause_until(lambda: operator.code is not None, 20.0), f"operator {operator.pid} did not end"
        self.operator = None

    def start_receiver(self, *, resync: float = 300.0, wait: bool = True) -> None:
        """Start the receiver and wait until it is ready."""
        self.receiver = self.operators.start_receiver(
            self.kubeconfig("receiver", "hookgate-receiver"), self.public, self.private, resync
        )
        if wait:
            self.wait(lambda: self.probe(self.private, "/readyz") == 200, "the receiver to be ready")

    def restart_receiver(self, *, resync: float = 300.0, wait: bool = True) -> None:
        """Kill the receiver and start another."""
        if self.receiver is not None and self.receiver.running:
            self.receiver.kill()
            self.operators.wait_ended(self.receiver)
        self.start_receiver(resync=resync, wait=wait)

    @staticmethod
    def probe(port: int, path: str) -> int:
        """The status of a GET, 0 where nobody answers."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    # Configuration --------------------------------------------------------------------------------------------------

    def configure(
        self,
        *,
        hosts: tuple[str, ...] = (HOST, GATEWAY_HOST, BARE_HOST),
        extra_hosts: Sequence[Mapping[str, Any]] = (),
        **more: Any,
    ) -> None:
        """Write hookgate.yaml: these of the hosts, and further members. A running operator notices within a second."""
        mine = ["t-*"]
        parents = [{"name": "public", "namespace": "gateways"}]
        known: list[dict[str, Any]] = [
            {"name": HOST, "namespaces": mine, "exposure": "ingress", "className": "contour"},
            {"name": GATEWAY_HOST, "namespaces": mine, "exposure": "gateway", "parentRefs": parents},
            {"name": BARE_HOST, "namespaces": mine, "exposure": "none"},
        ]
        document = {
            "apiVersion": "config.hookgate.dev/v1alpha1",
            "kind": "HookgateConfiguration",
            "hosts": [*(host for host in known if host["name"] in hosts), *map(dict, extra_hosts)],
            "auth": {"allowedTypes": ["hmac", "token", "none"]},
            "targets": {"urls": [{"prefix": self.target.url, "namespaces": mine}]},
            "receiver": {"addresses": [f"http://127.0.0.1:{self.private}"]},
            **more,
        }
        fresh = self.config.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(document))
        fresh.replace(self.config)

    # Cases ----------------------------------------------------------------------------------------------------------

    def team(self) -> Team:
        """A team with a fresh namespace."""
        name = f"t-{secrets.token_hex(5)}"
        self.admin.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return Team(self, name)

    def record(self) -> None:
        """Wait until the recorder has seen every Secret that there was until now."""
        name = f"mark-{secrets.token_hex(4)}"
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": MARKED}}
        self.admin.create(secret)
        self.wait(lambda: name in self.recorder.marks, "the recorder to come that far")
        self.admin.delete("Secret", MARKED, name)

    def wait(
        self, condition: Callable[[], object], what: str | Callable[[], str], *, seconds: float = PATIENCE
    ) -> None:
        """Wait for ``condition()``; raises AssertionError that names ``what``, or what it says by then.

        Keeps a supervised operator running.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds:g} s for {what if isinstance(what, str) else what()}"
            if self.supervised and self.operator is not None and not self.operator.running:
                self.starts += 1
                self.start_operator(resync=self.resync)
            time.sleep(0.02)

    def quiet(self, seconds: float = 0.3, *, team: str | None = None) -> None:
        """Wait until no change was asked for, and none is under way, for ``seconds``."""

        def silent() -> bool:
            recent = self.proxy.log[-2000:]
            mine = [e for e in recent if e.asked.writes and e.asked.resource != "leases"]
            mine = [e for e in mine if team in (None, e.asked.team) and e.asked.client not in self.proxy.dead]
            now = time.monotonic()
            return all(e.fate == "hangs" or (e.ended and now - e.ended > seconds) for e in mine)

        self.wait(silent, "nothing more to be written")

    def clean(self) -> None:
        """Undo the harm: no rules, the usual configuration, nobody paused, an operator that works."""
        self.proxy.clear()
        self.cluster.restore()
        self.supervised = False
        self.configure()
        self.run_operator()

    def close(self) -> None:
        """End every process of ours."""
        self.recorder.stop()
        self._gateway.stop()
        self.operators.close()
        self.watchdog.close()


@contextmanager
def stand(folder: Path) -> Iterator[Stand]:
    """A running stand in ``folder``. Raises binaries.Unavailable where there is no API server to be had."""
    found, gateway = binaries.locate(), binaries.gateway_crds()
    with ExitStack() as stack:
        target = stack.enter_context(Target())
        cluster = stack.enter_context(ControlPlane(folder, binaries=found))
        cluster.install_crds(gateway)
        installed(cluster)
        proxy = stack.enter_context(Proxy(cluster.url, str(cluster.ca_file)))
        made = Stand(folder, cluster, proxy, target)
        stack.callback(made.close)
        made.recorder.start()
        made.start_receiver()
        yield made


__all__ = ["BARE_HOST", "BINDINGS", "GATEWAY_HOST", "HOST", "PATIENCE", "RESYNC", "SYSTEM", "Stand", "stand"]

"""A Kubernetes control plane of the tests' own: etcd, kube-apiserver and kube-controller-manager as processes.

No node: pods are stored and never run. RBAC, admission, CEL rules, server-side apply, priority and fairness,
garbage collection and namespace deletion are the real ones. Everything listens on 127.0.0.1 and lives in one
temporary folder. Knows nothing of pytest.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import shutil
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cluster.binaries import Binaries, locate
from tests.cluster.cluster import Cluster, write_kubeconfig
from tests.cluster.etcd import Etcd
from tests.cluster.processes import NotReadyError, Server, Watchdog, free_port, wait_until

CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "clusterrole-aggregation-controller",
)
"""What kube-controller-manager runs: the controllers that need no node and that tests rely on."""

_READY_SECONDS = 90.0
#: How long namespaces that are being deleted are waited for before an outage.
_GOING_SECONDS = 30.0
_ISSUER = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer of the API server."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The events of a finished watch: one JSON object a line."""
        return [json.loads(line) for line in self.body.splitlines()]


class ControlPlane(Cluster):
    """One control plane; a context manager, or `start()` and `stop()`.

    `folder` keeps logs and kubeconfigs (default: a temporary folder that `stop` removes). `controller_manager`
    false leaves kube-controller-manager out: nothing is then garbage-collected and no namespace finishes deleting.
    `apiserver_flags` come after the harness's own, so they win. `binaries`: another Kubernetes version.
    Raises binaries.Unavailable (here) and processes.NotReadyError (start).
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        binaries: Binaries | None = None,
        controller_manager: bool = True,
        controllers: Sequence[str] = CONTROLLERS,
        apiserver_flags: Sequence[str] = (),
    ) -> None:
        self.binaries = binaries or locate()
        self._remove_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="hookgate-cluster-"))
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca_file = self.folder / "certificates" / "apiserver.crt"
        self.admin_token = secrets.token_urlsafe(24)
        self.admin_kubeconfig = self.folder / "kubeconfig-admin"
        self.etcd = Etcd(self._etcd_url)
        self._kubectl = self.binaries.path("kubectl")
        # Little of this environment goes on: etcd reads ETCD_* and kubectl KUBECONFIG, KUBECACHEDIR and proxies.
        self._environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder)}
        self._with_controllers = controller_manager
        self._watchdog: Watchdog | None = None
        self._commands: dict[str, list[str | Path]] = {
            "etcd": self._etcd_command(),
            "kube-apiserver": [*self._command("kube-apiserver", self._apiserver_options()), *apiserver_flags],
            "kube-controller-manager": self._command(
                "kube-controller-manager", self._controller_manager_options(controllers)
            ),
        }
        self._servers: dict[str, Server] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts everything and returns once the API server is ready. Raises NotReadyError with the logs' ends."""
        self._write_credentials()
        self._watchdog = Watchdog()
        self._servers = {
            name: Server(
                name,
                command,
                log=self.folder / f"{name}.log",
                environment=self._environment,
                watchdog=self._watchdog,
            )
            for name, command in self._commands.items()
        }
        try:
            etcd = self._servers["etcd"]
            etcd.start()
            wait_until(self.etcd.healthy, "etcd to be healthy", seconds=_READY_SECONDS, needs=[etcd])
            self.start_apiserver()
            write_kubeconfig(
                self.admin_kubeconfig, server=self.url, ca=self.ca_file.read_bytes(), token=self.admin_token
            )
            if self._with_controllers:
                self._servers["kube-controller-manager"].start()
        except BaseException:
            self._stop_servers()
            raise

    def stop(self) -> None:
        """Stops everything; logs stay if the folder was the caller's."""
        self._stop_servers()
        # etcd preallocates some hundred megabytes: never leave them behind.
        shutil.rmtree(self.folder if self._remove_folder else self.folder / "etcd", ignore_errors=True)

    def _stop_servers(self) -> None:
        for name in reversed(self._servers):
            # Nothing needs an orderly end: the data goes with the folder.
            self._servers[name].stop(kill=True)
        self._servers = {}
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None

    # Disturbances -------------------------------------------------------------------------------------------

    def stop_apiserver(self, *, kill: bool = False) -> None:
        """An outage: the API server is gone, after 3 seconds of good-byes or (with `kill`) at once.

        etcd keeps the data. An API server with open watches says good-bye for up to a minute if it may. Namespaces that
        are being deleted are waited for first: after a restart one can be gone before its objects are, which then can
        neither be changed nor deleted, and stand in the way of every later test. Where an operator has to see to that,
        and is to be away as well, `let_namespaces_go` before it ends.
        """
        self.let_namespaces_go()
        self._servers["kube-apiserver"].stop(kill=kill)

    def let_namespaces_go(self) -> None:
        """Returns when no namespace is being deleted any more, or in half a minute."""
        with contextlib.suppress(NotReadyError):
            wait_until(self._no_namespace_goes, "namespaces to be gone", seconds=_GOING_SECONDS)

    def _no_namespace_goes(self) -> bool:
        return "Terminating" not in self.kubectl("get", "namespaces", "--request-timeout=5s", check=False).stdout

    def start_apiserver(self) -> None:
        """Ends an outage: same port, same data; returns when it is ready."""
        server = self._servers["kube-apiserver"]
        server.start()
        needs = [server, self._servers["etcd"]]
        wait_until(self.ready, "the API server to be ready", seconds=_READY_SECONDS, needs=needs)

    def pause_apiserver(self) -> None:
        """A hang: connections are accepted and stay open, nothing answers."""
        self._servers["kube-apiserver"].pause()

    def resume_apiserver(self) -> None:
        """Ends a hang."""
        self._servers["kube-apiserver"].resume()

    def compact_etcd(self) -> int:
        """Makes etcd forget its history; the revision up to which it did.

        The API server's watch cache still replays what it saw since its own start: see `expire_watches`.
        """
        return self.etcd.compact()

    def expire_watches(self) -> None:
        """Makes every watch from an earlier resourceVersion, once cut, end in 410 Gone: compaction and a restart."""
        self.compact_etcd()
        self.stop_apiserver(kill=True)
        self.start_apiserver()

    def dump_etcd(self) -> bytes:
        """Everything the cluster now stores, keys and values as they lie in etcd (no encryption at rest)."""
        return self.etcd.dump()

    def restart_controller_manager(self) -> None:
        """Makes the garbage collector learn of new kinds now; left alone it looks every 30 seconds."""
        server = self._servers["kube-controller-manager"]
        server.stop(kill=True)
        server.start()

    def restore(self) -> None:
        """Resumes or starts again whatever a test paused, stopped or broke."""
        for name, server in self._servers.items():
            if name == "kube-controller-manager" and not self._with_controllers:
                continue
            if server.running:
                server.resume()
            elif name == "kube-apiserver":
                self.start_apiserver()
            else:
                server.start()
        wait_until(self.ready, "the API server to be ready again", seconds=_READY_SECONDS)

    # Use ----------------------------------------------------------------------------------------------------

    def install_crds(self, *paths: Path) -> list[str]:
        """As Cluster.install_crds; restarts kube-controller-manager if a kind is new, for its garbage collector."""
        before = self.kubectl("get", "customresourcedefinitions", "-o", "name").stdout.splitlines()
        names = super().install_crds(*paths)
        known = {line.partition("/")[2] for line in before}
        if self._with_controllers and not known.issuperset(names):
            self.restart_controller_manager()
        return names

    def request(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, seconds: float = 30.0
    ) -> Answer:
        """One HTTP request to the API server, as the administrator or with another bearer `token`.

        `body` is sent as JSON. Any HTTP status is an answer. Raises OSError when there is none.
        """
        context = ssl.create_default_context(cafile=str(self.ca_file))
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        question = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token or self.admin_token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.build_opener(*handlers).open(question, timeout=seconds) as response:
                return Answer(status=response.status, body=response.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Answer(status=refusal.code, body=refusal.read())

    def ready(self) -> bool:
        """Whether /readyz says so."""
        try:
            return self.request("GET", "/readyz").status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False  # also while the server has not yet written its certificate

    # Configuration ------------------------------------------------------------------------------------------

    def _write_credentials(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.folder / "service-accounts.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (self.folder / "tokens.csv").write_text(f'{self.admin_token},admin,admin,"system:masters"\n')

    def _etcd_command(self) -> list[str | Path]:
        peer_url = f"http://127.0.0.1:{free_port()}"
        return [
            self.binaries.path("etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
            "--unsafe-no-fsync",
        ]

    def _apiserver_options(self) -> dict[str, str | Path]:
        """The API server's flags, by name; a subclass changes what it must."""
        key = self.folder / "service-accounts.key"
        return {
            "etcd-servers": self._etcd_url,
            "bind-address": "127.0.0.1",
            "secure-port": str(self.port),
            "cert-dir": self.ca_file.parent,
            # Without these two the server looks for a network interface to announce, and some machines have none.
            "advertise-address": "127.0.0.1",
            "endpoint-reconciler-type": "none",
            "authorization-mode": "RBAC",
            "token-auth-file": self.folder / "tokens.csv",
            "service-account-issuer": _ISSUER,
            "service-account-key-file": key,
            "service-account-signing-key-file": key,
            "service-cluster-ip-range": "10.0.0.0/24",
            # It would refuse pods until a controller has made the namespace's default service account.
            "disable-admission-plugins": "ServiceAccount",
        }

    def _controller_manager_options(self, controllers: Sequence[str]) -> dict[str, str | Path]:
        """kube-controller-manager's flags, by name."""
        return {
            "kubeconfig": self.admin_kubeconfig,
            "controllers": ",".join(controllers),
            "leader-elect": "false",
            "secure-port": "0",
        }

    def _command(self, program: str, options: Mapping[str, str | Path]) -> list[str | Path]:
        return [self.binaries.path(program), *(f"--{name}={value}" for name, value in options.items())]

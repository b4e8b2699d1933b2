"""What tests may do with any Kubernetes cluster: kubectl, apply, service-account kubeconfigs, CRDs.

`Cluster` is the surface shared by the control plane that the tests start themselves (controlplane.py) and by
`ExistingCluster`, one that somebody named in `KUBECONFIG`. Knows nothing of processes or of pytest.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.binaries import locate
from tests.cluster.processes import wait_until

FIELD_MANAGER = "hookgate-tests"
_KUBECTL_SECONDS = 120

Manifest = Mapping[str, Any]


class KubectlError(AssertionError):
    """kubectl refused; the text holds the command and what it wrote to stderr."""


class Cluster:
    """A running cluster and full rights on it.

    Subclasses set the attributes; `folder` is a private scratch folder.
    """

    url: str
    ca_file: Path
    admin_kubeconfig: Path
    folder: Path
    _kubectl: str | Path
    _environment: Mapping[str, str]

    def kubectl(
        self,
        *arguments: str | Path,
        input: str | None = None,  # noqa: A002 - named as in subprocess.run
        check: bool = True,
        kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl, as the administrator or as whoever `kubeconfig` stands for.

        Raises KubectlError when kubectl fails and `check` is true.
        """
        command = [self._kubectl, f"--kubeconfig={kubeconfig or self.admin_kubeconfig}", *arguments]
        done = subprocess.run(
            command,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            env=dict(self._environment),
            timeout=_KUBECTL_SECONDS,
            check=False,
        )
        if check and done.returncode != 0:
            words = " ".join(str(argument) for argument in arguments)
            raise KubectlError(f"kubectl {words}: exit code {done.returncode}\n{done.stderr}")
        return done

    def get(self, *arguments: str, kubeconfig: Path | None = None) -> Any:
        """`kubectl get ... -o json`, parsed. Raises KubectlError, also when there is no such object."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json", kubeconfig=kubeconfig).stdout)

    def exists(self, *arguments: str) -> bool:
        """Whether `kubectl get ...` finds something."""
        return bool(self.kubectl("get", *arguments, "--ignore-not-found", "-o", "name").stdout.strip())

    def apply(
        self, source: str | Path | Manifest | Sequence[Manifest], *, namespace: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Server-side apply, forced, as field manager `hookgate-tests`.

        `source` is YAML text (str), a file or folder (Path), or one or more objects. For a conflict or a dry run
        use `kubectl` itself.
        """
        place = ["--namespace", namespace] if namespace else []
        command = ["apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", *place, "-f"]
        if isinstance(source, Path):
            return self.kubectl(*command, source)
        if not isinstance(source, str):
            source = yaml.safe_dump_all([source] if isinstance(source, Mapping) else source)
        return self.kubectl(*command, "-", input=source)

    def install_crds(self, *paths: Path) -> list[str]:
        """Applies CustomResourceDefinitions (files or folders) and waits until they are served; returns their names.

        A cluster's garbage collector learns of new kinds up to 30 seconds later; ControlPlane shortens that.
        """
        names: list[str] = []
        for path in paths:
            applied = self.apply(path).stdout.splitlines()
            names += [line.split()[0] for line in applied if line.startswith("customresourcedefinition")]
        established = ("wait", "--for=condition=Established", "--timeout=30s", *names)
        # One that is so new that it has no conditions yet is an error to kubectl.
        wait_until(lambda: self.kubectl(*established, check=False).returncode == 0, "the definitions to be served")
        return [name.partition("/")[2] for name in names]

    def token_for(self, namespace: str, service_account: str, *, seconds: int = 3600) -> str:
        """A bearer token for an existing service account, from the TokenRequest API."""
        made = self.kubectl("create", "token", service_account, f"--namespace={namespace}", f"--duration={seconds}s")
        return made.stdout.strip()

    def kubeconfig_for(self, namespace: str, service_account: str, *, server: str | None = None) -> Path:
        """A kubeconfig that authenticates as an existing service account and has `namespace` as its default.

        `server`: another URL to reach the API server by, say that of a proxy in between. TLS is checked against
        the cluster's own CA either way.
        """
        token = self.token_for(namespace, service_account)
        path = self.folder / f"kubeconfig-{namespace}-{service_account}{'-proxied' if server else ''}"
        return write_kubeconfig(
            path, server=server or self.url, ca=self.ca_file.read_bytes(), token=token, namespace=namespace
        )

    def may(self, user: str, verb: str, resource: str, *place: str) -> bool:
        """Whether the authorizer lets `user` do this, in the `place` that kubectl's options name."""
        answer = self.kubectl("auth", "can-i", verb, resource, f"--as={user}", *place, check=False)
        return answer.stdout.strip() == "yes"

    def until_allowed(self, user: str, verb: str, resource: str, namespace: str) -> None:
        """Waits until the authorizer knows of a right: it watches them, and so learns of new ones late."""
        allowed = f"{user} to be allowed to {verb} {resource}"
        wait_until(lambda: self.may(user, verb, resource, f"--namespace={namespace}"), allowed)

    def restore(self) -> None:
        """Undoes what a test did to the cluster's processes; nothing, where there are none to touch."""


class ExistingCluster(Cluster):
    """The cluster that `kubeconfig` (default: `$KUBECONFIG`) points at: a real one, so no process control.

    Runs the kubectl on PATH, else the tests' own. Raises binaries.Unavailable.
    """

    def __init__(self, folder: Path, kubeconfig: str | None = None) -> None:
        self.folder = folder
        self._kubectl = shutil.which("kubectl") or locate().path("kubectl")
        self._environment = os.environ  # kubeconfigs may name credential plugins, which need it
        self.admin_kubeconfig = Path(kubeconfig or os.environ["KUBECONFIG"])
        view = json.loads(self.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout)
        cluster = view["clusters"][0]["cluster"]
        self.url = cluster["server"]
        self.ca_file = folder / "ca.crt"
        self.ca_file.write_bytes(base64.b64decode(cluster.get("certificate-authority-data", "")))


def write_kubeconfig(path: Path, *, server: str, ca: bytes, token: str, namespace: str = "default") -> Path:
    """Writes a kubeconfig with one bearer token, readable by its owner only; returns `path`."""
    name = "test"
    cluster: dict[str, str] = {"server": server}
    if server.startswith("https:") and ca:
        cluster["certificate-authority-data"] = base64.b64encode(ca).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content))
    return path

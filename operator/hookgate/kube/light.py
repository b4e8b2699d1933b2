"""Connections without the `kubernetes` library: service accounts, and kubeconfigs with a token or client certificate.

For processes that have to stay small. It may not run programs: kubeconfigs whose user is an exec plugin or an auth
provider are refused with a `ClusterConfigError`, and `library` is for them.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from hookgate.kube.errors import ClusterConfigError
from hookgate.kube.place import SERVICE_ACCOUNT, find
from hookgate.kube.transport import Connection, tls_context

_REREAD_S = 60.0  # the kubelet replaces a bound token long before it expires, so this is soon enough


class NoToken:
    """Credentials without a header: the client certificate speaks, or nobody does."""

    async def authorization(self) -> str | None:
        """See `transport.Credentials`."""
        return None

    async def renew(self, refused: str | None) -> bool:  # noqa: ARG002 - the protocol's signature
        """See `transport.Credentials`."""
        return False


class FixedToken:
    """A token that stands in the kubeconfig itself."""

    def __init__(self, token: str) -> None:
        """``token`` is what follows the word Bearer."""
        self._header = f"Bearer {token}"

    async def authorization(self) -> str | None:
        """See `transport.Credentials`."""
        return self._header

    async def renew(self, refused: str | None) -> bool:
        """See `transport.Credentials`."""
        return self._header != refused


class TokenFile:
    """A token in a file that somebody else replaces: read again every minute, and after a 401."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` counts seconds."""
        self._path = path
        self._clock = clock
        self._header = ""
        self._read_at: float | None = None

    async def authorization(self) -> str | None:
        """See `transport.Credentials`. A file that cannot be read leaves the last token in force."""
        if self._read_at is None or self._clock() - self._read_at >= _REREAD_S:
            try:
                self._read()
            except (OSError, ValueError):
                if not self._header:
                    raise
        return self._header

    async def renew(self, refused: str | None) -> bool:
        """See `transport.Credentials`."""
        try:
            self._read()
        except (OSError, ValueError):
            return False
        return self._header != refused

    def _read(self) -> None:
        """Take the token out of the file. Raises OSError, and ValueError for an empty one."""
        token = self._path.read_text(encoding="ascii").strip()
        if not token:
            raise ValueError("empty token file")
        self._header = f"Bearer {token}"
        self._read_at = self._clock()


async def load(*, kubeconfig: str | None = None, context: str | None = None) -> Connection:
    """Find and load the configuration, see `Api.connect`. Raises ClusterConfigError."""
    path = find(kubeconfig, context)
    return in_cluster() if path is None else from_kubeconfig(path, context)


def in_cluster(folder: Path = SERVICE_ACCOUNT, environ: Mapping[str, str] = os.environ) -> Connection:
    """Connect as the pod's service account, whose token and ca.crt are in ``folder``. Raises ClusterConfigError."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise ClusterConfigError("KUBERNETES_SERVICE_HOST is not set: this is not a pod")
    if not (folder / "token").is_file():
        raise ClusterConfigError(f"{folder}/token: no such file: the pod needs automountServiceAccountToken")
    try:
        tls = tls_context(ca_file=str(folder / "ca.crt"))
    except OSError as error:
        raise ClusterConfigError(f"{folder}/ca.crt: {type(error).__name__}: not a readable CA certificate") from None
    address = f"[{host}]" if ":" in host else host
    return Connection(server=f"https://{address}:{port}", credentials=TokenFile(folder / "token"), ssl=tls)


def from_kubeconfig(path: str, context: str | None = None) -> Connection:
    """Connect as ``context`` (default: the current one) of the one file ``path`` says. Raises ClusterConfigError."""
    if os.pathsep in path:
        raise ClusterConfigError(f"kubeconfig {path}: one file is read here; merge them with `kubectl config view`")
    file = Path(path).expanduser()
    try:
        document = yaml.safe_load(file.read_bytes())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ClusterConfigError(f"kubeconfig {file}: cannot be read ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise ClusterConfigError(f"kubeconfig {file}: is not a YAML mapping")
    chosen = _named(file, document, "contexts", "context", context or document.get("current-context"))
    cluster = _named(file, document, "clusters", "cluster", chosen.get("cluster"))
    user = _named(file, document, "users", "user", chosen["user"]) if chosen.get("user") else {}
    for plugin in ("exec", "auth-provider"):
        if plugin in user:
            raise ClusterConfigError(f"kubeconfig {file}: users: {plugin}: plugins are not run here; use a token")
    server = cluster.get("server")
    if not isinstance(server, str) or not server.startswith(("https:", "http:")):
        raise ClusterConfigError(f"kubeconfig {file}: clusters: server: an http or https URL is needed")
    return Connection(
        server=server,
        credentials=_credentials(file, user),
        ssl=_tls(file, cluster, user) if server.startswith("https:") else None,
        server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
        proxy_from_environment=True,
    )


def _named(file: Path, document: Mapping[str, Any], plural: str, singular: str, name: object) -> Mapping[str, Any]:
    """The entry ``name`` of one of a kubeconfig's three lists."""
    for entry in document.get(plural) or ():
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(singular), dict):
            found: Mapping[str, Any] = entry[singular]
            return found
    raise ClusterConfigError(f"kubeconfig {file}: {plural}: there is no {singular} named {name}")


def _credentials(file: Path, user: Mapping[str, Any]) -> NoToken | FixedToken | TokenFile:
    """The token of ``user``; as everywhere, one written in the kubeconfig wins over a file."""
    if user.get("token"):
        return FixedToken(str(user["token"]))
    if user.get("tokenFile"):
        return TokenFile(file.parent / str(user["tokenFile"]))
    return NoToken()


def _tls(file: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    """The TLS context of ``cluster`` with the client certificate of ``user``; data in the file wins over paths."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            ca_file = _file_of(file, cluster, "certificate-authority", folder)
            context = tls_context(ca_file=ca_file, verify=not cluster.get("insecure-skip-tls-verify"))
            certificate = _file_of(file, user, "client-certificate", folder)
            if certificate:
                # The ssl module reads keys from files only; the folder is private and gone a moment later.
                context.load_cert_chain(certificate, _file_of(file, user, "client-key", folder))
            return context
    except (OSError, ValueError) as error:
        raise ClusterConfigError(
            f"kubeconfig {file}: {type(error).__name__}: check the certificates and keys of its cluster and user"
        ) from None


def _file_of(file: Path, section: Mapping[str, Any], key: str, folder: str) -> str | None:
    """A file with what ``section`` says as ``key`` (a path beside ``file``) or ``key``-data (base64)."""
    data = section.get(f"{key}-data")
    if data:
        written = Path(folder, key)
        written.write_bytes(base64.b64decode(data, validate=True))
        return str(written)
    return str(file.parent / str(section[key])) if section.get(key) else None

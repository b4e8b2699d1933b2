"""Connections as the `kubernetes` library finds them: kubeconfigs with every kind of plugin, and service accounts.

The library is used for what is hard there, the configuration and the credentials; requests are sent by `transport`.
Importing this module does not import the library, which costs tens of MiB; `load` does.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from hookgate.kube.errors import ClusterConfigError
from hookgate.kube.place import find
from hookgate.kube.transport import Connection, tls_context

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration


class LibraryCredentials:
    """The bearer token of a library configuration, which its own hook keeps fresh; a 401 loads everything anew."""

    def __init__(self, configuration: Configuration, fill: Callable[[Configuration], Awaitable[None]]) -> None:
        """``fill`` loads ``configuration`` from its source again, running plugins where there are any."""
        self._configuration = configuration
        self._fill = fill
        self._lock = asyncio.Lock()

    async def authorization(self) -> str | None:
        """See `transport.Credentials`."""
        settings = await self._configuration.auth_settings()
        token = settings.get("BearerToken")
        # A service account's token file may end with a line break, which no header may hold.
        return str(token["value"]).strip() if token else None

    async def renew(self, refused: str | None) -> bool:
        """See `transport.Credentials`. Of many requests refused at once only the first loads."""
        async with self._lock:
            try:
                if await self.authorization() == refused:
                    await self._fill(self._configuration)
                return await self.authorization() != refused
            except Exception:  # plugins fail in any way; the 401 is the answer then
                return False


async def load(*, kubeconfig: str | None = None, context: str | None = None) -> Connection:
    """Find and load the configuration, see `Api.connect`. Raises ClusterConfigError."""
    from kubernetes.aio import config  # noqa: PLC0415 - see the module's docstring
    from kubernetes.aio.client import Configuration  # noqa: PLC0415

    path = find(kubeconfig, context)

    async def fill(configuration: Configuration) -> None:
        """Load ``configuration``. The library's error texts can hold whole users with their tokens: none is kept."""
        try:
            if path is None:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                # Without persist_config the user's file is never written to.
                await config.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=path, context=context, client_configuration=configuration, persist_config=False
                )
        except Exception as error:  # it raises its own, and whatever a broken file provokes
            raise ClusterConfigError(_unusable(path, context, error)) from None

    configuration = Configuration()
    await fill(configuration)
    return Connection(
        server=configuration.host,
        credentials=LibraryCredentials(configuration, fill),
        ssl=_tls(configuration, path),
        server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
        proxy_from_environment=path is not None,
    )


def _tls(configuration: Configuration, path: str | None) -> ssl.SSLContext | None:
    """The TLS context that ``configuration`` describes."""
    if not configuration.host.startswith("https:"):
        return None
    try:
        context = tls_context(ca_file=configuration.ssl_ca_cert, verify=configuration.verify_ssl)
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ClusterConfigError(_unusable(path, None, error)) from None
    return context


def _unusable(path: str | None, context: str | None, error: Exception) -> str:
    """What to tell about a configuration that does not load."""
    kind = type(error).__name__
    if path is None:
        return f"service account of this pod: cannot be used ({kind}): check its mounted token and ca.crt"
    chosen = f"context {context}" if context else "its current-context"
    return f"kubeconfig {path}: cannot be used ({kind}): check {chosen} and the cluster and user that it names"

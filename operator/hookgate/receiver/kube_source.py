"""Bindings from a cluster: the Secrets of one namespace, listed and watched. All that a receiver may read there.

It may not know what a binding means. Apart from `source` because a receiver that reads a folder needs no Kubernetes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii

from hookgate.kube.api import SECRETS, Api, Object
from hookgate.kube.reflector import Change, Reflector
from hookgate.model.binding import DATA_KEY
from hookgate.receiver.table import BindingTable

#: Where bindings live, and nothing else does.
BINDINGS_NAMESPACE = "hookgate-bindings"
#: What they are labelled with.
BINDINGS_SELECTOR = "hookgate.dev/role=binding"
#: How often all of them are listed again, in seconds, plus up to as much jitter: a removal that no watch told must end.
RESYNC = 300.0


class KubeSource:
    """Binding Secrets, each named by its endpoint's uid."""

    def __init__(
        self,
        api: Api,
        *,
        namespace: str = BINDINGS_NAMESPACE,
        selector: str = BINDINGS_SELECTOR,
        resync_s: float = RESYNC,
        after: asyncio.Event | None = None,
    ) -> None:
        """Follow the Secrets of ``namespace`` that ``selector`` selects, from when ``after`` is set."""
        self._after = after
        self._api, self._namespace, self._selector, self._resync_s = api, namespace, selector, resync_s

    async def run(self, table: BindingTable) -> None:
        """See `hookgate.receiver.source.BindingSource`."""

        def replace(secrets: list[Object], _version: str) -> None:
            table.replace({secret["uid"]: secret["raw"] for secret in secrets})

        def change(kind: Change, secret: Object) -> None:
            if kind == "DELETED":
                table.remove(secret["uid"])
            else:
                table.put(secret["uid"], secret["raw"])

        reflector = Reflector(
            self._api,
            SECRETS,
            namespace=self._namespace,
            labels=self._selector,
            on_change=change,
            on_replace=replace,
            transform=_binding,
            resync_s=self._resync_s,
        )
        table.heard_at = lambda: reflector.last_heard
        if self._after is not None:
            await self._after.wait()
        await reflector.run()


def _binding(secret: Object) -> Object:
    """Keep the name and the decoded binding; one that cannot be had is empty, which the table refuses and counts."""
    data = secret.get("data")
    encoded = data.get(DATA_KEY) if isinstance(data, dict) else None
    try:
        raw = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except (binascii.Error, ValueError):
        raw = b""
    return {"uid": secret["metadata"]["name"], "raw": raw}

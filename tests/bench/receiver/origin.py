"""Stands in for the API server that receivers get their bindings from: ``python -m tests.bench.receiver.origin``.

Arguments: a folder, the target's URLs without and with TLS, and numbers of bindings. For each number one server is
started, and a kubeconfig for it written to the folder.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
from pathlib import Path

from hookgate.model.binding import DATA_KEY
from hookgate.receiver.kube_source import BINDINGS_NAMESPACE
from tests.bench.receiver.world import bindings
from tests.kube.fakeserver import FakeApiServer


async def main(folder: Path, target: str, secure_target: str, counts: list[int]) -> None:
    """Serve for ever."""
    async with contextlib.AsyncExitStack() as stack:
        for count in counts:
            server = FakeApiServer()
            for uid, raw in bindings(count, target, secure_target).items():
                metadata = {"namespace": BINDINGS_NAMESPACE, "name": uid, "uid": uid, "resourceVersion": "1"}
                data = {DATA_KEY: base64.b64encode(raw).decode()}
                server.objects[BINDINGS_NAMESPACE, uid] = {"metadata": metadata, "data": data}
            await stack.enter_async_context(server)
            written = folder / f"kubeconfig.{count}.new"
            written.write_text(json.dumps(_kubeconfig(server.url)))
            written.rename(folder / f"kubeconfig.{count}")
        await asyncio.Event().wait()


def _kubeconfig(url: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {"server": url}}],
        "users": [{"name": "bench", "user": {"token": "none"}}],
    }


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], [int(count) for count in sys.argv[4:]]))

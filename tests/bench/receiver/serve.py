"""One receiver as a cluster runs it, but on loopback: ``python -m tests.bench.receiver.serve KUBECONFIG PORT EDGE``.

A certificate and its key may follow, each a file; then calls come over TLS.

`hookgate receiver` refuses targets on its own host, which is where a bench has to have them; nothing else differs.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from hookgate.kube.api import Api
from hookgate.receiver.kube_source import KubeSource
from hookgate.receiver.loop import run_on_uvloop
from hookgate.receiver.process import run_receiver
from hookgate.receiver.settings import Edge, ReceiverSettings
from hookgate.receiver.tls import TlsFiles


def on_loopback(port: int) -> ReceiverSettings:
    """Return the usual settings, but for what keeps a receiver from a bench; the private port is the next one."""
    return ReceiverSettings(
        host="127.0.0.1",
        port=port,
        private_host="127.0.0.1",
        private_port=port + 1,
        loopback_targets=True,
        drain_delay=0,
    )


async def main(kubeconfig: str, port: int, edge: Edge, *files: Path) -> None:
    """Serve until SIGTERM."""
    # All calls of the bench are for one endpoint.
    settings = replace(on_loopback(port), max_in_flight_per_endpoint=1024, edge=edge)
    if files:
        certificate, key = files
        settings = replace(settings, tls=TlsFiles(certificate=certificate, key=key))
    async with await Api.connect(kubeconfig=kubeconfig, light=True) as api:
        await run_receiver(settings, KubeSource(api))


if __name__ == "__main__":
    run_on_uvloop(main(sys.argv[1], int(sys.argv[2]), Edge(sys.argv[3]), *map(Path, sys.argv[4:])))

"""`hookgate operator`: the control plane's process, from options to its end."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from pathlib import Path

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.local import address, namespaces
from hookgate.control.operator import Options, run_operator
from hookgate.control.preflight import CannotRun, WrongInput
from hookgate.kube.lease import Timing

#: Shorter leases would be lost to a slow answer, longer ones leave endpoints unattended, in seconds.
SHORTEST_LEASE, LONGEST_LEASE = 3.0, 300.0


def run(options: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT. Raises `Stop` with what keeps it from running."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    health = address("--health", options.health)
    try:
        asyncio.run(
            run_operator(
                Options(
                    config=Path(options.config) if options.config else None,
                    kubeconfig=options.kubeconfig,
                    system_namespace=options.system_namespace,
                    binding_namespace=options.bindings_namespace,
                    resync=options.resync,
                    namespaces=namespaces(options.namespaces),
                    lease=timing(options.lease_duration),
                    health=(health.host, health.port),
                    # The receivers run the operator's own image, which only its Deployment can tell.
                    image=os.environ.get("HOOKGATE_IMAGE", ""),
                )
            )
        )
    except CannotRun as error:
        code = Exit.USAGE if isinstance(error, WrongInput) else Exit.REFUSED
        raise Stop(code, str(error)) from None
    return Exit.DONE


def timing(seconds: float) -> Timing | None:
    """Return the timing of the election, in client-go's proportions; 0 is none at all. Raises `Stop`."""
    if seconds == 0:
        return None
    if not SHORTEST_LEASE <= seconds <= LONGEST_LEASE:
        span = f"{SHORTEST_LEASE:.0f} to {LONGEST_LEASE:.0f} seconds"
        raise Stop(Exit.USAGE, f"--lease-duration: write {span}, or 0 where only one operator ever runs")
    return Timing(lease_s=seconds, renew_deadline_s=seconds * 2 / 3, retry_s=seconds * 2 / 15)

"""`hookgate operator`: the control plane's process, from options to its end."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from pathlib import Path

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.local import address
from hookgate.control.operator import Options, run_operator
from hookgate.control.preflight import CannotRun
from hookgate.model import grammar


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
                    health=(health.host, health.port),
                    # The receivers run the operator's own image, which only its Deployment can tell.
                    image=os.environ.get("HOOKGATE_IMAGE", ""),
                )
            )
        )
    except CannotRun as error:
        raise Stop(Exit.REFUSED, str(error)) from None
    return Exit.DONE


def namespaces(text: str | None) -> tuple[str, ...]:
    """Read ``NS,NS``; None is the whole cluster, but nothing else is. Raises `Stop`."""
    if text is None:
        return ()
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in found:
        if grammar.SERVICE_NAME.fault(name):
            raise Stop(Exit.USAGE, f"--namespaces: {name!r} is no namespace; write names such as team-a,team-b")
    return found

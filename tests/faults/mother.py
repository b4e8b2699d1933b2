"""Starts operators quickly: imports everything once, then forks a real process for every line on its input.

Run as a script. A line is a JSON object: ``options`` and ``lease`` of an operator, or the arguments of a ``receiver``,
and the ``log`` that standard output and error go to. It answers
with ``+PID`` on its standard output, and with ``-PID CODE`` when that process has ended. A SIGKILL of such a process is
as real as that of one which took two seconds to start; only so can hundreds of crashes be tried.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import select
import signal
from pathlib import Path
from typing import Any

import kopf  # noqa: F401 -- imported here so that no child has to
import kubernetes.aio.client
import kubernetes.aio.config
import kubernetes.config.kube_config

from hookgate.control import handlers  # noqa: F401
from hookgate.control.operator import Options, run_operator
from hookgate.control.preflight import CannotRun
from hookgate.kube import library  # noqa: F401
from hookgate.kube.api import Api
from hookgate.kube.lease import Timing
from hookgate.receiver.kube_source import KubeSource
from hookgate.receiver.process import run_receiver
from hookgate.receiver.settings import ReceiverSettings

_TELL = os.dup(1)
_GLANCE_S = 0.02


def main() -> None:
    """Serve until the input ends, then end every child."""
    children: set[int] = set()
    rest = b""
    while True:
        # Looking now and then never misses an end, which a handler of SIGCHLD beside a blocking read can.
        if select.select([0], [], [], _GLANCE_S)[0]:
            read = os.read(0, 65536)
            if not read:
                break
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                pid = os.fork()
                if pid == 0:
                    os._exit(_child(json.loads(line)))
                children.add(pid)
                _tell(f"+{pid}")
        for pid in tuple(children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                children.discard(pid)
                _tell(f"-{pid} {os.waitstatus_to_exitcode(status)}")
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _tell(line: str) -> None:
    os.write(_TELL, f"{line}\n".encode())


def _child(asked: dict[str, Any]) -> int:
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    if "receiver" in asked:
        asyncio.run(_receive(**asked["receiver"]))
        return 0
    lease, options = asked["lease"], asked["options"]
    options = {
        **options,
        "config": Path(options["config"]),
        "health": tuple(options["health"]),
        "namespaces": tuple(options["namespaces"]),
    }
    # The library looks at KUBECONFIG when it is imported, which for this process is long ago.
    kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION = options["kubeconfig"]
    try:
        asyncio.run(run_operator(Options(**options, lease=Timing(**lease) if lease else None)))
    except CannotRun as error:
        print(f"hookgate operator: {error}", flush=True)
        return 2
    return 0


async def _receive(kubeconfig: str, public: int, private: int, resync: float) -> None:
    settings = ReceiverSettings(
        host="127.0.0.1",
        port=public,
        private_host="127.0.0.1",
        private_port=private,
        drain_delay=0.0,
        grace=2,
        loopback_targets=True,
    )
    async with await Api.connect(kubeconfig=kubeconfig) as api:
        await run_receiver(settings, KubeSource(api, resync_s=resync))


if __name__ == "__main__":
    main()

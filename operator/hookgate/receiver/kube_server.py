"""Where the API server is, so that no target is there: learnt from what a receiver has a right to anyway.

Apart from `dial` because a receiver that reads a folder needs no Kubernetes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from hookgate.kube.api import Api, ApiError
from hookgate.kube.light import load
from hookgate.kube.server import told_addresses
from hookgate.receiver.dial import Judge

_log = logging.getLogger(__name__)

#: How often it is asked, in seconds, and how soon again where it did not answer: what is behind a balancer tells one
#: address each time.
_INTERVAL = 300.0
_AGAIN = 5.0


async def server_host(kubeconfig: str | None) -> str:
    """Return the host that the API server is reached by. Raises ClusterConfigError."""
    return urlsplit((await load(kubeconfig=kubeconfig)).server).hostname or ""


async def keep_out(api: Api, host: str, judge: Judge, tried: asyncio.Event) -> None:
    """Have ``judge`` deny the addresses of ``host`` and those that the API server tells of itself, until cancelled.

    ``tried`` is set once it was asked, whether or not it answered.
    """
    known = True
    while True:
        try:
            judge.deny(await _resolved(host))
            judge.deny(await told_addresses(api))
            known = True
        except (ApiError, OSError) as error:
            if known:
                _log.warning("the API server's addresses cannot be learnt (%s); trying again", type(error).__name__)
            known = False
        tried.set()
        await asyncio.sleep(_INTERVAL if known else _AGAIN)


async def _resolved(host: str) -> Iterator[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return (str(address[0]) for *_, address in found)

"""Where the API server is, so that no target is there: learnt from what a receiver has a right to anyway.

Apart from `dial` because a receiver that reads a folder needs no Kubernetes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Iterable
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

    ``tried`` is set once each was learnt or is not to be had: that name leads nowhere, the server may not tell.
    """
    warned = False
    while True:
        unresolved = await _fault(judge, _resolved(host))
        untold = await _fault(judge, told_addresses(api))
        faults = [type(each).__name__ for each in (unresolved, untold) if each is not None]
        if faults and not warned:
            _log.warning("not all of the API server's addresses can be learnt (%s); trying again", ", ".join(faults))
        warned = bool(faults)
        if (unresolved is None or _leads_nowhere(unresolved)) and (untold is None or _may_not_tell(untold)):
            tried.set()
        await asyncio.sleep(_AGAIN if faults else _INTERVAL)


async def _fault(judge: Judge, asking: Awaitable[Iterable[str]]) -> Exception | None:
    """Deny what is learnt; return why nothing is."""
    try:
        judge.deny(await asking)
    except Exception as error:  # whatever it is: nobody would notice an end of this task but by a receiver never ready
        return error
    return None


def _leads_nowhere(error: Exception) -> bool:
    """No target gets anywhere by that name either. UnicodeError: it cannot be one."""
    known = isinstance(error, socket.gaierror) and error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}
    return known or isinstance(error, UnicodeError)


def _may_not_tell(error: Exception) -> bool:
    return isinstance(error, ApiError) and (error.forbidden or error.not_found)


async def _resolved(host: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]

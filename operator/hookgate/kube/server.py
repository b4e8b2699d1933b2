"""What an API server tells of its own addresses, to everybody who may discover what it serves.

It may not know what the addresses are wanted for.
"""

from __future__ import annotations

from collections.abc import Mapping

from hookgate.kube.api import Api
from hookgate.kube.transport import Call

_SECONDS = 10.0


async def told_addresses(api: Api) -> list[str]:
    """Return the addresses that clients are told to use, without ports. Raises `ApiError`."""
    found = await api._object("ask for the API server's addresses", Call(method="GET", path="/api", timeout_s=_SECONDS))
    entries = found.get("serverAddressByClientCIDRs")
    told = [
        each.get("serverAddress")
        for each in (entries if isinstance(entries, list) else ())
        if isinstance(each, Mapping)
    ]
    return [_host(each) for each in told if isinstance(each, str)]


def _host(address: str) -> str:
    host, colon, _ = address.rpartition(":")
    return (host if colon else address).removeprefix("[").removesuffix("]")

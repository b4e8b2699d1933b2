"""What is measured, one function each: many creations, a restart, single changes, deactivations, rest.

Each returns figures and judges nothing. All waits are bounded; `TimeoutError` says which one was not met.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from hookgate.kube.api import NAMESPACES, SERVICES, WEBHOOKENDPOINTS, Api
from tests.bench.operator.bare import together
from tests.bench.operator.installation import Installation, namespace_of, namespaces
from tests.bench.operator.process import Usage, server_cpu

_HOLDS = Callable[[], Awaitable[bool]]
#: Progress is told of for so many endpoints at once.
_SAY_EACH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """From nothing to all Ready. Seconds; ``accepted`` is when the last creation was answered.

    ``usage`` is the operator's, ``server_cpu`` the API server's and etcd's.
    """

    accepted: float
    ready: float
    writes: Counter[str]
    reads: Counter[str]
    refused: Counter[str]
    usage: Usage
    server_cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """From the start of the process to ``working`` (caches full, this one leads) and to ``idle`` (all looked at)."""

    working: float
    idle: float
    writes: Counter[str]
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Single changes: seconds from the answered patch to the effect, one after the other, and writes in all."""

    seconds: tuple[float, ...]
    writes: Counter[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rested:
    """Nothing to do for so many seconds."""

    seconds: float
    writes: Counter[str]
    reads: Counter[str]
    cpu: float


async def prepare(api: Api, count: int) -> None:
    """Make the namespaces of ``count`` endpoints, each with the Service that they name."""
    await together(api.create(NAMESPACES, {"metadata": {"name": name}}) for name in namespaces(count))
    await together(
        api.create(SERVICES, {"metadata": {"name": "ci", "namespace": name}, "spec": {"ports": [{"port": 8080}]}})
        for name in namespaces(count)
    )


async def create_all(installation: Installation, api: Api, count: int, say: Callable[[str], None]) -> Created:
    """Create ``count`` endpoints as fast as the API server takes them and wait until all are Ready.

    ``say`` is told of every thousand whose status was written: with many of them, a slow run looks like a hanging one.
    """
    installation.audit.reset()
    began, wall, before, servers = time.monotonic(), time.time(), installation.usage(), server_cpu()
    await together(api.create(WEBHOOKENDPOINTS, endpoint(i)) for i in range(count))
    accepted = time.monotonic() - began
    limit, said = 60 + count * 0.15, 0

    async def told() -> bool:
        nonlocal said
        installation.alive()
        installation.audit.take()
        statuses = installation.audit.writes["patch webhookendpoints/status"]
        if statuses // _SAY_EACH > said:
            said = statuses // _SAY_EACH
            say(f"{statuses} statuses after {time.monotonic() - began:.0f} s")
        return statuses >= count

    await _until(told, limit, f"{count} statuses", every=0.2)
    deadline = began + limit
    while await ready(api) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} endpoints Ready: not within {limit:.0f} s")
        await asyncio.sleep(0.2)
    installation.audit.take()
    last = installation.audit.last_status - wall
    await quiet(installation)
    used = installation.usage()
    return Created(
        accepted=accepted,
        ready=last,
        writes=installation.audit.writes,
        reads=installation.audit.reads,
        refused=installation.audit.refused,
        usage=Usage(cpu=used.cpu - before.cpu, peak=used.peak, resident=used.resident),
        server_cpu=server_cpu() - servers,
    )


async def restart(installation: Installation) -> Restarted:
    """End the operator in order and start it again."""
    await asyncio.to_thread(installation.operator.end)
    installation.audit.reset()
    began = time.monotonic()
    took = await asyncio.to_thread(installation.start_operator)
    idle = await quiet(installation) - began
    return Restarted(working=took, idle=idle, writes=installation.audit.writes, usage=installation.usage())


async def changes(installation: Installation, api: Api, count: int, samples: int) -> Changed:
    """Change one endpoint after another and wait until its status tells of it."""
    await quiet(installation)
    installation.audit.reset()
    seconds = []
    for sample in range(samples):
        i = sample * 7919 % count
        patched = await api.merge_patch(
            WEBHOOKENDPOINTS, name_of(i), namespace_of(i), {"spec": {"target": {"timeout": f"{1 + sample % 9}s"}}}
        )
        began, generation = time.monotonic(), patched["metadata"]["generation"]

        async def seen(i: int = i, generation: int = generation) -> bool:
            found = await api.get(WEBHOOKENDPOINTS, name_of(i), namespace_of(i))
            return found is not None and is_ready(found, generation)

        await _until(seen, 30, "a change to be Ready", every=0.01)
        seconds.append(time.monotonic() - began)
    await quiet(installation)
    return Changed(seconds=tuple(seconds), writes=installation.audit.writes)


async def deactivations(installation: Installation, api: Api, count: int, samples: int) -> Changed:
    """Deactivate one endpoint after another and call its URL until the receiver refuses; then activate it again."""
    await quiet(installation)
    installation.audit.reset()
    seconds = []
    async with aiohttp.ClientSession() as session:
        for sample in range(samples):
            i = sample * 7919 % count
            found = await api.get(WEBHOOKENDPOINTS, name_of(i), namespace_of(i))
            assert found is not None
            url = installation.receiver_url + urlsplit(found["status"]["url"]).path

            async def answers(status: int, url: str = url) -> bool:
                async with session.post(url, data=b"{}") as response:
                    return response.status == status

            await _state(api, i, "inactive")
            began = time.monotonic()
            await _until(lambda: answers(503), 30, "a deactivation to hold", every=0.001)
            seconds.append(time.monotonic() - began)
            await _state(api, i, "active")
            await _until(lambda: answers(401), 30, "an activation to hold", every=0.01)
    await quiet(installation)
    return Changed(seconds=tuple(seconds), writes=installation.audit.writes)


async def rest(installation: Installation, seconds: float) -> Rested:
    """Leave everything alone."""
    await quiet(installation)
    installation.audit.reset()
    before = installation.usage()
    await asyncio.sleep(seconds)
    installation.audit.take()
    cpu = installation.usage().cpu - before.cpu
    return Rested(seconds=seconds, writes=installation.audit.writes, reads=installation.audit.reads, cpu=cpu)


async def quiet(installation: Installation, *, seconds: float = 1.5, limit: float = 300.0) -> float:
    """Wait until the operator has neither written nor computed anything for ``seconds``; when that began."""
    deadline, since = time.monotonic() + limit, time.monotonic()
    writes, cpu = -1, -1.0
    while time.monotonic() - since < seconds:
        installation.alive()
        if time.monotonic() > deadline:
            raise TimeoutError(f"the operator at rest: not within {limit:.0f} s")
        await asyncio.sleep(0.1)
        installation.audit.take()
        now, used = installation.audit.writes.total(), installation.usage().cpu
        # A resting process still renews its lease and answers nothing else: one tick of the clock is no work.
        if now != writes or used - cpu > 0.025:
            since = time.monotonic()
        writes, cpu = now, used
    return since


async def ready(api: Api) -> int:
    """How many endpoints are Ready for their newest spec."""
    count = 0
    async for items, _ in api.pages(WEBHOOKENDPOINTS):
        count += sum(is_ready(item, item["metadata"]["generation"]) for item in items)
    return count


def is_ready(found: dict[str, Any], generation: int) -> bool:
    """Tell whether an endpoint is Ready, and said so of this generation or a later one."""
    return any(
        c["type"] == "Ready" and c["status"] == "True" and c["observedGeneration"] >= generation
        for c in found.get("status", {}).get("conditions", ())
    )


def name_of(index: int) -> str:
    """The name of the endpoint number ``index``."""
    return f"push-{index}"


def endpoint(index: int) -> dict[str, Any]:
    """The manifest of the endpoint number ``index``: GitHub's scheme, a generated secret, a Service as target."""
    return {
        "metadata": {"name": name_of(index), "namespace": namespace_of(index)},
        "spec": {
            "auth": {"type": "hmac", "provider": "github"},
            "target": {"service": {"name": "ci", "port": 8080}},
        },
    }


async def _state(api: Api, index: int, state: str) -> None:
    await api.merge_patch(WEBHOOKENDPOINTS, name_of(index), namespace_of(index), {"spec": {"state": state}})


async def _until(holds: _HOLDS, limit: float, what: str, *, every: float = 0.05) -> None:
    deadline = time.monotonic() + limit
    while not await holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {limit:.0f} s")
        await asyncio.sleep(every)

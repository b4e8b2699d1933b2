"""Baselines: what as many applies take, of small Secrets and of what endpoints need, by the usual client and by ours.

All are made by a client that reads, watches and decides nothing, with the operator's rights and as many requests at
once, while the operator does not run. They tell how fast the machine is at the time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.aio import client, config
from kubernetes.aio.dynamic import DynamicClient

from hookgate.kube.api import FIELD_MANAGER, NAMESPACES, SECRETS, WEBHOOKENDPOINTS, Api, ApiError
from tests.bench.operator.needed import needed
from tests.bench.operator.process import own_cpu, server_cpu

#: As many requests at once as the operator has workers.
CONCURRENCY = 20
#: The writes that a created endpoint costs, its Event aside; as many bare applies are what it is compared with.
WRITES_EACH = 5
_NAMESPACE = "bare"
_MOST_APPLIES, _MOST_ENDPOINTS = 10_000, 1_000
_KINDS = (("v1", "Secret"), ("networking.k8s.io/v1", "Ingress"), ("hookgate.dev/v1alpha1", "WebhookEndpoint"))

Object = dict[str, Any]
Apply = Callable[[Object], Awaitable[object]]
"""Applies one object, or the status in it, on the server's side, and returns when the answer was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """What it took: ``server_cpu`` is the API server's and etcd's. All in seconds."""

    seconds: float
    server_cpu: float
    client_cpu: float


@asynccontextmanager
async def library_applies(kubeconfig: str, cache: Path) -> AsyncIterator[Apply]:
    """Apply through `kubernetes.aio`, by its client for server-side apply, which is the quickest that it has.

    That takes and gives plain objects; the typed one would parse every answer into models. One client for all, so that
    its connections are kept, of which there may be more than requests at once; discovery is over before anything is
    measured, and remembered in the file ``cache``.
    """
    settings = client.Configuration()
    await config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=kubeconfig, client_configuration=settings, persist_config=False
    )
    async with client.ApiClient(settings) as connection:
        dynamic = await DynamicClient(connection, cache_file=str(cache))  # type: ignore[no-untyped-call]
        kinds = {kind: await dynamic.resources.get(api_version=version, kind=kind) for version, kind in _KINDS}

        async def apply(obj: Object) -> object:
            resource = kinds[obj["kind"]]
            where = resource.subresources["status"] if "status" in obj else resource
            return await dynamic.server_side_apply(where, obj, field_manager=FIELD_MANAGER, force_conflicts=True)

        yield apply


def own_applies(api: Api) -> Apply:
    """Apply through ``api``, the operator's own client."""
    return lambda obj: api.apply(SECRETS, obj)


async def bare_applies(apply: Apply, admin: Api, count: int) -> Bare:
    """Apply ``count`` small Secrets, and remove them afterwards. Of many only a part, told in proportion."""
    await _make_namespace(admin)
    made = min(count, _MOST_APPLIES)
    written = [_secret(f"bare-{i}") for i in range(made)]
    took = await _measured(lambda: together(apply(obj) for obj in written), count / made)
    await together(admin.delete(SECRETS, str(obj["metadata"]["name"]), _NAMESPACE) for obj in written)
    return took


async def needed_applies(apply: Apply, admin: Api, count: int, endpoint: Object) -> Bare:
    """Apply what each of ``count`` endpoints like ``endpoint`` needs, and leave it there.

    The endpoints are there before. Of many only a part, told in proportion.
    """
    await _make_namespace(admin)
    made = min(count, _MOST_ENDPOINTS)
    await together(admin.create(WEBHOOKENDPOINTS, _named(endpoint, i)) for i in range(made))
    found, _ = await admin.list(WEBHOOKENDPOINTS, _NAMESPACE)
    written = [needed(each) for each in found]
    assert {len(objects) for objects in written} == {WRITES_EACH}

    async def all_for(objects: Iterable[Object]) -> None:
        for obj in objects:
            await apply(obj)

    return await _measured(lambda: together(map(all_for, written)), count / made)


async def together(calls: Iterable[Awaitable[object]]) -> None:
    """Await them all, in order, `CONCURRENCY` at a time."""
    remaining = iter(calls)

    async def work() -> None:
        for call in remaining:
            await call

    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


async def _measured(work: Callable[[], Awaitable[None]], factor: float) -> Bare:
    client, server, began = own_cpu(), server_cpu(), time.monotonic()
    await work()
    return Bare(
        seconds=(time.monotonic() - began) * factor,
        server_cpu=(server_cpu() - server) * factor,
        client_cpu=(own_cpu() - client) * factor,
    )


def _secret(name: str) -> Object:
    metadata = {"name": name, "namespace": _NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"k": "YWJj"}}


async def _make_namespace(admin: Api) -> None:
    try:
        await admin.create(NAMESPACES, {"metadata": {"name": _NAMESPACE}})
    except ApiError as error:
        if not error.already_exists:
            raise


def _named(endpoint: Object, index: int) -> Object:
    return {**endpoint, "metadata": {"name": f"bare-{index}", "namespace": _NAMESPACE}}

"""Baselines: what as many small applies take, by the usual client and by ours, and the very writes of an operator.

All are made by a client that decides nothing, with the operator's rights and as many requests at once, while nobody
watches. They tell how fast the machine is at the time, and what no operator can do without.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes.aio import client, config
from kubernetes.aio.dynamic import DynamicClient

from hookgate.control import objects
from hookgate.kube import events
from hookgate.kube.api import EVENTS, FIELD_MANAGER, INGRESSES, NAMESPACES, SECRETS, WEBHOOKENDPOINTS, Api, ApiError
from tests.bench.operator.process import own_cpu, server_cpu

#: As many requests at once as the operator has workers.
CONCURRENCY = 20
#: The writes that a created endpoint costs, its Event aside; as many bare applies are what it is compared with.
WRITES_EACH = 5
_NAMESPACE = "bare"
_MOST_APPLIES, _MOST_ENDPOINTS = 10_000, 1_000
_LETTERS = "x" * 40

Object = dict[str, Any]
Apply = Callable[[Object], Awaitable[object]]
"""Applies one Secret on the server's side, and returns when the answer was read."""


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
        secrets = await dynamic.resources.get(api_version="v1", kind="Secret")

        async def apply(obj: Object) -> object:
            return await dynamic.server_side_apply(secrets, obj, field_manager=FIELD_MANAGER, force_conflicts=True)

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


async def same_writes(api: Api, admin: Api, count: int, endpoint: Object) -> Bare:
    """Create ``count`` endpoints like ``endpoint`` and write what an operator would for each; leave it all there."""
    await _make_namespace(admin)
    made = min(count, _MOST_ENDPOINTS)

    async def all_of_it() -> None:
        await together(admin.create(WEBHOOKENDPOINTS, _named(endpoint, i)) for i in range(made))
        found, _ = await admin.list(WEBHOOKENDPOINTS, _NAMESPACE)
        await together(_write(api, each) for each in found)

    return await _measured(all_of_it, count / made)


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


async def _write(api: Api, endpoint: Object) -> None:
    """The writes for one endpoint, of the usual sizes: finalizer, binding, connection Secret, route, status, Event."""
    uid, name = endpoint["metadata"]["uid"], endpoint["metadata"]["name"]
    await api.apply(WEBHOOKENDPOINTS, objects.finalizer(endpoint, present=True))
    await api.create(SECRETS, objects.binding_secret(uid, b"b" * 800, "hookgate-bindings", "bare"))
    labels = objects.labels("bare", uid)
    data = objects.encode_data({"url": b"u" * 60, "secret": b"s" * 64, "header": b"h" * 19})
    metadata = {"name": f"{name}-webhook", "namespace": _NAMESPACE, "labels": labels}
    await api.create(SECRETS, {"metadata": metadata, "data": data})
    await api.apply(INGRESSES, _ingress(uid, labels))
    identity = {key: endpoint["metadata"][key] for key in ("name", "namespace", "uid")}
    await api.apply(WEBHOOKENDPOINTS, {"metadata": identity, "status": _status()}, subresource="status")
    told = events.event(
        endpoint,
        kind="Normal",
        reason="Active",
        action="Reconcile",
        note=_LETTERS,
        instance="bare",
        now=datetime.now(UTC),
    )
    await api.create(EVENTS, told)


def _ingress(uid: str, labels: dict[str, str]) -> Object:
    backend = {"service": {"name": "hookgate-receiver", "port": {"number": 80}}}
    path = {"path": f"/h/{uid[:32]}", "pathType": "Exact", "backend": backend}
    return {
        "metadata": {"name": f"hookgate-{uid}", "namespace": "hookgate-system", "labels": labels},
        "spec": {
            "ingressClassName": "contour",
            "rules": [{"host": "hooks.example.com", "http": {"paths": [path]}}],
            "tls": [{"hosts": ["hooks.example.com"]}],
        },
    }


def _status() -> Object:
    kinds = ("Ready", "Accepted", "ResolvedRefs", "Programmed", "Exposed")
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": kind,
            "message": _LETTERS,
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind in kinds
    ]
    return {
        "observedGeneration": 1,
        "url": f"https://hooks.example.com/h/{_LETTERS[:32]}",
        "header": "X-Hub-Signature-256",
        "secretName": "push-webhook",
        "bindingDigest": "0" * 32,
        "conditions": conditions,
    }


def _named(endpoint: Object, index: int) -> Object:
    return {**endpoint, "metadata": {"name": f"bare-{index}", "namespace": _NAMESPACE}}

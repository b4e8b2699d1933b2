"""What the reflector's tests share: a running reflector of a fake server, and what it told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from hookgate.kube.api import SECRETS, Api
from hookgate.kube.light import NoToken
from hookgate.kube.reflector import Reflector
from hookgate.kube.transport import Connection, HttpTransport
from tests.kube.asyncrun import eventually
from tests.kube.fakeserver import FakeApiServer


@dataclass
class Told:
    """What the callbacks heard."""

    changes: list[tuple[str, str]] = field(default_factory=list)
    lists: list[list[str]] = field(default_factory=list)

    def change(self, kind: str, obj: dict[str, Any]) -> None:
        self.changes.append((kind, obj["metadata"]["name"]))

    def replace(self, objects: list[dict[str, Any]], _version: str) -> None:
        self.lists.append(sorted(obj["metadata"]["name"] for obj in objects))


def client(server: FakeApiServer) -> Api:
    return Api(HttpTransport(Connection(server=server.url, credentials=NoToken())))


@asynccontextmanager
async def reflecting(server: FakeApiServer, told: Told, **options: Any) -> AsyncIterator[Reflector]:
    """A running reflector whose backoff is as short as it gets."""
    async with client(server) as api:
        usual: dict[str, Any] = {"namespace": "ns", "on_change": told.change, "chance": lambda: 0.0}
        reflector = Reflector(api, SECRETS, **(usual | options))
        task = asyncio.create_task(reflector.run())
        try:
            yield reflector
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def watching(server: FakeApiServer, reflector: Reflector) -> None:
    await reflector.synced.wait()
    await eventually(lambda: server.watching == 1, "one open watch")


def names(reflector: Reflector) -> list[str]:
    return sorted(obj["metadata"]["name"] for obj in reflector.items())

"""An API server for the faults that a real one cannot be asked for: real sockets, one collection, scripted answers.

It keeps one collection of objects with resourceVersions and an event history, serves LIST (paged), WATCH and single
objects as an API server does, and lets a test put one answer of its own in front of the next list or watch. What the
server really does (validation, apply, preconditions) is tested on a real one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Object = dict[str, Any]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it arrived."""

    verb: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(eq=False)
class _Watch:
    """One open watch; None in the queue ends it."""

    transport: asyncio.Transport | None
    queue: asyncio.Queue[Object | None] = field(default_factory=asyncio.Queue)


@dataclass
class FakeApiServer:
    """Serves ``/api/v1/namespaces/{namespace}/secrets`` on 127.0.0.1; a test is inside ``async with``."""

    tls: ssl.SSLContext | None = None
    version: int = 100
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    history: list[Object] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    tokens: set[str] | None = None
    port: int = 0
    _next: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    _watches: list[_Watch] = field(default_factory=list)
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen, on the same port as before after a `stop`."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every connection and refuse new ones."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def put(self, name: str, *, namespace: str = "ns", data: str = "", uid: str = "", quiet: bool = False) -> Object:
        """Create or change an object; ``quiet``: no watch is told, as in a gap."""
        key = (namespace, name)
        known = self.objects.get(key)
        self.version += 1
        kept = known["metadata"]["uid"] if known else f"uid-{self.version}"
        metadata = {
            "namespace": namespace,
            "name": name,
            "uid": uid or kept,
            "resourceVersion": str(self.version),
            "managedFields": [{"manager": "somebody"}],
        }
        obj = {"metadata": metadata, "data": {"value": data}}
        self.objects[key] = obj
        self._record("MODIFIED" if known else "ADDED", obj, quiet)
        return obj

    def remove(self, name: str, *, namespace: str = "ns", quiet: bool = False) -> None:
        """Delete an object."""
        obj = self.objects.pop((namespace, name))
        self.version += 1
        last = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        self._record("DELETED", last, quiet)

    def send(self, event: Object) -> None:
        """Send ``event`` on every open watch."""
        for watch in self._watches:
            watch.queue.put_nowait(event)

    def bookmark(self) -> None:
        """Send the current version as a bookmark."""
        self.version += 1
        self.send(
            {"type": "BOOKMARK", "object": {"kind": "Secret", "metadata": {"resourceVersion": str(self.version)}}}
        )

    def end(self) -> None:
        """End every open watch as a server does in time."""
        for watch in self._watches:
            watch.queue.put_nowait(None)

    def cut(self) -> None:
        """Drop the connection of every open watch."""
        for watch in self._watches:
            if watch.transport is not None:
                # The first CPythons of 3.11 cannot abort one whose peer has ended TLS already.
                with contextlib.suppress(AttributeError):
                    watch.transport.abort()

    def next(self, verb: str, answer: Answer) -> None:
        """Let ``answer`` deal with the next request of ``verb`` (list, watch, get, post, put, patch, delete)."""
        self._next[verb].append(answer)

    def requests(self, verb: str) -> list[Seen]:
        """The requests of one verb so far."""
        return [seen for seen in self.seen if seen.verb == verb]

    @property
    def watching(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    def _record(self, kind: str, obj: Object, quiet: bool) -> None:
        event = {"type": kind, "object": obj}
        self.history.append(event)
        if not quiet:
            self.send(event)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        verb = request.method.lower()
        if verb == "get" and request.path.endswith("/secrets"):
            verb = "watch" if request.query.get("watch") == "true" else "list"
        self.seen.append(
            Seen(
                verb=verb,
                path=request.raw_path.partition("?")[0],
                query=dict(request.query),
                headers={name.lower(): value for name, value in request.headers.items()},
                body=await request.read(),
            )
        )
        if self.tokens is not None and request.headers.get("Authorization", "").split(" ")[-1] not in self.tokens:
            return failure(401, "Unauthorized")
        if self._next[verb]:
            return await self._next[verb].popleft()(request)
        if verb == "list":
            return self.list_answer(request)
        if verb == "watch":
            return await self._watch(request)
        parts = request.path.split("/")
        obj = self.objects.get((parts[-3], parts[-1])) if len(parts) > 3 else None
        return web.json_response(obj) if obj is not None else failure(404, "NotFound")

    def list_answer(self, request: web.Request) -> web.Response:
        """A page of the list, as ``request`` asks for it."""
        limit, start = int(request.query.get("limit", "0")), int(request.query.get("continue", "0"))
        everything = list(self.objects.values())
        end = start + limit if limit else len(everything)
        metadata = {"resourceVersion": str(self.version)} | ({"continue": str(end)} if end < len(everything) else {})
        return web.json_response({"kind": "SecretList", "metadata": metadata, "items": everything[start:end]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        response = await begin(request)
        watch = _Watch(request.transport)
        for event in self.history:
            if int(event["object"]["metadata"]["resourceVersion"]) > since:
                watch.queue.put_nowait(event)
        self._watches.append(watch)
        try:
            while (told := await watch.queue.get()) is not None:
                await response.write(json.dumps(told).encode() + b"\n")
        finally:
            self._watches.remove(watch)
        return response


async def begin(request: web.Request) -> web.StreamResponse:
    """The head of a watch's answer."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    return response


def status_object(code: int, reason: str, message: str = "") -> Object:
    """A Kubernetes Status that says no."""
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


def failure(code: int, reason: str, *, message: str = "", retry_after: str | None = None) -> web.Response:
    """An error answer as API servers give it."""
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    return web.json_response(status_object(code, reason, message), status=code, headers=headers)


def failing(code: int, reason: str, *, message: str = "", retry_after: str | None = None) -> Answer:
    """An answer for `FakeApiServer.next` that fails."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return failure(code, reason, message=message, retry_after=retry_after)

    return answer


def saying(raw: bytes) -> Answer:
    """A watch that says ``raw`` and ends."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await response.write(raw)
        return response

    return answer


async def silent(request: web.Request) -> web.StreamResponse:
    """A watch that begins and never says anything, as after a lost peer."""
    response = await begin(request)
    await asyncio.sleep(3600)
    return response

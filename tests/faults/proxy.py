"""A reverse proxy between Hookgate's processes and the API server that logs everything and does harm on demand.

It listens on plain HTTP at one port for each client, so that every request has a known author, and runs on a loop in a
thread of its own: tests stay straight-line code. What it may do to requests and events is told by the rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
from aiohttp import web

from tests.faults.asked import Asked, Entry, Teams, parse
from tests.faults.past import Past
from tests.faults.rules import Break, Fail, Hold, Kill, Lose, Moment, Rule, Told
from tests.kube.asyncrun import _sockets_closed

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "host", "te"}
_LONGEST_S = 120.0
_DRIPS, _DRIP_S = 10, 0.05
_DELAY_S = 1.0


class Proxy:
    """Between some clients and the API server at ``server``. Use as a context manager; `open_port` adds a client."""

    def __init__(self, server: str, ca_file: str) -> None:
        self.log: list[Entry] = []
        self.told: list[Told] = []
        self.teams = Teams()
        self.rules: list[Rule] = []
        self.losses: list[Lose] = []
        self.past: Past | None = None
        #: Clients whose requests are no longer passed on: those of a killed process that are still on their way.
        self.dead: set[str] = set()
        self._server = server
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._streams: dict[asyncio.Queue[bytes | None], Asked] = {}
        self._silent: set[asyncio.Queue[bytes | None]] = set()
        self._runners: list[web.ServerRunner] = []

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open_port(self, client: str) -> str:
        """Return the URL at which ``client``, and nobody else, is to reach the API server."""
        url: str = self._call(self._listen(client))
        return url

    # What tests read and do -----------------------------------------------------------------------------------------

    def mark(self) -> int:
        """A place in the log."""
        return len(self.log)

    def since(self, mark: int, *, team: str | None = None, client: str | None = None) -> list[Entry]:
        """Return what was asked since ``mark``, about a team, by a client; without Leases."""
        return [
            e
            for e in self.log[mark:]
            if e.asked.resource != "leases"
            and team in (None, e.asked.team)
            and (client is None or e.asked.client == client)
        ]

    def writes(self, mark: int, *, team: str | None = None, client: str | None = None) -> list[Entry]:
        """Return the changes asked for since ``mark``."""
        return [e for e in self.since(mark, team=team, client=client) if e.asked.writes]

    def clear(self) -> None:
        """Forget all rules, and speak of the present."""
        self.rules, self.losses = [], []
        self._silent.clear()
        if self.past is not None:
            self._loop.call_soon_threadsafe(self.past.over.set)
            self.past = None

    def let_go(self, held: Hold) -> None:
        """Give the answers that were kept back, and keep back none from now on."""
        self._loop.call_soon_threadsafe(held.over.set)

    def cut_streams(self, where: Callable[[Asked], bool] = lambda _: True) -> int:
        """End the open watches for which ``where`` says yes, as a dying server does; return how many."""
        return self._into_streams(None, where)

    def silence_streams(self, where: Callable[[Asked], bool] = lambda _: True) -> int:
        """Pass nothing more on, on the watches that are open now, and leave them open; return how many."""
        found = {queue for queue, asked in list(self._streams.items()) if where(asked)}
        self._silent |= found
        return len(found)

    def inject(self, event: dict[str, Any] | bytes, where: Callable[[Asked], bool] = lambda _: True) -> int:
        """Tell an event, or a line that is none, on open watches; the API server knows nothing of it."""
        return self._into_streams(event if isinstance(event, bytes) else json.dumps(event).encode(), where)

    def open_streams(self, client: str | None = None) -> list[str]:
        """The names of the watches that are open now."""
        return sorted(a.stream for a in list(self._streams.values()) if client in (None, a.client))

    # Serving --------------------------------------------------------------------------------------------------------

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def _into_streams(self, what: bytes | None, where: Callable[[Asked], bool]) -> int:
        queues = [queue for queue, asked in list(self._streams.items()) if where(asked)]
        for queue in queues:
            self._loop.call_soon_threadsafe(queue.put_nowait, what)
        return len(queues)

    async def _open(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True, read_bufsize=2**20)

    async def _close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._session.close()
        await _sockets_closed()

    async def _listen(self, client: str) -> str:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(client, request)

        runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _handle(self, client: str, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        agent = request.headers.get("User-Agent", "").split("/")[0]
        asked = parse(client, (request.method, request.raw_path), agent=agent, body=body, teams=self.teams)
        entry = Entry(asked=asked, began=time.monotonic())
        self.log.append(entry)
        try:
            return await self._treat(entry, request, body)
        except (OSError, aiohttp.ClientError, TimeoutError):
            entry.fate = entry.fate or "upstream gone"
            _cut(request)
            return web.Response(status=502)
        finally:
            entry.ended = time.monotonic()

    async def _treat(self, entry: Entry, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        asked = entry.asked
        rule = next((r for r in self.rules if r.meets(asked)), None)
        if asked.client in self.dead:
            return self._lost(entry, request, "of a dead process")
        match rule.action if rule is not None else None:
            case Fail() as fail:
                entry.fate, entry.status = f"answered {fail.status}", fail.status
                return _failure(fail)
            case Kill() as kill:
                return await self._kill(kill, entry, request, body)
            case Break(how="reset"):
                return self._lost(entry, request, "reset")
            case Break(how="hang"):
                entry.fate = "hangs"
                await asyncio.sleep(_LONGEST_S)
                return self._lost(entry, request, "hangs")
            case Break(how=how):
                entry.fate = how
            case Hold():
                entry.fate = "held"
        if asked.verb == "watch":
            return await self._watch(entry, request)
        if self.past is not None and self.past.knows(asked):
            return self._answer_from_past(self.past, entry)
        status, headers, reply = await self._forward(entry, request, body)
        if rule is not None and isinstance(rule.action, Hold):
            await rule.action.over.wait()
            return await _sent(request, web.Response(status=status, headers=headers, body=reply))
        if entry.fate == "lost":
            return self._lost(entry, request, "lost")
        if entry.fate == "drip":
            return await _drip(request, status, headers, reply)
        return web.Response(status=status, headers=headers, body=reply)

    async def _kill(self, kill: Kill, entry: Entry, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        entry.fate = f"killed {kill.moment.value}"
        if kill.moment is Moment.BEFORE:
            self._die(kill, entry)
            return self._lost(entry, request, entry.fate)
        status, headers, reply = await self._forward(entry, request, body)
        if kill.moment is Moment.UNANSWERED:
            self._die(kill, entry)
            return self._lost(entry, request, entry.fate)
        response = await _sent(request, web.Response(status=status, headers=headers, body=reply))
        self._die(kill, entry)
        return response

    def _die(self, kill: Kill, entry: Entry) -> None:
        self.dead.add(entry.asked.client)
        kill.kill()

    def _lost(self, entry: Entry, request: web.BaseRequest, fate: str) -> web.Response:
        entry.fate = fate
        _cut(request)
        return web.Response(status=502)

    def _answer_from_past(self, past: Past, entry: Entry) -> web.Response:
        status, document = past.answer(entry.asked)
        entry.fate, entry.status = "from the past", status
        return web.json_response(document, status=status)

    async def _forward(self, entry: Entry, request: web.BaseRequest, body: bytes) -> tuple[int, dict[str, str], bytes]:
        entry.forwarded = True
        async with self._session.request(
            request.method, self._server + request.raw_path, headers=_passed(request.headers), data=body or None
        ) as answer:
            reply = await answer.read()
            entry.status = answer.status
            if "webhookendpoints" in entry.asked.resource:
                self._learn(reply)
            return answer.status, _passed(answer.headers), reply

    def _learn(self, reply: bytes) -> None:
        with contextlib.suppress(ValueError):
            document = json.loads(reply)
            for obj in document.get("items") or (document,):
                self.teams.learn(obj)

    # Watches --------------------------------------------------------------------------------------------------------

    async def _watch(self, entry: Entry, request: web.BaseRequest) -> web.StreamResponse:
        entry.forwarded = True
        if self.past is not None:
            await self.past.over.wait()
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(
            self._server + request.raw_path, headers=_passed(request.headers), timeout=timeout
        ) as upstream:
            entry.status = upstream.status
            if upstream.status != 200:
                reply = await upstream.read()
                return web.Response(status=upstream.status, headers=_passed(upstream.headers), body=reply)
            response = web.StreamResponse(headers=_passed(upstream.headers))
            await response.prepare(request)
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await self._pass_on(entry, upstream, response, request)
            return response

    async def _pass_on(
        self, entry: Entry, upstream: aiohttp.ClientResponse, response: web.StreamResponse, request: web.BaseRequest
    ) -> None:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._streams[queue] = entry.asked
        reading = asyncio.ensure_future(_read_lines(upstream.content, queue))
        gone = asyncio.ensure_future(_gone(request))
        try:
            while not gone.done():
                getting = asyncio.ensure_future(queue.get())
                await asyncio.wait((getting, gone), return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    getting.cancel()
                    break
                line = getting.result()
                if line is None:
                    break
                if queue in self._silent:
                    continue
                for each in await self._fate_of(line, entry):
                    await response.write(each + b"\n")
        finally:
            del self._streams[queue]
            self._silent.discard(queue)
            reading.cancel()
            gone.cancel()
            _cut(request)

    async def _fate_of(self, line: bytes, entry: Entry) -> tuple[bytes, ...]:
        """What is told in the place of an event."""
        try:
            event = json.loads(line)
        except ValueError:
            return (line,)
        obj, stream = event.get("object") or {}, entry.asked.stream
        if entry.asked.resource == "webhookendpoints":
            self.teams.learn(obj)
        team = self.teams.of_object(obj)
        told = Told(at=time.monotonic(), client=entry.asked.client, stream=stream, team=team, kind=event["type"])
        self.told.append(told)
        told_of = [] if event["type"] == "BOOKMARK" else self.losses
        loss = next((each for each in told_of if each.meets(entry.asked.client, stream, team)), None)
        match loss.what if loss is not None else "":
            case "drop":
                return ()
            case "delay":
                await asyncio.sleep(_DELAY_S)
            case "duplicate":
                return (line, line)
            case "cut":
                raise ConnectionError("cut before an event")
        return (line,)


async def _read_lines(content: aiohttp.StreamReader, queue: asyncio.Queue[bytes | None]) -> None:
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async for line in _lines(content):
            queue.put_nowait(line)
    queue.put_nowait(None)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


async def _gone(request: web.BaseRequest) -> None:
    """Return when the client has closed its connection."""
    # The library tells nobody while a handler writes: looking is the only way.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.2)


async def _sent(request: web.BaseRequest, response: web.Response) -> web.Response:
    """Hand an answer to the network now, not some time after the handler has ended."""
    await response.prepare(request)
    await response.write_eof()
    return response


async def _drip(request: web.BaseRequest, status: int, headers: dict[str, str], reply: bytes) -> web.StreamResponse:
    """Answer a little at a time, slowly."""
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(reply)
    await response.prepare(request)
    size = max(1, len(reply) // _DRIPS)
    for start in range(0, len(reply), size):
        await response.write(reply[start : start + size])
        await asyncio.sleep(_DRIP_S)
    await response.write_eof()
    return response


def _failure(fail: Fail) -> web.Response:
    """An error as an API server tells it."""
    reason = {
        403: "Forbidden",
        409: "Conflict",
        422: "Invalid",
        429: "TooManyRequests",
        500: "InternalError",
        504: "Timeout",
    }
    document = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason.get(fail.status, "ServiceUnavailable"),
        "message": "injected by a test",
        "code": fail.status,
    }
    headers = {"Retry-After": str(fail.retry_after)} if fail.retry_after is not None else {}
    return web.json_response(document, status=fail.status, headers=headers)


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _passed(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}

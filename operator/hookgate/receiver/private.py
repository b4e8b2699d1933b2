"""The private listener's ASGI callable: probes, and which bindings are in force. Nothing here is secret.

It stands on its own port, which no route leads to. It may not know endpoints beyond their uids and digests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hookgate.receiver.edge import Receive, Scope, Send
from hookgate.receiver.table import BindingTable

_MAX_BODY = 1 << 20


class PrivateApp:
    """``GET /livez``, ``GET /readyz``, ``POST /digests``."""

    def __init__(self, table: BindingTable, *, draining: Callable[[], bool]) -> None:
        """Ready means: a full table has been loaded once, and the end has not been announced."""
        self._table, self._draining = table, draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        method = scope["method"]
        match scope["raw_path"]:
            case b"/livez" if method == "GET":
                await _text(send, 200, b"ok\n")
            case b"/readyz" if method == "GET":
                await self._ready(send)
            case b"/digests" if method == "POST":
                await self._digests(receive, send)
            case b"/livez" | b"/readyz" | b"/digests":
                await _text(send, 405, b"method not allowed\n")
            case _:
                await _text(send, 404, b"not found\n")

    async def _ready(self, send: Send) -> None:
        if self._draining():
            await _text(send, 503, b"draining\n")
        elif not self._table.loaded:
            await _text(send, 503, b"no table yet\n")
        else:
            await _text(send, 200, b"ok\n")

    async def _digests(self, receive: Receive, send: Send) -> None:
        raw = await _read(receive)
        if raw is None:
            await _text(send, 413, b"content too large\n")
            return
        uids = _uids(raw)
        if uids is None:
            await _text(send, 400, b"body: must be a JSON list of uids\n")
            return
        digests: Mapping[str, str] = {uid: found for uid in uids if (found := self._table.digest(uid)) is not None}
        await _send(send, 200, b"application/json", json.dumps({"digests": digests}).encode())


def _uids(raw: bytes) -> list[str] | None:
    try:
        document: Any = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, list) and all(isinstance(uid, str) for uid in document) else None


async def _read(receive: Receive) -> bytes | None:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        chunks.append(message["body"])
        size += len(chunks[-1])
        if size > _MAX_BODY:
            return None
        if not message["more_body"]:
            return b"".join(chunks)


async def _text(send: Send, status: int, body: bytes) -> None:
    await _send(send, status, b"text/plain", body)


async def _send(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = ((b"content-type", content_type), (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

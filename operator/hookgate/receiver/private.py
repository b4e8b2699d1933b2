"""The private listener's ASGI callable: probes, which bindings are in force, and what became of calls.

It stands on its own port, which no route leads to. Nothing here is secret, and no answer is larger than the table and
the journal, which are bounded.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from hookgate.receiver.edge import Receive, Scope, Send
from hookgate.receiver.journal import Journal, Page, Refused
from hookgate.receiver.metrics import CONTENT_TYPE, Metrics
from hookgate.receiver.table import BindingTable

_MAX_BODY = 1 << 20


_Answer = Callable[[bytes], bytes | None]


class PrivateApp:
    """``GET /livez``, ``/readyz`` and ``/metrics``; ``POST /digests``, ``/calls`` and ``/refusals``."""

    def __init__(
        self,
        table: BindingTable,
        *,
        draining: Callable[[], bool],
        journal: Journal | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Ready means: a full table has been loaded once, and the end has not been announced."""
        self._table, self._draining, self._metrics = table, draining, metrics
        self._journal = journal or Journal(table)
        self._answers: Mapping[bytes, _Answer] = {
            b"/digests": self._digests,
            b"/calls": self._calls,
            b"/refusals": self._refusals,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["raw_path"]
        match path:
            case b"/livez" if method == "GET":
                await _text(send, 200, b"ok\n")
            case b"/readyz" if method == "GET":
                await self._ready(send)
            case b"/metrics" if method == "GET" and self._metrics is not None:
                # In a thread, since a large table's text takes a while; what is read there is read in single steps.
                text = await asyncio.to_thread(self._metrics.render, self._metrics.pages())
                await _send(send, 200, CONTENT_TYPE, text)
            case _ if path in self._answers and method == "POST":
                await _reply(receive, send, self._answers[path])
            case b"/livez" | b"/readyz" | b"/metrics" | b"/digests" | b"/calls" | b"/refusals":
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

    def _digests(self, raw: bytes) -> bytes | None:
        """Tell the digest of each binding that is served exactly as written."""
        uids = _uids(raw)
        if uids is None:
            return None
        digests = {uid: found for uid in uids if (found := self._table.digest(uid)) is not None}
        return json.dumps({"digests": digests}).encode()

    def _calls(self, raw: bytes) -> bytes | None:
        """Tell what became of the calls of each endpoint that was called."""
        uids = _uids(raw)
        if uids is None:
            return None
        calls = {uid: told(page) for uid in uids if (page := self._journal.page(uid)) is not None}
        return json.dumps({"calls": calls}).encode()

    def _refusals(self, raw: bytes) -> bytes | None:
        """Tell the last refused calls of one endpoint, the latest last."""
        uid = _parsed(raw)
        if not isinstance(uid, str):
            return None
        page = self._journal.page(uid)
        return json.dumps({"refusals": [_told_refusal(each) for each in page.ring] if page else []}).encode()


def told(page: Page) -> dict[str, Any]:
    """Return one endpoint's calls as ``/calls`` tells them."""
    last = page.ring[-1] if page.ring else None
    return {
        "accepted": page.accepted,
        "refused": page.refused,
        "repeated": page.repeated,
        "lastAccepted": page.last_accepted,
        "lastRefused": {"time": last.at, "reason": last.reason} if last else None,
        "keys": page.keys,
    }


def _told_refusal(refused: Refused) -> dict[str, Any]:
    return {
        "time": refused.at,
        "step": refused.step,
        "reason": refused.reason,
        "where": refused.where,
        "skew": None if refused.skew is None else round(refused.skew, 3),
    }


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _uids(raw: bytes) -> list[str] | None:
    document = _parsed(raw)
    return document if isinstance(document, list) and all(isinstance(uid, str) for uid in document) else None


async def _reply(receive: Receive, send: Send, answer: _Answer) -> None:
    """Answer a question in JSON; whoever asks anything else is told what to send."""
    raw = await _read(receive)
    if raw is None:
        await _text(send, 413, b"content too large\n")
        return
    reply = answer(raw)
    if reply is None:
        await _text(send, 400, b"body: must be a JSON list of uids, for /refusals one uid as a JSON string\n")
        return
    await _send(send, 200, b"application/json", reply)


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

"""The public edge on uvicorn: an ASGI callable that brings calls to `hookgate.receiver.calls` and their answers back.

It may not know endpoints, schemes or targets.
"""

from __future__ import annotations

import asyncio

from hookgate.receiver.calls import Call, Calls
from hookgate.receiver.edge import Receive, Scope, Send
from hookgate.receiver.heads import ends_soon
from hookgate.receiver.respond import Refusal, Reply, refuse

#: How much and how long a sender may go on sending after an answer that ends the connection. Closing on it at once
#: would reset the connection, and the reset would overtake the answer (RFC 9112, 9.6).
LINGER_BYTES = 1 << 20
LINGER_SECONDS = 2.0
_CLOSE = (b"connection", b"close")


class PublicApp:
    """The ASGI callable of the public listener."""

    def __init__(self, calls: Calls, *, body_seconds: float) -> None:
        """Take ``calls`` through their steps, with ``body_seconds`` for each body."""
        self._calls, self._body_seconds = calls, body_seconds
        #: Set to end every connection with its next answer.
        self.retiring = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            return
        headers = scope["headers"]
        client = scope["client"]
        call = self._calls.begin(scope["raw_path"], headers, scope["query_string"], client[0] if client else "")
        if call is None:
            await self._refuse(send, receive, self._calls.unknown, read=False, short=ends_soon(headers))
            return
        body: bytes | Refusal = self._calls.admit(call, scope["method"]) or await self._read(call, receive)
        outcome = body if isinstance(body, Refusal) else await self._judged(call, body)
        if isinstance(outcome, Reply):
            self._calls.settle(call, outcome, outcome.status)
            await _send(send, outcome, closing=self.retiring)
        else:
            self._calls.settle(call, outcome, refuse(outcome).status)
            await self._refuse(send, receive, outcome, read=isinstance(body, bytes), short=ends_soon(headers))

    async def _refuse(self, send: Send, receive: Receive, refusal: Refusal, *, read: bool, short: bool) -> None:
        """Send a constant answer and leave the connection in a state that its other end can understand.

        ``read`` says that the body was read whole, ``short`` that it is about to end.
        """
        closing = self.retiring or not (read or short)
        if read or not closing:
            await _send(send, refuse(refusal, closing=closing))
            return
        reply = refuse(refusal, closing=True)
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": reply.body, "more_body": True})
        await _linger(receive)
        await send({"type": "http.response.body", "body": b""})

    async def _judged(self, call: Call, body: bytes) -> Refusal | Reply:
        judged = self._calls.judge(call, body)
        if judged is not None:
            return judged
        answer: asyncio.Future[Refusal | Reply] = asyncio.get_running_loop().create_future()
        self._calls.deliver(call, body, lambda found: None if answer.done() else answer.set_result(found))
        return await answer

    async def _read(self, call: Call, receive: Receive) -> bytes | Refusal:
        """Read the whole body, counting what really comes."""
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return Refusal.MALFORMED  # the sender has gone; nobody will read this answer
                    chunk: bytes = message["body"]
                    refusal = self._calls.hold(call, len(chunk))
                    if refusal is not None:
                        return refusal
                    if not message["more_body"]:
                        return chunk if not chunks else b"".join((*chunks, chunk))
                    chunks.append(chunk)
        except TimeoutError:
            return Refusal.TOO_SLOW


async def _send(send: Send, reply: Reply, *, closing: bool = False) -> None:
    headers = (*reply.headers, _CLOSE) if closing else reply.headers
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _linger(receive: Receive) -> None:
    """Throw away what is still being sent, for a short while."""
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message["more_body"]:
                    return
                left -= len(message["body"])
    except TimeoutError:
        return

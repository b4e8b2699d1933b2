"""The public edge: an ASGI callable that takes one call from its path to its answer.

The order of the checks is the contract: path, state, method, size, authenticity, delivery. Nothing is read of a body
before the path is known to be served, and nothing but the descriptor's declared inputs is looked at before the call is
authentic. No store and no API server is asked on the way. This module may not know where bindings come from.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hookgate.receiver.auth import authenticate, refusal_for
from hookgate.receiver.delivery import Deliverer
from hookgate.receiver.edge import Receive, Scope, Send
from hookgate.receiver.forward import end_to_end
from hookgate.receiver.journal import Journal
from hookgate.receiver.load import Load
from hookgate.receiver.respond import Delivered, Refusal, Reply, passes, refuse, relay
from hookgate.receiver.table import BindingTable, Entry
from hookgate.scheme.request import Request

_log = logging.getLogger(__name__)

#: A body of at most this size that nobody will read is let run out, which keeps the connection for the next call.
#: A larger one, or one of unknown size, ends the connection.
_IDLE_BODY = 65_536
#: How much and how long a sender may go on sending after such an answer. Closing on it at once would reset the
#: connection, and the reset would overtake the answer (RFC 9112, 9.6).
_LINGER_BYTES = 1 << 20
_LINGER_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of one call to a known endpoint, fit for a log: no path, no secret, nothing that was sent.

    ``at`` is in unix seconds. ``reason`` is the refusal, or why there was one; None when the target's answer was
    passed on. ``target_status`` is None when the target was not asked or did not answer.
    """

    at: float
    namespace: str
    name: str
    status: int
    reason: str | None
    key_id: str | None
    target_status: int | None
    milliseconds: float


OnCall = Callable[[Receipt], None]


@dataclass(slots=True)
class _Call:
    """What is learnt of one call on its way."""

    entry: Entry
    reason: str | None = None
    key_id: str | None = None
    target_status: int | None = None
    held: int = 0
    body_read: bool = False
    where: str | None = None
    skew: float | None = None


@dataclass(frozen=True, slots=True)
class _Body:
    """How a body is declared: ``length`` is None for a chunked one."""

    length: int | None

    @property
    def ends_soon(self) -> bool:
        return self.length is not None and self.length <= _IDLE_BODY


_NOTHING_LEFT = _Body(0)


class PublicApp:
    """The ASGI callable of the public listener."""

    def __init__(  # noqa: PLR0913 -- the edge is where everything meets
        self,
        table: BindingTable,
        deliverer: Deliverer,
        load: Load,
        *,
        max_body_bytes: int,
        body_seconds: float,
        on_call: OnCall | None = None,
        journal: Journal | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Serve ``table``. ``on_call`` hears of every call to a known endpoint and must be quick."""
        self._journal = journal or Journal(table)
        self._table, self._deliverer, self._load = table, deliverer, load
        self._max_body_bytes, self._body_seconds = max_body_bytes, body_seconds
        self._on_call, self._clock = on_call, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call. Whatever goes wrong in here is answered as 500 and logged by its type alone."""
        if scope["type"] != "http":
            return
        entry = self._table.lookup(scope["raw_path"])
        if entry is None or (entry.expires is not None and self._clock() >= entry.expires):
            self._journal.unknown_paths += 1
            await _refuse(send, receive, Refusal.UNKNOWN_PATH, _declared(scope["headers"]))
            return
        started = time.perf_counter()
        call = _Call(entry)
        try:
            outcome = await self._judge(call, scope, receive)
        except Exception as error:
            _log.error("endpoint %s/%s: call failed (%s)", entry.namespace, entry.name, type(error).__name__)
            outcome = Refusal.INTERNAL
        if isinstance(outcome, Refusal):
            call.reason = call.reason or outcome.value
        self._note(call)
        if isinstance(outcome, Refusal):
            body = _NOTHING_LEFT if call.body_read else _declared(scope["headers"])
            status = await _refuse(send, receive, outcome, body)
        else:
            status = await _send(send, outcome)
        if self._on_call is not None:
            self._report(call, status, started)

    async def _judge(self, call: _Call, scope: Scope, receive: Receive) -> Refusal | Reply:
        """Everything between the path and the answer, in the order of the contract."""
        entry = call.entry
        if entry.refusal is not None:
            return entry.refusal
        if scope["method"] != "POST":
            return Refusal.WRONG_METHOD
        body = _declared(scope["headers"])
        if body is None:
            return Refusal.MALFORMED
        limit = min(entry.max_body_bytes, self._max_body_bytes)
        if body.length is not None and body.length > limit:
            return Refusal.TOO_LARGE
        if not self._load.enter(entry.uid):
            return Refusal.OVERLOAD
        try:
            return await self._take(call, scope, receive, limit)
        finally:
            self._load.leave(entry.uid, call.held)

    async def _take(self, call: _Call, scope: Scope, receive: Receive, limit: int) -> Refusal | Reply:
        """Read, authenticate, deliver."""
        entry = call.entry
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await self._read(call, receive, limit)
        except TimeoutError:
            return Refusal.TOO_SLOW
        if isinstance(body, Refusal):
            return body
        headers, query = scope["headers"], scope["query_string"]
        started = time.perf_counter()
        verdict = authenticate(entry, Request(method="POST", headers=headers, query=query, body=body), self._clock())
        self._journal.verify.observe(time.perf_counter() - started)
        refusal = refusal_for(verdict)
        if refusal is not None or entry.target is None:
            call.reason, call.where, call.skew = verdict.reason, verdict.where, verdict.skew
            return refusal or Refusal.UNUSABLE
        call.key_id = verdict.key_id
        passed_on = b"" if entry.credential_in_query else query
        started = time.perf_counter()
        delivery = await self._deliverer.deliver(entry.target, end_to_end(headers, entry.credentials), passed_on, body)
        self._journal.target.observe(time.perf_counter() - started)
        if not isinstance(delivery, Delivered):
            call.reason = delivery.value
            return relay(delivery)
        call.target_status = delivery.status
        if not passes(delivery.status):
            call.reason = Refusal.TARGET_FAILED.value
        return relay(delivery)

    async def _read(self, call: _Call, receive: Receive, limit: int) -> bytes | Refusal:
        """Read the whole body, counting what really comes."""
        chunks: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return Refusal.MALFORMED  # the sender has gone; nobody will read this answer
            chunk: bytes = message["body"]
            if call.held + len(chunk) > limit:
                return Refusal.TOO_LARGE
            if not self._load.hold(len(chunk)):
                return Refusal.OVERLOAD
            call.held += len(chunk)
            if not message["more_body"]:
                call.body_read = True
                return chunk if not chunks else b"".join((*chunks, chunk))
            chunks.append(chunk)

    def _note(self, call: _Call) -> None:
        """Write the journal, before the answer goes out: whoever has the answer can ask for what it tells."""
        now = self._clock()
        if call.reason is None:
            self._journal.accepted(call.entry, now, call.held, call.key_id)
        else:
            self._journal.refused(call.entry, call.reason, now, call.held, call.key_id, call.where, call.skew)

    def _report(self, call: _Call, status: int, started: float) -> None:
        assert self._on_call is not None
        receipt = Receipt(
            at=self._clock(),
            namespace=call.entry.namespace,
            name=call.entry.name,
            status=status,
            reason=call.reason,
            key_id=call.key_id,
            target_status=call.target_status,
            milliseconds=(time.perf_counter() - started) * 1000,
        )
        try:
            self._on_call(receipt)
        except Exception as error:
            _log.error("on_call failed (%s)", type(error).__name__)


def _declared(headers: Sequence[tuple[bytes, bytes]]) -> _Body | None:
    """Read how the body is framed, or None for a head that two readers could understand differently.

    The parser has refused conflicting lengths; what it lets pass is refused here: a Host that is missing or double, and
    any coding but ``chunked`` alone, which the signed bytes could not be told from.
    """
    hosts, length = 0, 0
    chunked = False
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                return None
            chunked = True
    if hosts != 1:
        return None
    return _Body(None if chunked else length)


async def _send(send: Send, reply: Reply) -> int:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})
    return reply.status


async def _refuse(send: Send, receive: Receive, refusal: Refusal, body: _Body | None) -> int:
    """Send a constant answer and leave the connection in a state that its other end can understand.

    ``body`` is what may not have been read yet.
    """
    if body is not None and body.ends_soon:
        return await _send(send, refuse(refusal))
    reply = refuse(refusal, closing=True)
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body, "more_body": True})
    await _linger(receive)
    await send({"type": "http.response.body", "body": b""})
    return reply.status


async def _linger(receive: Receive) -> None:
    """Throw away what is still being sent, for a short while."""
    left = _LINGER_BYTES
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message["more_body"]:
                    return
                left -= len(message["body"])
    except TimeoutError:
        return

"""One call from its path to its answer, step by step, whatever edge brings its bytes.

The order of the checks is the contract: path, state, address, method, size, load, authenticity, repetition, health of
the target, rate, delivery. Nothing is read of a body before the path is known to be served, and nothing but the
descriptor's declared inputs is looked at before the call is authentic. Only then is it looked for among the calls that
came before. No API server is asked on the way. This module may not know how bytes travel nor where bindings come from.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from hookgate.model.networks import Networks
from hookgate.receiver.auth import authenticate, refusal_for
from hookgate.receiver.clients import Clients, Trust
from hookgate.receiver.confirm import FORM, Question
from hookgate.receiver.delivery import Deliverer
from hookgate.receiver.forward import Headers, end_to_end
from hookgate.receiver.guard import Guard, Ticket
from hookgate.receiver.heads import declared_length
from hookgate.receiver.journal import Journal
from hookgate.receiver.load import Limit, Load
from hookgate.receiver.replay import MARKS, MARKS_EACH, Claim, Memory
from hookgate.receiver.respond import (
    ALREADY,
    Delivered,
    Delivery,
    Refusal,
    Reply,
    Undelivered,
    confirmed,
    limited,
    passes,
    relay,
    shake,
)
from hookgate.receiver.table import BindingTable, Entry
from hookgate.scheme.handshake import Handshake
from hookgate.scheme.replay import Mark
from hookgate.scheme.request import Request, Verdict

_log = logging.getLogger(__name__)

#: The reason of a call that was a sender's question before it delivers: answered here, never delivered.
HANDSHAKE: Final = "handshake"
#: The reason of a call that the target has taken before: answered here, not delivered again.
DUPLICATE: Final = "duplicate"
_UNCLAIMED: Final = {
    Claim.IN_FLIGHT: Refusal.IN_FLIGHT,
    Claim.FULL: Refusal.REPLAY_STORE,
    Claim.AWAY: Refusal.REPLAY_STORE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of one call to a known endpoint, fit for a log: no path, no secret, nothing that was sent.

    ``at`` is in unix seconds. ``reason`` is the refusal, or why there was one, or `HANDSHAKE` or `DUPLICATE`; None when
    the target's answer was passed on. ``target_status`` is None when the target was not asked or did not answer.
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


class Call:
    """What is learnt of one call on its way. ``held`` are the bytes of its body; ``limit`` is how many there may be."""

    __slots__ = (
        "delivery_id", "entered", "entry", "event_type", "headers", "held", "key_id", "limit", "marks", "method",
        "peer", "query", "reason", "skew", "started", "target_status", "ticket", "where",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913, PLR0917 -- made for every call, and keywords would cost time
        self, entry: Entry, headers: Headers, query: bytes, peer: str, limit: int, started: float
    ) -> None:
        """Begin with what the head tells. ``started`` is in seconds of `time.perf_counter`."""
        self.entry, self.headers, self.query, self.peer = entry, headers, query, peer
        self.limit, self.started = limit, started
        self.method = "POST"
        self.entered = False
        self.held = 0
        self.reason: str | None = None
        self.key_id: str | None = None
        self.delivery_id: str | None = None
        self.event_type: str | None = None
        self.target_status: int | None = None
        self.where: str | None = None
        self.skew: float | None = None
        self.marks: tuple[Mark, ...] = ()
        self.ticket: Ticket | None = None


class Calls:
    """The steps, in the order in which an edge takes them: `begin`, `hold`, `judge`, `deliver`, `settle`."""

    def __init__(  # noqa: PLR0913 -- this is where everything meets
        self,
        table: BindingTable,
        deliverer: Deliverer,
        load: Load,
        *,
        max_body_bytes: int,
        on_call: OnCall | None = None,
        journal: Journal | None = None,
        guard: Guard | None = None,
        clients: Clients | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Serve ``table``. ``on_call`` hears of every call to a known endpoint and must be quick."""
        self._table, self._deliverer, self._load = table, deliverer, load
        self._journal = journal or Journal(table)
        self._guard = guard or Guard(Memory(table, most=MARKS, most_each=MARKS_EACH))
        self._clients = clients or Clients(Trust())
        self._max_body_bytes, self._on_call, self._clock = max_body_bytes, on_call, clock

    def begin(self, path: bytes, headers: Headers, query: bytes, peer: str) -> Call | None:
        """Look a raw path up; None for one that no endpoint has. Header names are lower-case.

        ``peer`` is the address at the other end of the connection.
        """
        entry = self._table.lookup(path)
        if entry is None or (entry.expires is not None and self._clock() >= entry.expires):
            if self._table.loaded:
                self._journal.unknown_paths += 1
            return None
        limit = min(entry.max_body_bytes, self._max_body_bytes)
        return Call(entry, headers, query, peer, limit, time.perf_counter())

    @property
    def unknown(self) -> Refusal:
        """How a path is refused that `begin` does not know: until all are loaded, it may still be somebody's."""
        return Refusal.UNKNOWN_PATH if self._table.loaded else Refusal.STARTING

    def admit(self, call: Call, method: str) -> Refusal | None:
        """Judge what the head tells; None: the body may be read."""
        if call.entry.refusal is not None:
            return call.entry.refusal
        if call.entry.allowed is not None and not self._allowed(call, call.entry.allowed):
            return Refusal.ADDRESS
        if method != "POST":
            if call.entry.handshake is None or method not in call.entry.handshake.methods:
                return Refusal.WRONG_METHOD
            call.method, call.limit = method, 0
        length = declared_length(call.headers)
        if length is None:
            return Refusal.MALFORMED
        if length > call.limit:
            return self._too_large()
        exceeded = self._load.enter(call.entry.uid, call.entry.max_in_flight)
        if exceeded is not None:
            return Refusal.OVERLOAD if exceeded is Limit.CALLS else Refusal.BUSY
        call.entered = True
        return None

    def _allowed(self, call: Call, networks: Networks) -> bool:
        client = self._clients.of(call.peer, call.headers)
        return client is not None and client.address in networks

    def hold(self, call: Call, size: int) -> Refusal | None:
        """Count bytes of the body that really came; None: there may be more."""
        if call.held + size > call.limit:
            return self._too_large()
        exceeded = self._load.hold(call.entry.uid, size)
        if exceeded is not None:
            return Refusal.OVERLOAD if exceeded is Limit.HELD_BYTES else Refusal.BUSY
        call.held += size
        return None

    def _too_large(self) -> Refusal:
        self._load.reject(Limit.BODY_BYTES)
        return Refusal.TOO_LARGE

    def judge(self, call: Call, body: bytes) -> Refusal | Reply | None:
        """Answer a handshake, or authenticate a call whose body is there; None: it may be delivered."""
        try:
            request = Request(method=call.method, headers=call.headers, query=call.query, body=body)
            if call.entry.handshake is None:
                return self._authenticated(call, request)
            return self._greeted(call, request, call.entry.handshake)
        except Exception as error:
            return self._failed(call, error)

    def _greeted(self, call: Call, request: Request, handshake: Handshake) -> Refusal | Reply | None:
        """Try the handshakes that need no proof, then authenticate, then try those that do."""
        now = self._clock()
        answered = handshake(request, now)
        if answered is None:
            if call.method != "POST" and call.method not in handshake.vouched:
                return Refusal.WRONG_METHOD
            refusal = self._authenticated(call, request)
            if refusal is not None:
                return refusal
            answered = handshake(request, now, Verdict(accepted=True, key_id=call.key_id))
        if answered is not None:
            outcome = shake(answered)
            call.reason = HANDSHAKE if isinstance(outcome, Reply) else None
            return outcome
        return None if call.method == "POST" else Refusal.WRONG_METHOD

    def _authenticated(self, call: Call, request: Request) -> Refusal | None:
        entry, started, now = call.entry, time.perf_counter(), self._clock()
        verdict = authenticate(entry, request, now)
        self._journal.verify.observe(time.perf_counter() - started)
        refusal = refusal_for(verdict)
        if refusal is not None or entry.target is None:
            call.reason, call.where, call.skew = verdict.reason, verdict.where, verdict.skew
            return refusal or Refusal.UNUSABLE
        call.key_id = verdict.key_id
        call.delivery_id, call.event_type = verdict.delivery_id, verdict.event_type
        if entry.marker is not None:
            call.marks = entry.marker(request, verdict, now)
        return None

    def deliver(self, call: Call, body: bytes, done: Callable[[Refusal | Reply], None]) -> None:
        """Deliver an authentic call, unless it came before; call ``done`` once, perhaps before this returns."""
        if call.marks:
            self._admit(call, body, done)
        else:
            self._attempt(call, body, done)

    def _admit(self, call: Call, body: bytes, done: Callable[[Refusal | Reply], None]) -> None:
        entry = call.entry
        assert entry.target is not None, "judge() has refused calls without a target"

        def admitted(claim: Claim, ticket: Ticket | None) -> None:
            if claim is Claim.FRESH:
                call.ticket = ticket
                self._attempt(call, body, done)
            elif claim is Claim.SEEN:
                call.reason = DUPLICATE
                done(entry.successes.get(call.key_id) or ALREADY)
            else:
                done(_UNCLAIMED[claim])

        try:
            lease = entry.target.timeout
            self._guard.admit(entry.uid, call.marks, entry.replay_required, lease, self._clock(), admitted)
        except Exception as error:
            done(self._failed(call, error))

    def _attempt(self, call: Call, body: bytes, done: Callable[[Refusal | Reply], None]) -> None:
        """Attempt one delivery. What came of it is remembered before the sender hears of it.

        Only here is the endpoint's rate charged: whoever forges or repeats calls uses up nothing of the sender's. A
        target that is known to be down is not asked: its callers would wait for nothing, and hold places meanwhile.
        """
        entry = call.entry
        asked = None if entry.confirm is None else entry.confirm(body, call.key_id)
        if asked is not None:
            self._confirm(call, asked, done)
            return
        assert entry.target is not None, "judge() has refused calls without a target"
        query = b"" if entry.credential_in_query else call.query
        started = time.perf_counter()
        if not entry.circuit.admits(started):
            self._remember(call, None)
            done(Refusal.TARGET_DOWN)
            return
        wait = 0.0 if entry.bucket is None else entry.bucket.take(started)
        if wait:
            entry.circuit.spared()
            self._remember(call, None)
            self._load.reject(Limit.RATE)
            call.reason = Refusal.RATE.value
            done(limited(wait))
            return
        try:
            headers = end_to_end(call.headers, entry.credentials)
            for pair in entry.forwarded:
                headers.append(pair)  # compiled, this is several times as fast as joining lists
            client = self._clients.of(call.peer, call.headers)
            if client is not None:
                headers.append((b"x-forwarded-for", client.text))
            if entry.identity is not None:
                entry.identity.add(headers, call.delivery_id, call.event_type, body, self._clock(), os.urandom)
            self._deliverer.begin(entry.target, headers, query, body, partial(self._delivered, call, started, done))
        except Exception as error:
            entry.circuit.answered()  # it is we who failed
            self._remember(call, None)
            done(self._failed(call, error))

    def _delivered(
        self, call: Call, started: float, done: Callable[[Refusal | Reply], None], delivery: Delivery
    ) -> None:
        ended, circuit = time.perf_counter(), call.entry.circuit
        self._journal.target.observe(ended - started)
        if delivery is Undelivered.TIMEOUT or delivery is Undelivered.REFUSED:
            circuit.failed(ended)
        else:
            circuit.answered()
        if call.ticket is not None:
            self._remember(call, delivery)
        done(_relayed(call, delivery))

    def _remember(self, call: Call, delivery: Delivery | None) -> None:
        """Only what the target has taken counts as seen; anything else may come again."""
        ticket, call.ticket = call.ticket, None
        if ticket is not None:
            taken = isinstance(delivery, Delivered) and 200 <= delivery.status < 300
            self._guard.settle(ticket, taken=taken, now=self._clock())

    def _confirm(self, call: Call, asked: Question, done: Callable[[Refusal | Reply], None]) -> None:
        """Confirm what an authentic call asks to be confirmed, at the place that the endpoint names; not the target."""

        def answered(delivery: Delivery) -> None:
            self._remember(call, delivery)
            outcome = confirmed(delivery)
            call.reason = HANDSHAKE if isinstance(outcome, Reply) else outcome.value
            done(outcome)

        try:
            self._deliverer.begin(asked.target, FORM, b"", asked.body, answered)
        except Exception as error:
            self._remember(call, None)
            done(self._failed(call, error))

    def settle(self, call: Call, outcome: Refusal | Reply, status: int) -> None:
        """Give back what the call held and write down what became of it, before the answer goes out.

        Whoever has the answer can then ask for what the journal tells. ``status`` is what the sender gets.
        """
        if isinstance(outcome, Refusal) and call.reason is None:
            call.reason = outcome.value
        if call.entered:
            self._load.leave(call.entry.uid, call.held)
        now = self._clock()
        if call.reason is None:
            self._journal.accepted(call.entry, now, call.held, call.key_id)
        elif call.reason == HANDSHAKE:
            self._journal.greeted(call.entry, now, call.held, call.key_id)
        elif call.reason == DUPLICATE:
            self._journal.repeated(call.entry, now, call.held, call.key_id)
        else:
            self._journal.refused(call.entry, call.reason, now, call.held, call.key_id, call.where, call.skew)
        if self._on_call is not None:
            self._report(call, status, now)

    def _report(self, call: Call, status: int, now: float) -> None:
        assert self._on_call is not None
        receipt = Receipt(
            at=now,
            namespace=call.entry.namespace,
            name=call.entry.name,
            status=status,
            reason=call.reason,
            key_id=call.key_id,
            target_status=call.target_status,
            milliseconds=(time.perf_counter() - call.started) * 1000,
        )
        try:
            self._on_call(receipt)
        except Exception as error:
            _log.error("on_call failed (%s)", type(error).__name__)

    def _failed(self, call: Call, error: Exception) -> Refusal:
        """Whatever goes wrong inside is answered as 500 and logged by its type alone."""
        _log.error("endpoint %s/%s: call failed (%s)", call.entry.namespace, call.entry.name, type(error).__name__)
        return Refusal.INTERNAL


def _relayed(call: Call, delivery: Delivery) -> Reply:
    if not isinstance(delivery, Delivered):
        call.reason = delivery.value
    else:
        call.target_status = delivery.status
        if not passes(delivery.status):
            call.reason = Refusal.TARGET_FAILED.value
        elif delivery.status < 300 and call.entry.successes:
            return call.entry.successes.get(call.key_id) or relay(delivery)
    return relay(delivery)

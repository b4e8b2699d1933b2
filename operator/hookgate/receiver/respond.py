"""From an outcome to the answer that the sender gets: pure, and the whole table of answers in one place.

An answer of our own is a constant: it never depends on what was sent, so it can leak nothing about it. This module may
not know why a credential was refused; that is told to metrics and to the endpoint's owner, never to the sender.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final

from hookgate.model.binding import Binding
from hookgate.scheme.descriptor import SuccessResponse
from hookgate.scheme.handshake import HandshakeReply, Objection


@dataclass(slots=True, kw_only=True, init=False)
class Reply:
    """One complete answer; ``headers`` carry the content length already.

    As one `Reply` and one `Delivered` are made for every call, they write their constructors, which takes a fraction of
    the time, and leave it to the type checker that nothing is assigned later.
    """

    status: Final[int]
    headers: Final[Sequence[tuple[bytes, bytes]]]
    body: Final[bytes]

    def __init__(self, *, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


class Refusal(StrEnum):
    """Everything that is answered without the target's own words."""

    UNKNOWN_PATH = "unknown-path"
    STARTING = "starting"
    GONE = "gone"
    INACTIVE = "inactive"
    UNUSABLE = "unusable"
    MALFORMED = "malformed"
    WRONG_METHOD = "wrong-method"
    TOO_LARGE = "body-too-large"
    TOO_SLOW = "body-too-slow"
    UNAUTHENTIC = "unauthentic"
    FORBIDDEN = "forbidden"
    ADDRESS = "address-not-allowed"
    OVERLOAD = "overload"
    BUSY = "endpoint-busy"
    RATE = "rate-limited"
    TARGET_DOWN = "target-down"
    IN_FLIGHT = "in-flight"
    REPLAY_STORE = "replay-store"
    TARGET_FAILED = "target-failed"
    CONFIRMATION_FAILED = "confirmation-failed"
    TARGET_TIMEOUT = "target-timeout"
    INTERNAL = "internal"


@dataclass(slots=True, kw_only=True, init=False)
class Delivered:
    """The target's answer. ``headers`` have lower-case names; ``body`` is as it came, never decompressed."""

    status: Final[int]
    headers: Final[Sequence[tuple[bytes, bytes]]]
    body: Final[bytes]

    def __init__(self, *, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


class Undelivered(StrEnum):
    """Why there is no answer of the target. The values stand beside the refusals', in metrics and for people."""

    TIMEOUT = "target-timeout"
    REFUSED = "target-unreachable"
    ANSWER_TOO_LARGE = "target-answer-too-large"
    DENIED = "target-address-denied"
    UNTRUSTED = "target-untrusted"


Delivery = Delivered | Undelivered

_COMMON = ((b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff"))
_RETRY_LATER = ((b"retry-after", b"60"),)
_RETRY_SOON = ((b"retry-after", b"5"),)

#: The target's headers that reach the sender. Left out on purpose: Set-Cookie, Location, Server, Link, CORS and
#: everything else with which a target could act in the name of the hooks' host.
_PASSED_HEADERS = frozenset(
    {
        b"content-type", b"content-encoding", b"content-language", b"cache-control", b"retry-after",
        b"x-request-id", b"x-correlation-id",
    }
)  # fmt: skip
#: A browser that is led here must not run what a target says on the hooks' origin.
_CONTAINMENT = ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox"))


def _constant(status: int, error: str, *extra: tuple[bytes, bytes]) -> Reply:
    body = b'{"error":"%s"}\n' % error.encode()
    return Reply(status=status, headers=(*_COMMON, (b"content-length", b"%d" % len(body)), *extra), body=body)


_REPLIES = {
    Refusal.UNKNOWN_PATH: _constant(404, "not found"),
    Refusal.STARTING: _constant(503, "unavailable", *_RETRY_SOON),
    Refusal.GONE: _constant(410, "gone"),
    Refusal.INACTIVE: _constant(503, "unavailable", *_RETRY_LATER),
    Refusal.UNUSABLE: _constant(503, "unavailable", *_RETRY_LATER),
    Refusal.MALFORMED: _constant(400, "bad request"),
    Refusal.WRONG_METHOD: _constant(405, "method not allowed", (b"allow", b"POST")),
    Refusal.TOO_LARGE: _constant(413, "content too large"),
    Refusal.TOO_SLOW: _constant(408, "request timeout"),
    Refusal.UNAUTHENTIC: _constant(401, "unauthorized"),
    Refusal.FORBIDDEN: _constant(403, "forbidden"),
    Refusal.ADDRESS: _constant(403, "forbidden"),
    Refusal.OVERLOAD: _constant(503, "unavailable", *_RETRY_SOON),
    Refusal.BUSY: _constant(503, "unavailable", *_RETRY_SOON),
    Refusal.RATE: _constant(429, "too many requests", *_RETRY_LATER),
    Refusal.TARGET_DOWN: _constant(503, "unavailable", *_RETRY_SOON),
    Refusal.IN_FLIGHT: _constant(503, "unavailable", *_RETRY_SOON),
    Refusal.REPLAY_STORE: _constant(503, "unavailable", *_RETRY_SOON),
    Refusal.TARGET_FAILED: _constant(502, "bad gateway"),
    Refusal.CONFIRMATION_FAILED: _constant(502, "bad gateway"),
    Refusal.TARGET_TIMEOUT: _constant(504, "gateway timeout"),
    Refusal.INTERNAL: _constant(500, "internal error"),
}
_ALREADY = b'{"status":"already delivered"}\n'
#: For a call that the target has taken before, unless the scheme has words of its own for success.
ALREADY: Final = Reply(status=200, headers=(*_COMMON, (b"content-length", b"%d" % len(_ALREADY))), body=_ALREADY)
_CLOSE = (b"connection", b"close")
_CLOSING_REPLIES = {
    refusal: Reply(status=reply.status, headers=(*reply.headers, _CLOSE), body=reply.body)
    for refusal, reply in _REPLIES.items()
}


def refuse(refusal: Refusal, *, closing: bool = False) -> Reply:
    """Return the one constant answer of a refusal; with ``closing`` it also announces the end of the connection."""
    return (_CLOSING_REPLIES if closing else _REPLIES)[refusal]


def limited(seconds: float) -> Reply:
    """Return the answer of `Refusal.RATE` for a caller that may come again after ``seconds``."""
    return _constant(429, "too many requests", (b"retry-after", b"%d" % max(1, ceil(seconds))))


def inactive(binding: Binding) -> Refusal:
    """Tell how an inactive endpoint wants to look: 404 as if it never was, 410, or 503 for any other value."""
    match binding.inactive_response:
        case 404:
            return Refusal.UNKNOWN_PATH
        case 410:
            return Refusal.GONE
        case _:
            return Refusal.INACTIVE


_OBJECTIONS = {
    Objection.MALFORMED: Refusal.MALFORMED,
    Objection.FORBIDDEN: Refusal.FORBIDDEN,
    Objection.UNUSABLE: Refusal.UNUSABLE,
}


def shake(answered: HandshakeReply | Objection) -> Reply | Refusal:
    """Return the answer to a handshake; what cannot be answered gets one of the constant ones."""
    if isinstance(answered, Objection):
        return _OBJECTIONS[answered]
    length = (b"content-length", b"%d" % len(answered.body))
    return Reply(status=answered.status, headers=(*answered.headers, length), body=answered.body)


def succeed(wanted: SuccessResponse) -> Reply:
    """Return what the sender hears in place of a target's 2xx."""
    body = wanted.body.encode("ascii")
    kind = ((b"content-type", wanted.content_type.value.encode()),) if body else ()
    # 204 has neither body nor length (RFC 9110, 8.6).
    length = () if wanted.status == 204 else ((b"content-length", b"%d" % len(body)),)
    return Reply(status=wanted.status, headers=(*kind, *length, *_CONTAINMENT), body=body)


def confirmed(delivery: Delivery) -> Reply | Refusal:
    """Turn what the sender's own service said to a confirmation into our answer to the call that asked for it."""
    if isinstance(delivery, Delivered) and 200 <= delivery.status < 300:
        return succeed(SuccessResponse())
    return Refusal.CONFIRMATION_FAILED


def passes(status: int) -> bool:
    """Tell whether the sender gets to see a target's answer of this status; see `relay`."""
    return 200 <= status < 300 or (400 <= status < 500 and status != 410)


def relay(delivery: Delivery) -> Reply:
    """Turn the target's answer into ours.

    2xx and 4xx pass, since only the target knows whether it wants this call again. 410 does not: senders take it as the
    order to forget the endpoint for ever, and that is the platform's word, not a target's. Everything else means that
    the call was not taken, which senders understand as 502.
    """
    if delivery is Undelivered.TIMEOUT:
        return _REPLIES[Refusal.TARGET_TIMEOUT]
    if not isinstance(delivery, Delivered):
        return _REPLIES[Refusal.TARGET_FAILED]
    status = delivery.status
    if passes(status):
        return _passed(delivery)
    failed = _REPLIES[Refusal.TARGET_FAILED]
    if status == 503:
        wait = [(name, value) for name, value in delivery.headers if name == b"retry-after"][:1]
        return Reply(status=failed.status, headers=(*failed.headers, *wait), body=failed.body)
    return failed


def _passed(answer: Delivered) -> Reply:
    passed = [pair for pair in answer.headers if pair[0] in _PASSED_HEADERS]
    # 204 has neither body nor length (RFC 9110, 8.6), 205 no body (15.3.6).
    body = b"" if answer.status in (204, 205) else answer.body
    if answer.status != 204:
        passed.append((b"content-length", b"%d" % len(body)))
    for pair in _CONTAINMENT:
        passed.append(pair)  # compiled, this is several times as fast as joining sequences
    return Reply(status=answer.status, headers=passed, body=body)

"""A question as a sender asks it before it delivers, and what was answered: shared by the tests of handshakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookgate.model.binding import Key
from hookgate.scheme.handshake import HandshakeReply, Objection, compile_handshake, verify_token
from hookgate.scheme.request import Reason, Request, Verdict
from tests.scheme.kit import key, preset, wire

NOW = 1_700_000_000.0
SECRET = b"It's a Secret to Everybody"
PROVED = Verdict(accepted=True, key_id="k1")
REFUSED = Verdict(accepted=False, reason=Reason.WRONG_CREDENTIAL)
TOKEN = verify_token(SECRET).encode()
#: How Meta asks, up to its token.
SUBSCRIBE = b"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="

Outcome = HandshakeReply | Objection | None


def ask(
    document: Mapping[str, Any],
    method: str = "GET",
    *,
    headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
    query: bytes = b"",
    body: bytes = b"",
    verdict: Verdict | None = None,
    keys: tuple[Key, ...] = (key(SECRET),),
    now: float = NOW,
) -> Outcome:
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    handshake = compile_handshake(document, keys)
    assert handshake is not None
    return handshake(Request(method=method, headers=wire(pairs), query=query, body=body), now, verdict)


def ask_sender(name: str, method: str = "GET", **call: Any) -> Outcome:
    return ask(preset(name).scheme, method, **call)


def told(outcome: Outcome) -> tuple[int, bytes]:
    assert isinstance(outcome, HandshakeReply), outcome
    return outcome.status, outcome.body


def header(outcome: Outcome, name: bytes) -> bytes | None:
    assert isinstance(outcome, HandshakeReply), outcome
    return dict(outcome.headers).get(name)

"""The verify token: told where a sender asks with one before it delivers, and taken by receivers."""

from __future__ import annotations

from hookgate.model.binding import encode
from hookgate.receiver.table import make_entry
from hookgate.scheme.handshake import HandshakeReply, verify_token
from hookgate.scheme.request import Request
from tests.control.stage import Stage

REF = {"ref": {"name": "app", "key": "secret"}}
META = {"type": "hmac", "provider": "meta", "secret": REF}


def subscribes(stage: Stage, token: bytes) -> bool:
    """Ask the way the sender does."""
    handshake = make_entry(encode(stage.binding())).handshake
    assert handshake is not None
    query = b"hub.mode=subscribe&hub.challenge=1&hub.verify_token=" + token
    return isinstance(handshake(Request(method="GET", headers=[], query=query), stage.now), HandshakeReply)


def test_the_connection_secret_tells_the_token_that_receivers_take(stage: Stage) -> None:
    stage.bring("app", secret=b"the app's secret\n")
    stage.declare(auth=META)
    stage.settle()
    told = stage.connection()
    assert set(told) == {"url", "header", "verify-token"}
    assert told["verify-token"] == verify_token(b"the app's secret").encode()
    assert (subscribes(stage, told["verify-token"]), subscribes(stage, b"guess")) == (True, False)


def test_the_token_follows_the_secret_and_the_previous_one_counts_as_long_as_its_secret(stage: Stage) -> None:
    stage.bring("app", secret=b"one")
    stage.declare(auth=META)
    stage.settle()
    before = stage.connection()["verify-token"]
    stage.bring("app", secret=b"two", old=b"one")
    stage.declare(auth={**META, "secret": {**REF, "previousRefs": [{"name": "app", "key": "old"}]}})
    stage.settle()
    after = stage.connection()["verify-token"]
    assert (after == before, subscribes(stage, after), subscribes(stage, before)) == (False, True, True)


def test_other_senders_are_told_none(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    assert "verify-token" not in stage.connection()

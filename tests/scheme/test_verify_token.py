"""The verify token: derived from the secret, told to its owner, compared and never guessed."""

from __future__ import annotations

import hmac

import pytest

from hookgate.model.binding import Key
from hookgate.scheme.handshake import HandshakeReply, Objection, told_token, verify_token
from hookgate.scheme.presets import Presets
from tests.scheme.asking import NOW, SECRET, SUBSCRIBE, TOKEN, ask_sender
from tests.scheme.kit import key, preset


@pytest.mark.parametrize("token", [b"", b"wrong", TOKEN[:-1], TOKEN + b"0", TOKEN.upper(), SECRET, b"%00"])
def test_any_other_verify_token_is_forbidden(token: bytes) -> None:
    assert ask_sender("meta", query=SUBSCRIBE + token) is Objection.FORBIDDEN


def test_without_a_verify_token_it_is_forbidden() -> None:
    assert ask_sender("meta", query=b"hub.mode=subscribe&hub.challenge=1") is Objection.FORBIDDEN
    twice = SUBSCRIBE + TOKEN + b"&hub.verify_token=" + TOKEN
    assert ask_sender("meta", query=twice) is Objection.FORBIDDEN


def test_a_wrong_verify_token_is_forbidden_whatever_the_challenge_is() -> None:
    assert ask_sender("meta", query=b"hub.mode=subscribe&hub.challenge=<script>") is Objection.FORBIDDEN


def test_the_token_of_every_current_secret_counts_and_of_no_other() -> None:
    old, expired = key(b"old", "k2", int(NOW) + 1), key(b"older", "k3", int(NOW))
    keys = (key(SECRET), old, expired)
    answers = [ask_sender("meta", query=SUBSCRIBE + verify_token(k.value.reveal()).encode(), keys=keys) for k in keys]
    assert [isinstance(answer, HandshakeReply) for answer in answers] == [True, True, False]


@pytest.mark.parametrize("keys", [(), (key(b" "),), (key(SECRET, expires=int(NOW)),)])
def test_without_a_key_no_verify_token_is_right(keys: tuple[Key, ...]) -> None:
    assert ask_sender("meta", query=SUBSCRIBE + verify_token(b" ").encode(), keys=keys) is Objection.UNUSABLE
    assert ask_sender("x", query=b"crc_token=a", keys=keys) is Objection.UNUSABLE


def test_the_verify_token_is_stable_and_no_part_of_any_signature() -> None:
    """128 bits of a MAC that no scheme signs with: knowing it helps to forge nothing."""
    assert verify_token(b"a secret") == hmac.new(b"a secret", b"hookgate verify token", "sha3_256").hexdigest()[:32]
    for algorithm in ("sha1", "sha256", "sha512"):
        assert verify_token(b"k") not in hmac.new(b"k", b"hookgate verify token", algorithm).hexdigest()


def test_the_token_to_tell_is_that_of_the_newest_key_of_the_scheme_that_asks() -> None:
    told_by = {
        name: told_token(preset(name).scheme, [key(SECRET), key(b"old", "k2")]) for name in Presets.builtin().names
    }
    assert {name: token for name, token in told_by.items() if token} == {"meta": verify_token(SECRET)}
    both = {"type": "anyOf", "options": [preset("github").scheme, preset("meta").scheme]}
    keys = [key(b"github"), Key(id="k2", value=key(SECRET).value, created=0, option=1)]
    assert (told_token(both, keys), told_token(both, keys[:1])) == (verify_token(SECRET), None)

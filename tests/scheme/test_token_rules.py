"""What rules for tokens have to say, and which key sets they can use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookgate.model.endpoint import AuthSpec, AuthType
from hookgate.scheme.descriptor import InvalidDescriptor
from hookgate.scheme.generate import check_key
from hookgate.scheme.handshake import compile_handshake, told_token
from hookgate.scheme.jwt import public_key_set
from hookgate.scheme.keys import Unusable
from hookgate.scheme.presets import Presets, Resolved, resolve
from hookgate.scheme.sign import sign
from hookgate.scheme.verify import compile_verifier, credential_headers
from tests.scheme.kit import judge, key, preset
from tests.scheme.tokens import ISSUER, NOW, RULES, curve, key_set, public, rsa, token


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"issuer": None}, "issuer"),
        ({"issuer": ""}, "issuer"),
        ({"audiences": []}, "audiences"),
        ({"audiences": None}, "audiences"),
        ({"audiences": "hooks"}, "audiences"),
        ({"audiences": [" "]}, "audiences"),
        ({"claims": []}, "claims"),
        ({"claims": None}, "claims"),
        ({"claims": [{"name": "sub"}]}, "claims[0]"),
        ({"claims": [{"name": "sub", "equals": ""}]}, "claims[0]"),
        ({"claims": [{"name": "", "equals": "a"}]}, "claims[0]"),
        ({"claims": [{"name": "sub", "oneOf": []}]}, "claims[0]"),
        ({"claims": [{"name": "sub", "equals": "a", "oneOf": ["b"]}]}, "claims[0]"),
        ({"claims": [{"name": "aud", "equals": "hooks"}]}, "claims[0]"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"source": {"query": "t"}}, "source"),
        ({"header": "X Y"}, "header"),
    ],
)
def test_rules_that_let_too_many_in_are_no_rules(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDescriptor) as caught:
        compile_verifier({**RULES, **change}, [])
    assert caught.value.error.field == field


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"[]", b'{"keys":[]}', b'{"keys":[1]}', b'{"keys":[{}]}', b"\xff", key_set({"kty": "RSA"})]
)
def test_a_value_that_is_no_key_set_is_told_of(value: bytes) -> None:
    assert check_key(RULES, value) is not None


def test_a_key_set_is_usable_for_the_rules_algorithms_only() -> None:
    assert check_key(RULES, key_set()) is None
    problem = check_key({**RULES, "algorithms": ["ES256"]}, key_set())
    assert problem == "The key set has no public key with a kid for ES256."


def test_a_fetched_key_set_keeps_nothing_but_public_keys() -> None:
    private = {**rsa().as_dict(private=True), "x5c": ["MII"], "note": "x"}
    shared = {"kty": "oct", "k": "c2VjcmV0"}
    kept = public_key_set(key_set(shared, private, curve()))
    assert isinstance(kept, bytes)
    assert [set(each) for each in json.loads(kept)["keys"]] == [
        {"kty", "kid", "crv", "x", "y"},
        {"kty", "kid", "n", "e"},
    ]


def test_the_same_keys_are_the_same_set() -> None:
    one, two = key_set(rsa(), curve()), key_set(curve(), public(rsa(), x5c=["MII"]))
    assert public_key_set(one) == public_key_set(two)
    assert isinstance(public_key_set(b"<html>"), Unusable)


def test_type_jwt_resolves_with_nothing_to_generate() -> None:
    settings = {name: value for name, value in RULES.items() if name != "type"}
    resolved = resolve(AuthSpec(type=AuthType.JWT, settings=settings), Presets.builtin())
    assert isinstance(resolved, Resolved)
    assert (dict(resolved.document), resolved.form, resolved.header) == (dict(RULES), "", "Authorization")


def test_tokens_do_not_reach_the_target() -> None:
    assert credential_headers(RULES) == {b"authorization"}
    assert credential_headers({**RULES, "header": "X-Token"}) == {b"authorization", b"x-token"}


def test_a_token_that_the_issuer_made_can_be_sent() -> None:
    signed = sign(RULES, token().encode(), body=b"{}", now=NOW)
    assert judge(RULES, signed.headers, key(key_set()), now=NOW).accepted
    assert ISSUER not in repr(signed)


def test_tokens_go_with_handshakes_of_other_ways() -> None:
    """A sender that changes to tokens may still ask before it delivers."""
    asking = dict(preset("dropbox").scheme)
    assert compile_handshake({"type": "anyOf", "options": [dict(RULES), asking]}, []) is not None
    assert compile_handshake(RULES, []) is None
    assert told_token(RULES, []) is None

"""The grammar of handshakes refuses what no sender can be meant to ask for, and names the member."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.scheme.descriptor import InvalidDescriptor
from hookgate.scheme.grammar import parse

GET = {"method": "GET", "value": {"query": "c"}, "answer": "text"}
POST = {"method": "POST", "value": {"json": "c"}, "answer": "text"}


@pytest.mark.parametrize(
    ("rules", "member"),
    [
        ({}, "handshake"),
        ([], "handshake"),
        ([GET] * 5, "handshake"),
        (["GET"], "handshake[0]"),
        ([GET, {**GET, "method": "PUT"}], "handshake[1].method"),
        ([{**GET, "redirect": "x"}], "handshake[0].redirect"),
        ([{**GET, "value": {"json": "c"}}], "handshake[0].value"),
        ([{**POST, "authenticated": False}], "handshake[0].value"),
        ([{**POST, "authenticated": "no"}], "handshake[0].authenticated"),
        ([{**GET, "value": {"form": "c"}}], "handshake[0].value"),
        ([{"method": "GET", "answer": "text"}], "handshake[0].value"),
        ([{**GET, "answer": "empty"}], "handshake[0].value"),
        ([{**GET, "answer": "html"}], "handshake[0].answer"),
        ([{**GET, "answer": {"header": "Set-Cookie"}}], "handshake[0].answer.header"),
        ([{**GET, "answer": {"header": "X-Content-Type-Options"}}], "handshake[0].answer.header"),
        ([{**GET, "answer": {"header": "X-A\r\nB"}}], "handshake[0].answer.header"),
        ([{**GET, "answer": {"json": {"a": "hmac"}}}], "handshake[0].hmac"),
        ([{**GET, "hmac": {}}], "handshake[0].hmac"),
        ([{**GET, "hmac": {"encoding": "rot13"}, "answer": {"json": {"a": "hmac"}}}], "handshake[0].hmac.encoding"),
        ([{**GET, "answer": {"json": {"a": {"literal": True}}}}], "handshake[0].answer.json.a"),
        ([{**GET, "answer": {"json": {"a b": "value"}}}], "handshake[0].answer.json"),
        ([{**GET, "answer": {"json": {}}}], "handshake[0].answer.json"),
        ([{**GET, "answer": {"json": []}}], "handshake[0].answer.json"),
        ([{**GET, "answer": {"json": [{"part": "value"}]}}], "handshake[0].answer.json[0].name"),
        ([{**GET, "answer": {"json": [{"name": "a", "part": "secret"}]}}], "handshake[0].answer.json[0]"),
        ([{**GET, "answer": {"json": [{"name": "a", "part": "value"}] * 2}}], "handshake[0].answer.json"),
        ([{**GET, "answer": {"text": {"charset": "x"}}}], "handshake[0].answer.text.charset"),
        ([{**GET, "when": [{"query": "a", "is": ""}]}], "handshake[0].when[0].is"),
        ([{**GET, "when": {"query": "a"}}], "handshake[0].when"),
        ([{"method": "POST", "answer": "empty"}], "handshake[0].when"),
        ([{**GET, "method": "HEAD"}], "handshake[0].answer"),
        ([{"method": "OPTIONS", "answer": {"webhookOrigin": {"origins": []}}}],
         "handshake[0].answer.webhookOrigin.origins"),
        ([{"method": "OPTIONS", "answer": {"webhookOrigin": {"origins": ["a b"]}}}],
         "handshake[0].answer.webhookOrigin.origins"),
        ([{"method": "OPTIONS", "answer": {"webhookOrigin": {"origins": ["*"], "rate": 0}}}],
         "handshake[0].answer.webhookOrigin.rate"),
        ([{"method": "GET", "answer": {"webhookOrigin": {"origins": ["*"]}}}], "handshake[0].answer"),
    ],
)  # fmt: skip
def test_an_invalid_rule_names_its_member(rules: Any, member: str) -> None:
    with pytest.raises(InvalidDescriptor) as caught:
        parse({"type": "hmac", "header": "X-S", "handshake": rules})
    assert caught.value.error.field == member


@pytest.mark.parametrize(
    ("scheme", "rule", "member"),
    [
        ({"type": "none"}, POST, "handshake[0].authenticated"),
        ({"type": "none"}, {**GET, "verifyToken": {"query": "t"}}, "handshake[0].verifyToken"),
        ({"type": "signature", "header": "X", "algorithm": "ed25519"}, {**GET, "verifyToken": {"query": "t"}},
         "handshake[0].verifyToken"),
        ({"type": "token", "header": "X"}, {**GET, "hmac": {}, "answer": {"json": {"a": "hmac"}}}, "handshake[0].hmac"),
        ({"type": "hmac", "header": "X", "message": [{"header": "X-Id"}]},
         {**GET, "hmac": {}, "answer": {"json": {"a": "hmac"}}}, "handshake[0].hmac"),
    ],
)  # fmt: skip
def test_nothing_is_derived_from_a_key_that_is_no_secret(
    scheme: dict[str, Any], rule: dict[str, Any], member: str
) -> None:
    with pytest.raises(InvalidDescriptor) as caught:
        parse({**scheme, "handshake": [rule]})
    assert caught.value.error.field == member


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("empty", {"empty": {}}),
        ({"json": {"type": {"number": 1}}}, {"json": [{"name": "type", "number": 1}]}),
        ({"json": {"ok": {"literal": "yes"}}}, {"json": [{"name": "ok", "literal": "yes"}]}),
    ],
)
def test_an_answer_has_a_longer_form_for_manifests(short: Any, long: Any) -> None:
    rule = {"method": "POST", "when": [{"json": "type", "is": "ping"}]}
    read = [parse({"type": "hmac", "header": "X-S", "handshake": [{**rule, "answer": each}]}) for each in (short, long)]
    assert read[0] == read[1]

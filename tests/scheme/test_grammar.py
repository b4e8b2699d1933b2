"""The grammar refuses what it would have to guess, and names the member."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from hookgate.scheme.descriptor import Algorithm, InvalidDescriptor, Origin, Place, SchemeType
from hookgate.scheme.grammar import parse

HMAC: dict[str, Any] = {"type": "hmac", "header": "X-S"}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "type"),
        ({"type": "magic"}, "type"),
        ({"type": "hmac"}, "header"),
        ({**HMAC, "source": {"query": "s"}}, "source"),
        ({**HMAC, "header": "X S"}, "header"),
        ({**HMAC, "header": "X-S\r\nX-T"}, "header"),
        ({**HMAC, "header": ""}, "header"),
        ({**HMAC, "headr": "X-T"}, "headr"),
        ({**HMAC, "algorithm": "md5"}, "algorithm"),
        ({**HMAC, "algorithm": "ed25519"}, "algorithm"),
        ({**HMAC, "encoding": "base32"}, "encoding"),
        ({**HMAC, "key": "pem"}, "key"),
        ({**HMAC, "prefix": "ü="}, "prefix"),
        ({**HMAC, "prefix": "v1=", "format": {"kvList": {"key": "v1"}}}, "prefix"),
        ({**HMAC, "format": "xml"}, "format"),
        ({**HMAC, "format": {"kvList": {}}}, "format"),
        ({**HMAC, "format": {"list": {"separator": "|"}}}, "format"),
        ({**HMAC, "message": []}, "message"),
        ({**HMAC, "message": ["boddy"]}, "message[0]"),
        ({**HMAC, "message": ["body", {"cookie": "x"}]}, "message[1]"),
        ({**HMAC, "message": [{"part": "literal"}]}, "message[0]"),
        ({**HMAC, "message": [{"part": ["body"]}]}, "message[0]"),
        ({**HMAC, "format": {"plain": {"separator": ","}}}, "format"),
        ({**HMAC, "message": [{"literal": "x"}]}, "message"),
        ({**HMAC, "message": ["timestamp", "body"]}, "message"),
        ({**HMAC, "timestamp": {"header": "X-T"}}, "timestamp"),
        ({**HMAC, "timestamp": {"kv": "t"}, "message": ["timestamp", "body"]}, "timestamp"),
        ({**HMAC, "timestamp": {"header": "X-T", "tolerance": 0}, "message": ["timestamp"]}, "timestamp.tolerance"),
        ({**HMAC, "timestamp": {"header": "X-T", "enforce": "no"}, "message": ["timestamp"]}, "timestamp.enforce"),
        ({**HMAC, "timestamp": {"header": "X-T", "format": "iso"}, "message": ["timestamp"]}, "format"),
        ({"type": "hmac", "source": {"json": "sig"}}, "message"),
        ({"type": "hmac", "source": {"query": "sig"}, "message": ["url", "body"]}, "message"),
        ({**HMAC, "bodyDigest": {"query": "h"}, "message": ["body"]}, "bodyDigest"),
        ({**HMAC, "deliveryId": {"query": "id"}}, "deliveryId"),
        ({"type": "token", "header": "X-T", "algorithm": "sha256"}, "algorithm"),
        ({"type": "signature", "header": "X-S"}, "algorithm"),
        ({"type": "none", "header": "X-S"}, "header"),
        ({"type": "basic", "prefix": "Basic "}, "prefix"),
        ({"type": "token", "source": {"anyHeader": []}}, "source"),
        ({**HMAC, "bodyAuthenticated": False}, "bodyAuthenticated"),
        ({**HMAC, "message": ["method"], "bodyAuthenticated": True}, "bodyAuthenticated"),
        ({"type": "token", "header": "X-T", "bodyAuthenticated": False}, "bodyAuthenticated"),
        ({**HMAC, "format": {"list": {"behind": "a"}}}, "format"),
        ({**HMAC, "successResponse": "ok"}, "successResponse"),
        ({**HMAC, "successResponse": {"headers": {}}}, "successResponse"),
        ({**HMAC, "successResponse": {"status": 301}}, "successResponse.status"),
        ({**HMAC, "successResponse": {"status": True}}, "successResponse.status"),
        ({**HMAC, "successResponse": {"body": "ü"}}, "successResponse.body"),
        ({**HMAC, "successResponse": {"status": 204, "body": "a"}}, "successResponse.body"),
        ({**HMAC, "successResponse": {"contentType": "text/html"}}, "contentType"),
        ({"type": "token", "source": {"cookie": "x"}}, "source"),
    ],
)
def test_an_invalid_document_names_its_member(document: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDescriptor) as caught:
        parse(document)
    assert caught.value.error.field == field


def test_header_is_short_for_a_source() -> None:
    assert parse(HMAC) == parse({"type": "hmac", "source": {"header": "X-S"}})


def test_a_part_and_a_format_have_a_long_form_that_a_schema_can_describe() -> None:
    short = {**HMAC, "message": ["method", {"literal": "."}, "body"], "format": "plain"}
    long = {**HMAC, "message": [{"part": "method"}, {"literal": "."}, {"part": "body"}], "format": {"plain": {}}}
    assert parse(long) == parse(short)


def test_basic_stands_in_authorization_unless_said_otherwise() -> None:
    assert parse({"type": "basic"}).source == Place(origin=Origin.HEADER, name="Authorization")


def test_a_timestamp_of_a_covered_body_needs_no_part_of_its_own() -> None:
    assert parse({**HMAC, "timestamp": {"json": "sentAt"}}).timestamp is not None


def test_an_unsigned_timestamp_is_possible_only_unenforced() -> None:
    assert parse({**HMAC, "timestamp": {"header": "X-T", "enforce": False}}).timestamp is not None


def test_defaults_are_the_common_case() -> None:
    parsed = parse(HMAC)
    assert (parsed.type, parsed.algorithm.value, parsed.encoding.value) == (SchemeType.HMAC, "sha256", "hex")
    assert parsed.covers_body


def test_a_document_is_not_taken_for_one_that_python_calls_equal() -> None:
    """What was read before is found by the exact types of all values: for Python, 1 and True are the same."""
    signed: dict[str, Any] = {**HMAC, "message": ["timestamp", "body"]}
    rule = parse({**signed, "timestamp": {"header": "X-T", "tolerance": 1}}).timestamp
    assert rule is not None
    assert rule.tolerance == 1
    with pytest.raises(InvalidDescriptor, match="tolerance"):
        parse({**signed, "timestamp": {"header": "X-T", "tolerance": True}})


def test_a_document_that_was_changed_is_read_anew() -> None:
    """Documents may be built up in place."""
    document = {**HMAC, "algorithm": "sha1"}
    before = parse(document)
    document["algorithm"] = "sha512"
    assert (before.algorithm, parse(document).algorithm) == (Algorithm.SHA1, Algorithm.SHA512)


def test_what_cannot_be_remembered_is_read_all_the_same() -> None:
    """A mapping that is no dict has no exact form to be found by."""
    plain = {**HMAC, "format": {"list": {"separator": " "}}}
    assert parse({**HMAC, "format": MappingProxyType(plain["format"])}) == parse(plain)

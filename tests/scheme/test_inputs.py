"""Bodies are read within bounds, once, and never guessed about."""

from __future__ import annotations

import json

import pytest

from hookgate.scheme.body import AMBIGUOUS, MAX_CONTAINERS, MAX_FIELDS, MAX_PARSED_BYTES, at_path, read_form, read_json
from hookgate.scheme.request import Reason
from tests.scheme.kit import judge, key

TOKEN = {"type": "token", "source": {"json": "a.token"}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": NaN}',
        b"[" * 5_000 + b"]" * 5_000,
        b"[" * (MAX_CONTAINERS + 1),
        b" " * MAX_PARSED_BYTES + b"{}",
        b'{"a": "' + b"x" * MAX_PARSED_BYTES + b'"}',
    ],
    ids=["empty", "cut", "bytes", "bom", "utf-16", "nan", "deep", "many", "long blank", "long text"],
)
def test_what_is_no_small_json_document_is_not_read(body: bytes) -> None:
    assert read_json(body) is None


def test_numbers_keep_their_text() -> None:
    assert read_json(b'{"n": [1.50, 1e400, 123456789012345678901234567890]}') == {
        "n": ["1.50", "1e400", "123456789012345678901234567890"]
    }


def test_a_repeated_member_is_ambiguous_where_it_stands_and_only_there() -> None:
    document = read_json(b'{"a": 1, "b": {"c": 1, "c": 1}}')
    assert at_path(document, ("a",)) == ["1"]
    assert at_path(document, ("b", "c")) == [AMBIGUOUS]
    assert at_path(document, ("b", "c", "d")) == [AMBIGUOUS]


def test_a_path_walks_members_indices_and_every_element() -> None:
    document = {"a": [{"b": "x"}, {"b": "y"}, {}]}
    assert at_path(document, ("a", "0", "b")) == ["x"]
    assert at_path(document, ("a", "*", "b")) == ["x", "y", None]
    assert at_path(document, ("a", "9", "b")) == [None]
    assert at_path({"a": []}, ("a", "*")) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", Reason.UNREADABLE_BODY),
        (b"{}", Reason.MISSING_CREDENTIAL),
        (b'{"a": {"token": null}}', Reason.MISSING_CREDENTIAL),
        (b'{"a": {"token": ["x"]}}', Reason.MALFORMED_CREDENTIAL),
        (b'{"a": {"token": true}}', Reason.MALFORMED_CREDENTIAL),
        (b'{"a": {"token": "\\ud800"}}', Reason.MALFORMED_CREDENTIAL),
        (b'{"a": {"token": "t", "token": "t"}}', Reason.DUPLICATE_CREDENTIAL),
        (b'{"a": {"token": "T"}}', Reason.WRONG_CREDENTIAL),
        (b'{"a": {"token": "t"}}', None),
    ],
)
def test_a_credential_in_a_body_is_read_or_told_apart(body: bytes, reason: Reason | None) -> None:
    assert judge(TOKEN, (), key(b"t"), body=body).reason is reason


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (b"", Reason.MISSING_CREDENTIAL),
        (b"code=t&code=t", Reason.DUPLICATE_CREDENTIAL),
        (b"code=x", Reason.WRONG_CREDENTIAL),
        (b"a=1&code=t", None),
        (b"a&" * MAX_FIELDS, Reason.UNREADABLE_BODY),
    ],
)
def test_a_credential_in_a_query_is_read_or_told_apart(query: bytes, reason: Reason | None) -> None:
    document = {"type": "token", "source": {"query": "code"}}
    assert judge(document, (), key(b"t"), query=query).reason is reason


def test_forms_are_decoded_and_bounded() -> None:
    assert read_form(b"a=1+2&b=%26&a=&c") == {b"a": [b"1 2", b""], b"b": [b"&"], b"c": [b""]}
    assert read_form(b"a=1&" * MAX_FIELDS) is None
    assert read_form(b"a" * (MAX_PARSED_BYTES + 1)) is None


@pytest.mark.parametrize("value", ["x" * 257, "a\nb", "\x1b[31m", ""])
def test_a_note_that_could_harm_a_log_is_not_passed_on(value: str) -> None:
    document = {"type": "none", "deliveryId": {"json": "id"}, "eventType": {"header": "X-Event"}}
    verdict = judge(document, {"X-Event": value}, body=json.dumps({"id": value}).encode())
    assert (verdict.delivery_id, verdict.event_type) == (None, None)


def test_a_list_is_bounded() -> None:
    document = {"type": "hmac", "header": "X-S", "prefix": "v1=", "format": {"list": {"separator": ","}}}
    assert judge(document, {"X-S": "v1=00," * 40}, key(b"k")).reason is Reason.MALFORMED_CREDENTIAL

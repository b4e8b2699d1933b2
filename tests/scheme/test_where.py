"""A refusal says where it arose, in the descriptor's words and never in the sender's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hookgate.scheme.descriptor import Origin, Place
from hookgate.scheme.grammar import parse
from hookgate.scheme.request import Reason
from hookgate.scheme.sign import sign
from hookgate.scheme.where import message_text, place_text
from tests.scheme.kit import judge, key, preset

SECRET = b"YSBzZWNyZXQgb2YgdGhlIHRlc3RzLCAzMiBieXRlcy4="
NOW = 1_700_000_000.0
CANARY = "canary-in-a-header"


def refused(document: Mapping[str, Any], headers: Mapping[str, str], **how: Any) -> tuple[Reason | None, str | None]:
    """Return why and where a call is refused."""
    verdict = judge(document, headers, key(SECRET), now=NOW, **how)
    assert not verdict.accepted
    return verdict.reason, verdict.where


def signed(name: str, *, body: bytes = b"{}", at: float = NOW) -> dict[str, str]:
    """Return the headers of a sender known by name."""
    return dict(sign(preset(name).scheme, SECRET, body=body, now=at, delivery_id="msg_1").headers)


@pytest.mark.parametrize(
    ("name", "header"),
    [("github", "X-Hub-Signature-256"), ("gitlab", "X-Gitlab-Token"), ("stripe", "Stripe-Signature")],
)
def test_a_missing_credential_names_its_header(name: str, header: str) -> None:
    assert refused(preset(name).scheme, {}) == (Reason.MISSING_CREDENTIAL, f"header {header}")


def test_a_missing_timestamp_names_its_own_header() -> None:
    headers = {k: v for k, v in signed("slack").items() if k != "X-Slack-Request-Timestamp"}
    assert refused(preset("slack").scheme, headers) == (
        Reason.MISSING_CREDENTIAL,
        "header X-Slack-Request-Timestamp",
    )


def test_a_missing_part_of_the_message_names_its_header() -> None:
    headers = {k: v for k, v in signed("standard-webhooks").items() if k.lower() != "webhook-id"}
    assert refused(preset("standard-webhooks").scheme, headers) == (Reason.MISSING_CREDENTIAL, "header webhook-id")


def test_a_credential_of_another_shape_names_its_header_and_not_its_value() -> None:
    told = [refused(preset("github").scheme, {"X-Hub-Signature-256": each}) for each in (CANARY, "sha256=" + CANARY)]
    place = "header X-Hub-Signature-256"
    assert told == [(Reason.WRONG_PREFIX, place), (Reason.MALFORMED_CREDENTIAL, place)]


def test_a_stale_call_tells_by_how_much() -> None:
    verdict = judge(preset("slack").scheme, signed("slack", at=NOW - 500), key(SECRET), now=NOW, body=b"{}")
    assert (verdict.reason, verdict.skew, verdict.where) == (
        Reason.STALE,
        -500.0,
        "header X-Slack-Request-Timestamp",
    )


def test_a_repeated_header_names_all_that_may_stand_only_once() -> None:
    twice = [("X-Token", CANARY), ("X-Token", CANARY)]
    verdict = judge({"type": "token", "header": "X-Token"}, twice, key(SECRET))
    assert (verdict.reason, verdict.where) == (Reason.DUPLICATE_CREDENTIAL, "header x-token")


@pytest.mark.parametrize(
    ("origin", "name", "text"),
    [
        (Origin.HEADER, "X-A", "header X-A"),
        (Origin.ANY_HEADER, "X-A X-B", "header X-A or X-B"),
        (Origin.NUMBERED, "X-Sig-", "headers X-Sig-1, X-Sig-2, ..."),
        (Origin.JSON, "event.id", "JSON member event.id"),
        (Origin.FORM, "id", "form field id"),
        (Origin.QUERY, "sig", "query parameter sig"),
        (Origin.KV, "t", "header X-S"),
        (Origin.INDEX, "0", "header X-S"),
    ],
)
def test_every_origin_has_words(origin: Origin, name: str, text: str) -> None:
    source = Place(origin=Origin.HEADER, name="X-S")
    assert place_text(Place(origin=origin, name=name), source) == text


def test_a_signed_form_is_named_as_such() -> None:
    assert message_text(parse(preset("twilio").scheme)) == "the form in the body"


def test_long_names_are_cut() -> None:
    text = place_text(Place(origin=Origin.JSON, name="a" * 500), None)
    assert text is not None
    assert (len(text), text[-3:]) == (200, "...")

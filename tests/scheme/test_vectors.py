"""Every preset accepts what its sender sends, as published or as written a second time, and nothing one bit away."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from hookgate.scheme.presets import Presets
from hookgate.scheme.request import Verdict
from hookgate.scheme.verify import coverage
from tests.scheme.kit import judge, key, preset, scheme
from tests.scheme.senders import NOW, SENDERS, URL, Call

PUBLISHED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "published.json").read_text(encoding="utf-8")
)


def published_call(vector: Mapping[str, Any]) -> Call:
    """A published call. Which of its headers carry the time or are signed is said by the second implementation."""
    written, known = {name.lower(): name for name in vector["headers"]}, SENDERS[vector["provider"]]()
    return Call(
        headers=vector["headers"],
        time_header=written[known.time_header.lower()] if known.time_header else None,
        signed_header=written[known.signed_header.lower()] if known.signed_header else None,
        secret=vector["secret"].encode(),
        body=vector["body"].encode(),
        query=vector.get("query", "").encode(),
    )


#: name of the case, preset, call, declared URL, moment
CASES = [
    *((v["id"], v["provider"], published_call(v), v.get("url", URL), float(v.get("now", NOW))) for v in PUBLISHED),
    *((f"{name}-constructed", name, make(), URL, float(NOW)) for name, make in SENDERS.items()),
]
TIMED = [case for case in CASES if "timestamp" in scheme(case[1])]
WITH_SIGNED_HEADER = [case for case in CASES if case[2].signed_header]
WITH_URL = [
    case for case in CASES if {"url", "urlHubspot"} & {str(part) for part in scheme(case[1]).get("message", ())}
]
each_case = pytest.mark.parametrize(
    ("provider", "call", "url", "now"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)


def outcome(provider: str, call: Call, url: str, now: float) -> Verdict:
    headers = {**call.headers, **call.other}
    return judge(scheme(provider), headers, key(call.secret), body=call.body, query=call.query, url=url, now=now)


def flipped(data: bytes, index: int = 0) -> bytes:
    changed = bytearray(data)
    changed[index] ^= 1
    return bytes(changed)


def with_header(call: Call, name: str, value: str) -> Call:
    return replace(call, headers={**call.headers, name: value})


def covers_body(provider: str) -> bool:
    return coverage(scheme(provider)).body


def source_of(provider: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = scheme(provider).get("source", {})
    return found


@each_case
def test_the_senders_call_is_accepted(provider: str, call: Call, url: str, now: float) -> None:
    assert outcome(provider, call, url, now).accepted


@each_case
def test_one_bit_of_the_secret_matters(provider: str, call: Call, url: str, now: float) -> None:
    index = 10 if scheme(provider).get("key", "utf8") != "utf8" else 0
    changed = replace(call, secret=flipped(call.secret, index))
    assert not outcome(provider, changed, url, now).accepted


@pytest.mark.parametrize(("provider", "call", "url", "now"), [c[1:] for c in CASES if covers_body(c[1])])
def test_one_bit_of_the_body_matters(provider: str, call: Call, url: str, now: float) -> None:
    for index in (0, len(call.body) // 2, len(call.body) - 1):
        assert not outcome(provider, replace(call, body=flipped(call.body, index)), url, now).accepted


def test_these_senders_do_not_sign_the_body() -> None:
    """Their tokens and partial signatures prove who called, not what was said."""
    assert {name for name in Presets.builtin().names if not covers_body(name)} == {
        *("adyen", "aws-sns", "aws-sns-v1", "braintree", "mailgun"),
        *("adobe-sign", "alertmanager", "auth0", "buildkite-token", "cloudevents", "event-grid", "gitlab", "harbor"),
        *("microsoft-graph", "okta", "telegram"),
    }


def credential_headers_of(provider: str, call: Call) -> list[str]:
    document = scheme(provider)
    source = document.get("source", {"header": document.get("header", "")})
    wanted = source.get("anyHeader") or [str(*source.values())]
    return [name for name in call.headers if name.lower().startswith(tuple(w.lower() for w in wanted))]


def written_length(provider: str, call: Call) -> int:
    """Characters of one written credential."""
    document = scheme(provider)
    if document["type"] == "token":
        return len(call.secret)
    size = {"sha1": 20, "sha512": 64, "ed25519": 64, "ecdsa-p256-sha256": 70}.get(document.get("algorithm", ""), 32)
    return size * 2 if document.get("encoding", "hex") == "hex" else math.ceil(size * 4 / 3)


@pytest.mark.parametrize(
    ("provider", "call", "url", "now"), [c[1:] for c in CASES if not source_of(c[1]).keys() & {"json", "query", "form"}]
)
def test_every_character_of_the_credential_matters(provider: str, call: Call, url: str, now: float) -> None:
    """Where a call carries several signatures, it is the matching one whose every character matters."""
    names = credential_headers_of(provider, call)
    changes = [with_flip(call, name, index) for name in names for index in range(len(call.headers[name]))]
    refused = [change for change in changes if not outcome(provider, change, url, now).accepted]
    assert len(refused) >= written_length(provider, call)


@pytest.mark.parametrize(
    ("provider", "field"),
    [
        ("mailgun", b'"signature": "'),
        ("adyen", b'Signature": "'),
        ("aws-sns", b'"Signature": "'),
        ("microsoft-graph", b'State": "'),
    ],
)
def test_every_character_of_a_credential_in_the_body_matters(provider: str, field: bytes) -> None:
    call = SENDERS[provider]()
    start = call.body.index(field) + len(field)
    for index in range(start, call.body.index(b'"', start)):
        assert not outcome(provider, replace(call, body=flipped(call.body, index)), URL, NOW).accepted


def test_every_character_of_a_credential_in_a_form_matters() -> None:
    """Of two signatures the second is ours; what stands before it names a key and is not part of it."""
    call = SENDERS["braintree"]()
    start = call.body.rindex(quote_plus("|").encode()) + 3
    for index in range(start, call.body.index(b"&bt_payload")):
        assert not outcome("braintree", replace(call, body=flipped(call.body, index)), URL, NOW).accepted


def test_every_character_of_a_credential_in_the_query_matters() -> None:
    call = SENDERS["event-grid"]()
    for index in range(len("code="), len(call.query)):
        assert not outcome("event-grid", replace(call, query=flipped(call.query, index)), URL, NOW).accepted


def with_flip(call: Call, name: str, index: int) -> Call:
    return with_header(call, name, flipped(call.headers[name].encode(), index).decode())


def flips_of_the_timestamp(call: Call, now: float) -> list[Call]:
    """The call with each character of its timestamp changed: in a header of its own, the credential or the body."""
    if call.time_header is not None:
        return [with_flip(call, call.time_header, index) for index in range(len(call.headers[call.time_header]))]
    digits = str(int(now))
    for name, value in call.headers.items():
        if digits in value:
            start = value.index(digits)
            return [with_flip(call, name, index) for index in range(start, start + len(digits))]
    if digits.encode() not in call.body:
        digits = "2023-11-14T22:13:20.123Z"
    start = call.body.index(digits.encode())
    return [replace(call, body=flipped(call.body, index)) for index in range(start, start + len(digits))]


@pytest.mark.parametrize(("provider", "call", "url", "now"), [c[1:] for c in TIMED], ids=[c[0] for c in TIMED])
def test_every_character_of_the_timestamp_matters(provider: str, call: Call, url: str, now: float) -> None:
    for changed in flips_of_the_timestamp(call, now):
        assert not outcome(provider, changed, url, now).accepted


@pytest.mark.parametrize(
    ("provider", "call", "url", "now"), [c[1:] for c in WITH_SIGNED_HEADER], ids=[c[0] for c in WITH_SIGNED_HEADER]
)
def test_one_bit_of_a_signed_header_matters(provider: str, call: Call, url: str, now: float) -> None:
    assert call.signed_header is not None
    for index in range(len(call.headers[call.signed_header])):
        assert not outcome(provider, with_flip(call, call.signed_header, index), url, now).accepted


@pytest.mark.parametrize(("provider", "call", "url", "now"), [c[1:] for c in WITH_URL], ids=[c[0] for c in WITH_URL])
def test_another_url_or_query_is_refused(provider: str, call: Call, url: str, now: float) -> None:
    assert not outcome(provider, call, flipped(url.encode(), len(url) - 1).decode(), now).accepted
    assert not outcome(provider, call, url + "x", now).accepted
    assert not outcome(provider, replace(call, query=call.query + b"&more=1"), url, now).accepted


def test_these_vectors_were_published_with_a_timestamp_a_signed_header_or_a_url() -> None:
    """None of the published ones is passed over by the tests above."""
    published = {vector["id"] for vector in PUBLISHED}
    assert [{case[0] for case in cases} & published for cases in (TIMED, WITH_SIGNED_HEADER, WITH_URL)] == [
        {
            *("slack-docs", "standard-webhooks-v1", "standard-webhooks-multi", "mux", "sendgrid-library"),
            *("hubspot-library", "box-library-primary", "box-library-secondary", "svix-docs"),
        },
        {"standard-webhooks-v1", "standard-webhooks-multi", "svix-docs"},
        {
            *("twilio-docs", "twilio-json", "twilio-library", "twilio-library-repeated-name"),
            *("hubspot-library", "square-library", "square-library-escaped"),
        },
    ]


def test_every_preset_has_a_second_implementation() -> None:
    assert sorted(SENDERS) == list(Presets.builtin().names)


def test_a_preset_is_called_verified_exactly_when_its_sender_publishes_a_vector() -> None:
    presets = Presets.builtin()
    proven = {v["provider"] for v in PUBLISHED if v["published"]}
    assert {name for name in presets.names if preset(name).verified} == proven


def test_every_preset_names_its_source() -> None:
    assert [name for name in Presets.builtin().names if not preset(name).docs.startswith("https://")] == []

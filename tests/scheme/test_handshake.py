"""What senders ask before they deliver, and the answers that their pages want; and what is never answered."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookgate.model.binding import Key
from hookgate.scheme.grammar import parse
from hookgate.scheme.handshake import (
    MAX_BODY,
    HandshakeReply,
    Objection,
    compile_handshake,
)
from hookgate.scheme.presets import Presets
from hookgate.scheme.request import Reason, Request, Verdict
from tests.scheme.asking import NOW, PROVED, REFUSED, SECRET, SUBSCRIBE, TOKEN, ask, ask_sender, header, told
from tests.scheme.kit import judge, key, preset

WITH_HANDSHAKE = [name for name in Presets.builtin().names if parse(preset(name).scheme).handshake]

# --- The senders ----------------------------------------------------------------------------------------------------

SLACK = b'{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}'
ZOOM = b'{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}'
TWITCH = b'{"challenge":"pogchamp-kappa-360noscope-vohiyo","subscription":{"id":"f1c2a387"}}'
GRID = b'[{"id":"2d1781af","data":{"validationCode":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"},"eventType":"x"}]'
GRAPH = b"Validation: Testing client application reachability for subscription Request-Id: 25460850-2e8d"
CRC_TOKEN = "9b4507b3-9040-4669-9ca3-6b94edb50553"


@pytest.mark.parametrize(
    ("name", "method", "call", "body"),
    [
        ("slack", "POST", {"body": SLACK, "verdict": PROVED}, b"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"),
        ("twitch", "POST", {"body": TWITCH, "verdict": PROVED,
         "headers": {"Twitch-Eventsub-Message-Type": "webhook_callback_verification"}},
         b"pogchamp-kappa-360noscope-vohiyo"),
        ("meta", "GET", {"query": SUBSCRIBE + TOKEN}, b"1158201444"),
        ("microsoft-graph", "POST", {"query": b"validationToken=" + GRAPH.replace(b" ", b"+")}, GRAPH),
        ("microsoft-graph", "GET", {"query": b"validationToken=" + GRAPH.replace(b":", b"%3a").replace(b" ", b"%20")},
         GRAPH),
        ("dropbox", "GET", {"query": b"challenge=abc-123_x"}, b"abc-123_x"),
        ("nylas", "GET", {"query": b"challenge=bc609b38-c81f"}, b"bc609b38-c81f"),
    ],
)  # fmt: skip
def test_a_challenge_is_repeated_as_plain_text(name: str, method: str, call: dict[str, Any], body: bytes) -> None:
    outcome = ask_sender(name, method, **call)
    assert told(outcome) == (200, body)
    assert header(outcome, b"content-type") == b"text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("name", "method", "call", "document"),
    [
        ("discord", "POST", {"body": b'{"id":"1","type":1,"version":1}', "verdict": PROVED}, {"type": 1}),
        ("okta", "GET", {"headers": {"X-Okta-Verification-Challenge": "kaufmann-7.x"}, "verdict": PROVED},
         {"verification": "kaufmann-7.x"}),
        ("event-grid", "POST",
         {"body": GRID, "verdict": PROVED, "headers": {"aeg-event-type": "SubscriptionValidation"}},
         {"validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}),
        ("zoom", "POST", {"body": ZOOM, "verdict": PROVED},
         {"plainToken": "qgg8vlvZRS6UYooatFL8Aw",
          "encryptedToken": hmac.new(SECRET, b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()}),
        ("x", "GET", {"query": b"crc_token=" + CRC_TOKEN.encode() + b"&nonce=1"},
         {"response_token":
          "sha256=" + base64.b64encode(hmac.new(SECRET, CRC_TOKEN.encode(), hashlib.sha256).digest()).decode()}),
        ("linkedin", "GET", {"query": b"challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0"},
         {"challengeCode": "890e4665-4dfe-4ab1-b689-ed553bceeed0",
          "challengeResponse": hmac.new(SECRET, b"890e4665-4dfe-4ab1-b689-ed553bceeed0", hashlib.sha256).hexdigest()}),
    ],
)  # fmt: skip
def test_an_answer_in_json_has_the_members_that_the_sender_wants(
    name: str, method: str, call: dict[str, Any], document: dict[str, Any]
) -> None:
    outcome = ask_sender(name, method, **call)
    assert (told(outcome)[0], json.loads(told(outcome)[1])) == (200, document)
    assert header(outcome, b"content-type") == b"application/json"


def test_a_challenge_can_be_answered_as_a_json_object_too() -> None:
    """As Slack takes it, and monday.com wants it."""
    rule = {"method": "POST", "when": [{"json": "type", "is": "url_verification"}], "value": {"json": "challenge"}}
    document = {"type": "hmac", "header": "X-S", "handshake": [{**rule, "answer": {"json": {"challenge": "value"}}}]}
    assert json.loads(told(ask(document, "POST", body=SLACK, verdict=PROVED))[1]) == {
        "challenge": json.loads(SLACK)["challenge"]
    }


@pytest.mark.parametrize("name", ["trello", "intercom", "mandrill"])
def test_a_head_request_finds_the_endpoint_there(name: str) -> None:
    assert told(ask_sender(name, "HEAD")) == (200, b"")


def test_a_hook_secret_is_given_back_in_its_own_header() -> None:
    outcome = ask_sender("asana", "POST", headers={"X-Hook-Secret": "b537207f20cbfa02357cf448134da559"})
    assert (told(outcome), header(outcome, b"x-hook-secret")) == ((200, b""), b"b537207f20cbfa02357cf448134da559")


def test_a_client_id_is_given_back_only_to_whoever_showed_the_right_one() -> None:
    shown = {"X-AdobeSign-ClientId": "CBJCHBCAABAAo6B5j"}
    outcome = ask_sender("adobe-sign", "GET", headers=shown, verdict=PROVED)
    assert (told(outcome), header(outcome, b"x-adobesign-clientid")) == ((200, b""), b"CBJCHBCAABAAo6B5j")
    assert ask_sender("adobe-sign", "GET", headers=shown) is None


def test_a_test_of_the_connection_is_answered_unsigned_and_nothing_else_is() -> None:
    """As the button in Bitbucket Server sends it."""
    assert told(ask_sender("bitbucket-server", "POST", headers={"X-Event-Key": "diagnostics:ping"})) == (200, b"")
    assert ask_sender("bitbucket-server", "POST", headers={"X-Event-Key": "repo:refs_changed"}) is None


def test_senders_of_tokens_by_an_identity_provider_may_ask_for_leave() -> None:
    """As Event Grid does whose calls carry a token of Entra ID."""
    rule = {"method": "OPTIONS", "answer": {"webhookOrigin": {"origins": ["eventgrid.azure.net"]}}}
    claims = [{"name": "azp", "equals": "a"}]
    document = {"type": "jwt", "issuer": "https://a.example", "audiences": ["b"], "claims": claims, "handshake": [rule]}
    outcome = ask(document, "OPTIONS", headers={"WebHook-Request-Origin": "eventgrid.azure.net"})
    assert header(outcome, b"webhook-allowed-origin") == b"eventgrid.azure.net"


def test_any_sender_of_cloudevents_may_call() -> None:
    outcome = ask_sender("cloudevents", "OPTIONS", headers={"WebHook-Request-Origin": "eventemitter.example.com"})
    assert (told(outcome), header(outcome, b"webhook-allowed-origin")) == ((200, b""), b"*")
    assert (header(outcome, b"webhook-allowed-rate"), header(outcome, b"allow")) == (b"*", b"POST")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("eventgrid.azure.net", b"eventgrid.azure.net"), ("EventGrid.Azure.NET", b"eventgrid.azure.net")],
)
def test_a_listed_origin_is_named_back_as_it_is_listed(origin: str, allowed: bytes) -> None:
    outcome = ask_sender("event-grid", "OPTIONS", headers={"WebHook-Request-Origin": origin})
    assert header(outcome, b"webhook-allowed-origin") == allowed


@pytest.mark.parametrize("origin", ["evil.example.com", "eventgrid.azure.net.evil", "*", "\xff"])
def test_an_origin_that_is_not_listed_is_refused(origin: str) -> None:
    assert ask_sender("event-grid", "OPTIONS", headers={"WebHook-Request-Origin": origin}) is Objection.FORBIDDEN


def test_a_callback_that_a_sender_offers_changes_nothing() -> None:
    """Nobody is called back: it would be a request to wherever an unknown sender likes."""
    asked = {"WebHook-Request-Origin": "a.example.com"}
    offered = {**asked, "WebHook-Request-Callback": "http://169.254.169.254/"}
    assert ask_sender("cloudevents", "OPTIONS", headers=asked) == ask_sender("cloudevents", "OPTIONS", headers=offered)


# --- What is never answered -----------------------------------------------------------------------------------------

NOT_REPEATED = [
    b"<script>alert(1)</script>", b"a%0d%0aSet-Cookie:%20x=1", b"a%00b", b"%ff", b"%c3%a9", b"a%0a", b"%7f", b"",
    b"%22", b"%27", b"%5c", b"%26", b"%60", b"a" * 1025,
]  # fmt: skip


@pytest.mark.parametrize("value", NOT_REPEATED)
def test_what_a_browser_or_a_header_could_misread_is_not_repeated(value: bytes) -> None:
    assert ask_sender("dropbox", query=b"challenge=" + value) is Objection.MALFORMED
    assert ask_sender("microsoft-graph", "POST", query=b"validationToken=" + value) is Objection.MALFORMED
    assert ask_sender("meta", query=b"hub.mode=subscribe&hub.challenge=" + value + b"&hub.verify_token=" + TOKEN) is (
        Objection.MALFORMED
    )


def test_the_longest_value_is_one_kibibyte() -> None:
    assert told(ask_sender("dropbox", query=b"challenge=" + b"a" * 1024))[1] == b"a" * 1024


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=1", "a\nb", "a\x00", "<b>", "a" * 1025])
def test_a_header_is_never_split_by_what_is_repeated_in_it(value: str) -> None:
    assert ask_sender("asana", "POST", headers={"X-Hook-Secret": value}) is Objection.MALFORMED


def test_even_an_authentic_sender_gets_no_markup_back() -> None:
    body = b'{"type":"url_verification","challenge":"<html>"}'
    assert ask_sender("slack", "POST", body=body, verdict=PROVED) is Objection.MALFORMED


@pytest.mark.parametrize(
    "token", [b'{"a":1}', b"[1]", b"a%3db", b"a%26b", b"v0:1:a", b"a%20b", b"a" * 257, b"", b"===", b"1%0a"]
)
def test_no_signature_is_given_for_what_could_be_an_event(token: bytes) -> None:
    assert ask_sender("x", query=b"crc_token=" + token) is Objection.MALFORMED


DATED = {
    **preset("x").scheme,
    "timestamp": {"header": "X-Time"},
    "message": ["timestamp", {"literal": "."}, "body"],
}


@pytest.mark.parametrize(
    ("document", "question", "member", "token", "body"),
    [
        (preset("x").scheme, b"crc_token=", "response_token", b"a", b"a"),
        (preset("x").scheme, b"crc_token=", "response_token", b"field=", b"field="),
        (preset("linkedin").scheme, b"challengeCode=", "challengeResponse", b"hmacsha256=", b""),
        (DATED, b"crc_token=", "response_token", b"1700000000.stop", b"stop"),
    ],
)
def test_what_anybody_gets_signed_is_no_event(
    document: dict[str, Any], question: bytes, member: str, token: bytes, body: bytes
) -> None:
    """Whoever knows nothing but the URL must not turn the answer to a question into an authentic call."""
    signature = json.loads(told(ask(document, query=question + token))[1])[member]
    headers = {document["header"]: signature, "X-Time": "1700000000"}
    assert judge(document, headers, key(SECRET), body=body, now=NOW).reason is Reason.WRONG_CREDENTIAL


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("dropbox", b"challenge=a&challenge=b"),
        ("x", b"crc_token=a&crc_token=a"),
        ("meta", SUBSCRIBE + TOKEN + b"&hub.challenge=2"),
    ],
)
def test_of_two_challenges_none_is_chosen(name: str, query: bytes) -> None:
    assert ask_sender(name, query=query) is Objection.MALFORMED


def test_a_header_or_a_condition_that_stands_twice_is_no_handshake() -> None:
    assert ask_sender("asana", "POST", headers=[("X-Hook-Secret", "a"), ("x-hook-secret", "a")]) is None
    twice = b'{"type":"event","type":"url_verification","challenge":"a"}'
    assert ask_sender("slack", "POST", body=twice, verdict=PROVED) is None
    assert ask_sender("meta", query=b"hub.mode=subscribe&" + SUBSCRIBE + TOKEN) is None


NEEDS_PROOF: list[tuple[str, str, dict[str, Any]]] = [
    ("slack", "POST", {"body": SLACK}),
    ("zoom", "POST", {"body": ZOOM}),
    ("discord", "POST", {"body": b'{"type":1}'}),
    ("twitch", "POST", {"body": TWITCH, "headers": {"Twitch-Eventsub-Message-Type": "webhook_callback_verification"}}),
    ("okta", "GET", {"headers": {"X-Okta-Verification-Challenge": "a"}}),
    ("event-grid", "POST", {"body": GRID, "headers": {"aeg-event-type": "SubscriptionValidation"}}),
]


@pytest.mark.parametrize(("name", "method", "call"), NEEDS_PROOF)
@pytest.mark.parametrize("verdict", [None, REFUSED])
def test_who_signs_a_handshake_gets_no_answer_without_the_signature(
    name: str, method: str, call: dict[str, Any], verdict: Verdict | None
) -> None:
    assert ask_sender(name, method, **call, verdict=verdict) is None


@pytest.mark.parametrize(
    ("name", "method", "call"),
    [
        ("dropbox", "GET", {}),
        ("dropbox", "GET", {"query": b"other=1"}),
        ("dropbox", "POST", {"query": b"challenge=a", "verdict": PROVED}),
        ("meta", "GET", {"query": b"hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=" + TOKEN}),
        ("slack", "POST", {"body": b'{"type":"event_callback","challenge":"a"}', "verdict": PROVED}),
        ("slack", "POST", {"body": b"payload=%7B%7D", "verdict": PROVED}),
        ("discord", "POST", {"body": b'{"type":2}', "verdict": PROVED}),
        ("cloudevents", "OPTIONS", {"headers": {"Access-Control-Request-Method": "POST"}}),
        ("cloudevents", "OPTIONS", {"headers": {"WebHook-Request-Origin": ""}}),
        ("trello", "GET", {}),
        ("asana", "POST", {"verdict": PROVED}),
    ],
)
def test_an_ordinary_call_is_no_handshake(name: str, method: str, call: dict[str, Any]) -> None:
    assert ask_sender(name, method, **call) is None


def test_in_a_long_body_no_handshake_is_looked_for() -> None:
    body = SLACK + b" " * MAX_BODY
    assert ask_sender("slack", "POST", body=body, verdict=PROVED) is None


def test_every_answer_is_marked_so_that_no_browser_runs_it() -> None:
    for name, method, call in [*NEEDS_PROOF, ("dropbox", "GET", {"query": b"challenge=a"}), ("trello", "HEAD", {})]:
        outcome = ask_sender(name, method, **call, verdict=PROVED)
        assert header(outcome, b"x-content-type-options") == b"nosniff"
        assert header(outcome, b"content-security-policy") == b"sandbox"
        assert header(outcome, b"content-type") in (None, b"text/plain; charset=utf-8", b"application/json")


def test_a_scheme_that_declares_none_answers_none() -> None:
    assert [compile_handshake(preset(name).scheme, [key(SECRET)]) for name in ("github", "stripe", "xero")] == [
        None
    ] * 3


# --- Several keys, several schemes ----------------------------------------------------------------------------------


def test_the_key_that_verified_computes_the_answer() -> None:
    keys = (key(b"new"), key(SECRET, "k2"))
    outcome = ask_sender("zoom", "POST", body=ZOOM, keys=keys, verdict=Verdict(accepted=True, key_id="k2"))
    wanted = hmac.new(SECRET, b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    assert json.loads(told(outcome)[1])["encryptedToken"] == wanted


def test_of_several_schemes_only_the_one_that_verified_answers() -> None:
    document = {"type": "anyOf", "options": [preset("github").scheme, preset("slack").scheme]}
    keys = (key(b"a", "k1"), Key(id="k2", value=key(SECRET).value, created=0, option=1))
    answers = [
        ask(document, "POST", body=SLACK, keys=keys, verdict=Verdict(accepted=True, key_id=name))
        for name in ("k1", "k2")
    ]
    assert [isinstance(answer, HandshakeReply) for answer in answers] == [False, True]


# --- Any bytes ------------------------------------------------------------------------------------------------------

JUNK = st.one_of(st.binary(max_size=48), st.sampled_from([SLACK, ZOOM, GRID, TWITCH, b'{"type":1}', b"a", b"[" * 2000]))
NAMES = st.sampled_from(
    [b"x-hook-secret", b"x-okta-verification-challenge", b"aeg-event-type", b"webhook-request-origin", b"content-type",
     b"twitch-eventsub-message-type"]
)  # fmt: skip
QUERIES = st.lists(
    st.tuples(
        st.sampled_from([b"challenge", b"crc_token", b"validationToken", b"hub.mode", b"hub.challenge",
                         b"hub.verify_token", b"code"]),
        st.one_of(JUNK, st.just(TOKEN), st.just(b"subscribe")),
    ),
    max_size=4,
).map(lambda pairs: b"&".join(b"%s=%s" % pair for pair in pairs))  # fmt: skip


REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "TRACE", ""]),
    headers=st.lists(st.tuples(NAMES, JUNK), max_size=3),
    query=st.one_of(JUNK, QUERIES),
    body=JUNK,
)


@pytest.mark.parametrize("name", WITH_HANDSHAKE)
@settings(max_examples=40, deadline=None)
@given(request=REQUESTS, verdict=st.sampled_from([None, REFUSED, PROVED]))
def test_any_bytes_get_an_answer_or_none(name: str, request: Request, verdict: Verdict | None) -> None:
    """Whatever is sent, what comes back is short, printable and of one line in every header."""
    handshake = compile_handshake(preset(name).scheme, [key(SECRET)])
    assert handshake is not None
    outcome = handshake(request, NOW, verdict)
    if isinstance(outcome, HandshakeReply):
        assert len(outcome.body) <= 2048
        assert all(0x20 <= byte < 0x7F for part in (outcome.body, *map(b"".join, outcome.headers)) for byte in part)
        assert not set(outcome.body) & set(b"<>&'`\\")
    else:
        assert outcome is None or outcome in Objection

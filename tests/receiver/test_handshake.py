"""Handshakes on real sockets: answered by the receiver, never delivered, and no way around authentication."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from prometheus_client.parser import text_string_to_metric_families

from hookgate.model.binding import Key
from hookgate.model.sensitive import Sensitive
from hookgate.scheme.handshake import verify_token
from hookgate.scheme.presets import Presets
from hookgate.scheme.sign import sign
from tests.receiver.rig import SECRET, Answer, Endpoint, House, read_answer, request

CHALLENGE = b'{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRN"}'
PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW = 1_700_000_000


def scheme(name: str) -> dict[str, Any]:
    """Return a preset's descriptor; a timestamp is not held against the test's clock."""
    preset = Presets.builtin().get(name)
    assert preset is not None
    document: dict[str, Any] = json.loads(json.dumps(dict(preset.scheme)))
    if "timestamp" in document:
        document["timestamp"]["enforce"] = False
    return document


def endpoint(house: House, name: str, **changes: Any) -> Endpoint:
    """Bring an endpoint of a preset into force."""
    return house.endpoint(auth=scheme(name), url="https://hooks.example.com/h/x", **changes)


def signed(house: House, at: Endpoint, body: bytes, *extra: tuple[bytes, bytes]) -> Answer:
    """POST what the sender would."""
    made = sign(at.binding.auth, SECRET, body=body, now=NOW, url="https://hooks.example.com/h/x")
    headers = [(name.encode(), value.encode()) for name, value in made.headers]
    path = at.path + ("?" + made.query.decode() if made.query else "")
    return house.post(path, made.body, [*headers, *extra])


def ask(house: House, method: str, path: str, *headers: str) -> Answer:
    """Ask without a body."""
    lines = "".join(f"{line}\r\n" for line in headers)
    return house.exchange(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())


def safe(answer: Answer) -> bool:
    """Tell whether no browser would run this."""
    contained = answer.header("x-content-type-options"), answer.header("content-security-policy")
    return contained == ("nosniff", "sandbox") and answer.header("content-type") in (
        None,
        "text/plain; charset=utf-8",
        "application/json",
    )


def test_a_signed_challenge_is_answered_and_not_delivered(house: House) -> None:
    at = endpoint(house, "slack")
    answer = signed(house, at, CHALLENGE)
    assert (answer.status, answer.body, safe(answer), at.seen) == (200, b"3eZbrw1aBm2rZgRN", True, [])
    assert (house.receipts[-1].status, house.receipts[-1].reason) == (200, "handshake")


def test_an_event_of_the_same_sender_is_delivered(house: House) -> None:
    at = endpoint(house, "slack")
    answer = signed(house, at, b'{"type":"event_callback","challenge":"a"}')
    assert (answer.status, len(at.seen), house.receipts[-1].reason) == (202, 1, None)


def test_a_challenge_without_its_signature_is_any_unauthentic_call(house: House) -> None:
    at = endpoint(house, "slack")
    assert house.post(at.path, CHALLENGE).status == 401
    wrong = [(b"X-Slack-Signature", b"v0=" + b"0" * 64), (b"X-Slack-Request-Timestamp", b"%d" % NOW)]
    answer = house.post(at.path, CHALLENGE, wrong)
    assert (answer.status, answer.body, at.seen) == (401, b'{"error":"unauthorized"}\n', [])


def test_a_subscription_needs_the_verify_token(house: House) -> None:
    at = endpoint(house, "meta")
    question = f"{at.path}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    right, wrong = ask(house, "GET", question + verify_token(SECRET)), ask(house, "GET", question + "guess")
    assert (right.status, right.body, safe(right)) == (200, b"1158201444", True)
    assert (wrong.status, wrong.body, at.seen) == (403, b'{"error":"forbidden"}\n', [])
    assert house.receipts[-1].reason == "forbidden"


def test_an_unsigned_validation_is_answered_before_authentication(house: House) -> None:
    at = endpoint(house, "microsoft-graph")
    answer = house.post(f"{at.path}?validationToken=Validation%3a+Testing", b"", [(b"Content-Type", b"text/plain")])
    assert (answer.status, answer.body, safe(answer), at.seen) == (200, b"Validation: Testing", True, [])


@pytest.mark.parametrize("value", ["%3Cscript%3E", "a%0d%0aX-Evil:%201", "a" * 1025, "a&challenge=b"])
def test_what_must_not_be_repeated_gets_one_constant_answer(house: House, value: str) -> None:
    answer = ask(house, "GET", f"{endpoint(house, 'dropbox').path}?challenge={value}")
    assert (answer.status, answer.body) == (400, b'{"error":"bad request"}\n')


def test_a_token_is_signed_for_the_sender_that_asks_for_it(house: House) -> None:
    at = endpoint(house, "zoom")
    answer = signed(house, at, b'{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8"}}')
    wanted = {"plainToken": "qgg8", "encryptedToken": hmac.new(SECRET, b"qgg8", hashlib.sha256).hexdigest()}
    assert (answer.status, json.loads(answer.body), safe(answer), at.seen) == (200, wanted, True, [])


def test_leave_to_call_is_given_by_options(house: House) -> None:
    at = endpoint(house, "cloudevents")
    answer = ask(house, "OPTIONS", at.path, "WebHook-Request-Origin: a.example.com")
    told = [answer.header(name) for name in ("allow", "webhook-allowed-origin", "webhook-allowed-rate")]
    assert (answer.status, told, answer.body, at.seen) == (200, ["POST", "*", "*"], b"", [])
    assert ask(house, "OPTIONS", at.path, "Access-Control-Request-Method: POST").status == 405


def test_head_finds_the_endpoint_and_the_connection_goes_on(house: House) -> None:
    at = endpoint(house, "trello")
    with house.connect() as connection:
        connection.sendall(f"HEAD {at.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert read_answer(connection, head=True).status == 200
        connection.sendall(request(at.path, b"{}"))
        assert (read_answer(connection).status, at.seen) == (401, [])


def test_a_question_that_needs_a_credential_is_refused_without_it(house: House) -> None:
    at = endpoint(house, "okta")
    question = "X-Okta-Verification-Challenge: abc"
    assert ask(house, "GET", at.path, question).status == 401
    answer = ask(house, "GET", at.path, question, f"Authorization: {SECRET.decode()}")
    assert (answer.status, json.loads(answer.body), at.seen) == (200, {"verification": "abc"}, [])
    assert ask(house, "GET", at.path, f"Authorization: {SECRET.decode()}").status == 405


def test_a_ping_is_answered_and_a_deliberately_wrong_signature_gets_401(house: House) -> None:
    public = PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex().encode()
    at = endpoint(house, "discord", keys=(Key(id="k1", value=Sensitive(public), created=0),))
    body, time = b'{"id":"1","type":1}', b"%d" % NOW
    headers = [(b"X-Signature-Timestamp", time), (b"X-Signature-Ed25519", PRIVATE.sign(time + body).hex().encode())]
    answer, probe = house.post(at.path, body, headers), house.post(at.path, body + b" ", headers)
    assert (answer.status, json.loads(answer.body), probe.status, at.seen) == (200, {"type": 1}, 401, [])


def test_a_probe_with_a_wrong_signature_gets_401_where_there_is_no_handshake(house: House) -> None:
    at = endpoint(house, "xero")
    assert house.post(at.path, b"{}", [(b"x-xero-signature", b"AAAA")]).status == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_other_methods_are_refused_as_ever_where_no_handshake_is_declared(house: House, method: str) -> None:
    assert house.get(house.endpoint().path + "?challenge=a", method=method).status == 405
    assert house.get(endpoint(house, "slack").path + "?challenge=a", method=method).status == 405


@pytest.mark.parametrize(("looks", "status"), [(503, 503), (404, 404), (410, 410)])
def test_an_inactive_endpoint_answers_no_handshake(house: House, looks: int, status: int) -> None:
    at = endpoint(house, "dropbox", active=False, inactive_response=looks)
    assert ask(house, "GET", f"{at.path}?challenge=abc").status == status


def test_a_question_has_no_body(house: House) -> None:
    at = endpoint(house, "dropbox")
    raw = f"GET {at.path}?challenge=abc HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx".encode()
    chunked = (
        f"GET {at.path}?challenge=abc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    )
    assert [house.exchange(each).status for each in (raw, chunked.encode())] == [413, 413]


def test_a_handshake_is_neither_accepted_nor_refused(house: House) -> None:
    at = endpoint(house, "dropbox")
    ask(house, "GET", f"{at.path}?challenge=abc")
    text = house.get("/metrics", private=True).body.decode()
    told = {
        sample.labels["outcome"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "hookgate_receiver_calls_total" and sample.labels["name"] == at.binding.name
    }
    assert told == {"handshake": 1.0}

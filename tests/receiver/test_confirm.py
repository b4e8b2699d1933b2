"""Subscriptions of Amazon SNS on real sockets: confirmed over TLS at the region's own host, only where that is wanted.

The name of SNS leads to a server of this test, with a certificate of the test's own authority.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from hookgate.model.binding import Key
from hookgate.model.sensitive import Sensitive
from hookgate.receiver import dialer
from hookgate.receiver.names import Names
from tests.kube.pki import Authority
from tests.receiver.rig import SECRET, TOKEN, Answer, Endpoint, House
from tests.scheme.kit import scheme
from tests.scheme.senders import SNS_MEMBERS, certificate, sns_message

TOPIC = SNS_MEMBERS["TopicArn"]
HOST = "sns.eu-west-1.amazonaws.com"
QUESTION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9",
    "Token": "2336412f37fb687f",
    "TopicArn": TOPIC,
    "Message": "You have chosen to subscribe.",
    "SubscribeURL": "https://evil.example/confirm",
    "Timestamp": "2023-11-14T22:13:20.000Z",
}
CONFIRM = {"sns": {"topics": [TOPIC], "confirm": True}}


@dataclass(slots=True)
class Sns:
    """What stands for the service: every name that was asked for, and every call that came."""

    status: int = 200
    names: list[str] = field(default_factory=list)
    calls: list[tuple[str, str, str, bytes]] = field(default_factory=list)


@pytest.fixture
def sns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sns]:
    """The fake, where every name of this receiver's targets leads that is not an address."""
    found, authority = Sns(), Authority(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.calls.append((self.headers["host"], self.path, self.headers["content-type"], body))
            self.send_response(found.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, authority.issue(HOST)))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    really = Names.addresses

    async def addresses(self: Names, host: str, port: int) -> list[Any]:
        if not host.startswith("sns."):
            return await really(self, host, port)
        found.names.append(f"{host}:{port}")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", server.server_address)]

    monkeypatch.setattr(Names, "addresses", addresses)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    monkeypatch.setattr(dialer, "_context", lambda _ca: trusting)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def endpoint(house: House, **settings: Any) -> Endpoint:
    keys = (Key(id="k1", value=Sensitive(certificate()), created=0),)
    return house.endpoint(auth={**scheme("aws-sns"), **settings}, keys=keys)


def asked(house: House, at: Endpoint, **changes: str) -> Answer:
    return house.post(at.path, sns_message(SHA256(), {**QUESTION, **changes}))


def test_a_question_is_confirmed_at_the_regions_own_host_and_not_delivered(house: House, sns: Sns) -> None:
    at = endpoint(house, **CONFIRM)
    answer = asked(house, at)
    assert (answer.status, answer.body, at.seen) == (200, b"", [])
    form = f"Action=ConfirmSubscription&Version=2010-03-31&TopicArn={TOPIC.replace(':', '%3A')}&Token=2336412f37fb687f"
    assert sns.calls == [(HOST, "/", "application/x-www-form-urlencoded", form.encode())]
    assert sns.names == [f"{HOST}:443"]
    assert (house.receipts[-1].status, house.receipts[-1].reason) == (200, "handshake")


def test_a_notification_of_the_same_topic_is_delivered(house: House, sns: Sns) -> None:
    at = endpoint(house, **CONFIRM)
    assert house.post(at.path, sns_message(SHA256(), SNS_MEMBERS)).status == 202
    assert (len(at.seen), sns.calls) == (1, [])


def test_by_default_a_question_is_delivered_like_any_other_message(house: House, sns: Sns) -> None:
    at = endpoint(house)
    assert asked(house, at).status == 202
    assert (json.loads(at.seen[0].body)["Type"], sns.calls, sns.names) == ("SubscriptionConfirmation", [], [])


def test_an_unsigned_question_reaches_nobody(house: House, sns: Sns) -> None:
    at = endpoint(house, **CONFIRM)
    forged = sns_message(SHA256(), QUESTION).replace(b"2336412f37fb687f", b"2336412f37fb6870")
    assert house.post(at.path, forged).status == 401
    assert (sns.calls, sns.names, at.seen) == ([], [], [])


def test_a_genuine_question_about_somebody_elses_topic_reaches_nobody(house: House, sns: Sns) -> None:
    at = endpoint(house, **CONFIRM)
    assert asked(house, at, TopicArn="arn:aws:sns:evil-region-1:123456789012:orders").status == 401
    assert (sns.calls, sns.names, at.seen) == ([], [], [])


def test_a_confirmation_that_fails_is_asked_for_again_by_the_sender(house: House, sns: Sns) -> None:
    sns.status = 403
    at = endpoint(house, **CONFIRM)
    assert (asked(house, at).status, at.seen, len(sns.calls)) == (502, [], 1)
    assert house.receipts[-1].reason == "confirmation-failed"


def test_of_several_ways_only_the_senders_own_can_ask(house: House, sns: Sns) -> None:
    """Who shows another way's token may deliver, and make nobody call out."""
    keys = (
        Key(id="k1", value=Sensitive(certificate()), created=0, option=0),
        Key(id="k2", value=Sensitive(SECRET), created=0, option=1),
    )
    options = [{**scheme("aws-sns"), **CONFIRM}, TOKEN]
    at = house.endpoint(auth={"type": "anyOf", "options": options}, keys=keys)
    unsigned = sns_message(SHA256(), QUESTION).replace(b'"Signature"', b'"Other"')
    assert house.post(at.path, unsigned, [(b"X-Token", SECRET)]).status == 202
    assert (len(at.seen), sns.calls) == (1, [])
    assert asked(house, at).status == 200
    assert len(sns.calls) == 1

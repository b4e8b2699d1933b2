"""The official packages of two open standards agree with us, in both directions.

`standardwebhooks` signs and verifies; `cloudevents` builds the requests that its users really send. The former
judges by the clock of this machine, so do these tests.
"""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_http_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook, WebhookVerificationError

from hookgate.scheme.request import Reason
from hookgate.scheme.sign import sign
from tests.scheme.kit import judge, key, preset
from tests.scheme.senders import hexed

STANDARD = preset("standard-webhooks").scheme
OLD, NEW, OTHER = (b"whsec_" + base64.b64encode(bytes([n]) * 32) for n in (1, 2, 3))
BODY = '{"type": "thing.made", "name": "Käse"}'
ID = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"


@pytest.fixture
def now() -> int:
    return int(time.time())


def signed_by_package(secret: bytes, now: int, body: str = BODY) -> str:
    return Webhook(secret.decode()).sign(ID, datetime.fromtimestamp(now, UTC), body)


def headers(signature: str, now: int) -> dict[str, str]:
    return {"webhook-id": ID, "webhook-timestamp": str(now), "webhook-signature": signature}


def test_a_call_signed_by_the_package_is_accepted_by_us(now: int) -> None:
    verdict = judge(STANDARD, headers(signed_by_package(NEW, now), now), key(NEW), body=BODY.encode(), now=now)
    assert (verdict.accepted, verdict.delivery_id, verdict.event_type) == (True, ID, "thing.made")


def test_a_call_signed_by_us_is_accepted_by_the_package(now: int) -> None:
    made = sign(STANDARD, NEW, body=BODY.encode(), now=now, delivery_id=ID)
    assert Webhook(NEW.decode()).verify(made.body, dict(made.headers)) == {"type": "thing.made", "name": "Käse"}


def test_we_write_the_very_signature_that_the_package_writes(now: int) -> None:
    made = sign(STANDARD, NEW, body=BODY.encode(), now=now, delivery_id=ID)
    assert dict(made.headers) == headers(signed_by_package(NEW, now), now)


@pytest.mark.parametrize("held", [OLD, NEW])
def test_while_a_sender_rotates_both_sides_find_the_signature_of_the_secret_that_they_hold(
    held: bytes, now: int
) -> None:
    """The sender signs with both secrets; among them stands one of another version, which neither side reads."""
    several = f"v1a,AAAA {signed_by_package(OLD, now)} {signed_by_package(NEW, now)}"
    ours = judge(STANDARD, headers(several, now), key(held), body=BODY.encode(), now=now)
    assert ours.accepted
    assert Webhook(held.decode()).verify(BODY, headers(several, now), json_parse=False) is None


@pytest.mark.parametrize(
    ("secret", "id_", "shift", "body"),
    [
        (OTHER, ID, 0, BODY),
        (NEW, ID + "x", 0, BODY),
        (NEW, ID, 0, BODY + " "),
        (NEW, ID, -600, BODY),
        (NEW, ID, 600, BODY),
    ],
    ids=["secret", "id", "body", "old", "early"],
)
def test_both_refuse_the_same_calls(secret: bytes, id_: str, shift: int, body: str, now: int) -> None:
    """Another secret, another id, another body, ten minutes in either direction."""
    moment = now + shift
    sent = headers(signed_by_package(NEW, moment), moment) | {"webhook-id": id_}
    assert not judge(STANDARD, sent, key(secret), body=body.encode(), now=now).accepted
    with pytest.raises(WebhookVerificationError):
        Webhook(secret.decode()).verify(body, sent)


# CloudEvents ----------------------------------------------------------------------------------------------------------

#: In binary mode the attributes are headers, so a scheme that is to protect them has to sign them.
ATTRIBUTES_SIGNED: dict[str, Any] = {
    "type": "hmac",
    "header": "X-Signature",
    "message": [{"header": "ce-id"}, {"literal": "|"}, {"header": "ce-type"}, {"literal": "|"}, "body"],
    "deliveryId": {"header": "ce-id"},
    "eventType": {"header": "ce-type"},
}


@pytest.fixture
def event() -> CloudEvent:
    attributes = {
        "id": "A234-1234-1234",
        "source": "/things/7",
        "type": "com.example.thing.made",
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes=attributes, data={"name": "Käse", "n": 1.5})


def test_a_structured_event_signed_by_standard_webhooks_stays_the_event_that_it_was(
    event: CloudEvent, now: int
) -> None:
    message = to_structured_event(event)
    signature = signed_by_package(NEW, now, message.body.decode())
    sent = {**message.headers, **headers(signature, now)}
    verdict = judge(STANDARD, sent, key(NEW), body=message.body, now=now)
    assert (verdict.accepted, verdict.event_type) == (True, event.get_type())
    assert from_http_event(HTTPMessage(headers=sent, body=message.body)).get_data() == event.get_data()
    changed = message.body.replace(b"A234", b"A235")
    assert judge(STANDARD, sent, key(NEW), body=changed, now=now).reason is Reason.WRONG_CREDENTIAL


@pytest.mark.parametrize(
    "scheme", [ATTRIBUTES_SIGNED, preset("cloudevents").scheme], ids=["attributes signed", "bearer token"]
)
def test_a_binary_event_is_known_by_its_id_and_type(scheme: dict[str, Any], event: CloudEvent, now: int) -> None:
    message = to_binary_event(event)
    if scheme is ATTRIBUTES_SIGNED:
        sent = {**message.headers, "X-Signature": hexed_over(event, message.body)}
    else:
        sent = {**message.headers, "Authorization": "Bearer " + NEW.decode()}
    verdict = judge(scheme, sent, key(NEW), body=message.body, now=now)
    assert (verdict.accepted, verdict.delivery_id, verdict.event_type) == (True, event.get_id(), event.get_type())


def hexed_over(event: CloudEvent, body: bytes) -> str:
    return hexed(f"{event.get_id()}|{event.get_type()}|".encode() + body, NEW)


@pytest.mark.parametrize("name", ["ce-id", "ce-type"])
def test_a_changed_attribute_of_a_binary_event_is_refused_where_the_scheme_signs_it(
    name: str, event: CloudEvent, now: int
) -> None:
    message = to_binary_event(event)
    sent = {**message.headers, "X-Signature": hexed_over(event, message.body)}
    sent[name] += "x"
    verdict = judge(ATTRIBUTES_SIGNED, sent, key(NEW), body=message.body, now=now)
    assert verdict.reason is Reason.WRONG_CREDENTIAL

"""Any bytes in any path, query, header or body get a verdict: never a fault of ours, never a delivery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookgate.model.binding import Key
from hookgate.model.sensitive import Sensitive
from hookgate.receiver.settings import Edge
from tests.receiver.rig import Endpoint, House, bounds
from tests.receiver.rig import settings as receiver_settings
from tests.scheme.kit import scheme
from tests.scheme.senders import SENDERS, URL

#: Of each shape one: lists, forms, JSON, queries, digests, public keys, handshakes of every kind.
SENDERS_ASKED = (
    "github", "stripe", "standard-webhooks", "docusign", "recurly", "braintree", "mailgun", "adyen", "twilio",
    "twilio-json", "hubspot", "discord", "sendgrid", "aws-sns", "paddle", "klaviyo", "box", "meta", "microsoft-graph",
    "event-grid", "okta", "x", "zoom", "dropbox", "asana", "teams",
)  # fmt: skip
#: What a call without the right credential may hear; 200 is the answer to a handshake that needs none.
VERDICTS = {200, 400, 401, 403, 404, 405, 413, 431}

BYTES = st.one_of(
    st.binary(max_size=80),
    st.text(alphabet='tsv01=,;: .{}[]"\\%&+-_/AZaz09', max_size=80).map(str.encode),
)
VALUES = BYTES.map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
PATHS = VALUES.map(lambda raw: raw.replace(b" ", b"").replace(b"?", b""))


@pytest.fixture(scope="module", params=list(Edge))
def fuzzed(request: pytest.FixtureRequest) -> Iterator[tuple[House, dict[str, Endpoint]]]:
    """A receiver of its own, with an endpoint of each of them."""
    with House(receiver_settings(edge=request.param, bounds=bounds(head_seconds=60))).running() as house:
        yield house, {name: _endpoint(house, name) for name in SENDERS_ASKED}


def _endpoint(house: House, name: str) -> Endpoint:
    document: dict[str, Any] = json.loads(json.dumps(scheme(name)))
    key = Key(id="k1", value=Sensitive(SENDERS[name]().secret), created=0)
    return house.endpoint(auth=document, keys=(key,), url=URL)


@st.composite
def requests(draw: st.DrawFn, name: str, path: bytes) -> bytes:
    """A request near what that sender sends, or far from it."""
    call = SENDERS[name]()
    known = sorted({*call.headers, *call.other, "Content-Type", "X-Hook-Secret", "WebHook-Request-Origin"})
    method = draw(st.sampled_from([b"POST", b"POST", b"POST", b"GET", b"HEAD", b"OPTIONS", b"PUT"]))
    query = draw(st.one_of(st.just(b""), VALUES.map(lambda raw: b"?" + raw.replace(b" ", b""))))
    target = draw(st.sampled_from([path, path, path, path + b"/" + draw(PATHS), b"/" + draw(PATHS)]))
    body = draw(st.one_of(BYTES, st.just(call.body), st.just(call.body[:-1]), st.just(b"[" * 3000)))
    body = body if method in (b"POST", b"PUT") else b""
    headers = draw(st.lists(st.tuples(st.sampled_from(known), VALUES), max_size=4))
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers)
    head = method + b" " + target + query + b" HTTP/1.1\r\nHost: hooks.example.com\r\n"
    return head + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


def judged(fuzzed: tuple[House, dict[str, Endpoint]], data: st.DataObject) -> None:
    """Send one and look at what came of it."""
    house, endpoints = fuzzed
    name = data.draw(st.sampled_from(SENDERS_ASKED))
    at = endpoints[name]
    answer = house.exchange(data.draw(requests(name, at.path.encode())))
    assert answer.status in VERDICTS, (name, answer)
    assert at.seen == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_sent_gets_a_verdict(fuzzed: tuple[House, dict[str, Endpoint]], data: st.DataObject) -> None:
    judged(fuzzed, data)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_sent_gets_a_verdict_ten_thousand_times(
    fuzzed: tuple[House, dict[str, Endpoint]], data: st.DataObject
) -> None:
    judged(fuzzed, data)

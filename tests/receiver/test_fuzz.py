"""Any bytes in any path, query, header or body get a verdict: never a fault of ours, never a delivery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
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


#: Made once: some senders sign at random, and what is drawn must not depend on that.
CALLS = {name: SENDERS[name]() for name in SENDERS_ASKED}
PLACE = b"/h/" + b"x" * 32
METHODS = st.sampled_from([b"POST", b"GET", b"HEAD", b"OPTIONS", b"PUT"])


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes]:
    """A sender, and a request near what it sends or far from it, with `PLACE` for the endpoint's path."""
    name = draw(st.sampled_from(SENDERS_ASKED))
    call, path = CALLS[name], PLACE
    known = sorted({*call.headers, *call.other, "Content-Type", "X-Hook-Secret", "WebHook-Request-Origin"})
    method = b"POST" if draw(st.booleans()) else draw(METHODS)
    query = draw(VALUES).replace(b" ", b"") if draw(st.booleans()) else b""
    tail, where = draw(PATHS), draw(st.integers(0, 4))
    target = b"/" + tail if where == 0 else path + b"/" + tail if where == 1 else path
    body, which = draw(BYTES), draw(st.integers(0, 4))
    real = call.body if call.headers else b" " + call.body[:-1]  # a credential that stands in the body would be right
    body = [body, real, call.body[:-1], b"[" * 3000, body][which] if method in (b"POST", b"PUT") else b""
    headers = draw(st.lists(st.tuples(st.integers(0, 30), VALUES), max_size=4))
    lines = b"".join(known[which % len(known)].encode() + b": " + value + b"\r\n" for which, value in headers)
    head = method + b" " + target + (b"?" + query if query else b"") + b" HTTP/1.1\r\nHost: hooks.example.com\r\n"
    return name, head + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


def judged(fuzzed: tuple[House, dict[str, Endpoint]], sent: tuple[str, bytes]) -> None:
    """Send one and look at what came of it."""
    house, endpoints = fuzzed
    name, raw = sent
    at = endpoints[name]
    answer = house.exchange(raw.replace(PLACE, at.path.encode()))
    assert answer.status in VERDICTS, answer
    assert at.seen == []


@settings(max_examples=150, deadline=None)
@given(sent=requests())
def test_whatever_is_sent_gets_a_verdict(fuzzed: tuple[House, dict[str, Endpoint]], sent: tuple[str, bytes]) -> None:
    judged(fuzzed, sent)


@pytest.mark.slow
@settings(max_examples=3_000, deadline=None)
@given(sent=requests())
def test_whatever_is_sent_gets_a_verdict_three_thousand_times(
    fuzzed: tuple[House, dict[str, Endpoint]], sent: tuple[str, bytes]
) -> None:
    judged(fuzzed, sent)

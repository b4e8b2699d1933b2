"""Who was authenticated, as targets are told: judged by the official package of Standard Webhooks, as targets would."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from hookgate.model.binding import Key
from hookgate.model.sensitive import Sensitive
from hookgate.receiver.identity import Identity
from tests.receiver.rig import HMAC, SECRET, Endpoint, House, Seen, signature

RAW, OLDER = bytes(range(32)), bytes(32)
BODY = b'{"ref":"refs/heads/main"}'
NAMED = {
    **HMAC,
    "deliveryId": {"header": "X-Delivery"},
    "eventType": {"header": "X-Event"},
}


def secret(raw: bytes) -> str:
    """Return a key as the connection Secret tells it."""
    return "whsec_" + base64.b64encode(raw).decode()


KEY = Key(id="f1", value=Sensitive(secret(RAW).encode()), created=0)


def headers_of(seen: Seen) -> dict[str, str]:
    """Return the headers of ours that a target got, by their names without the prefix."""
    found = {n.decode(): v.decode() for n, v in seen.headers if n.startswith(b"hookgate-")}
    assert len(found) == sum(n.startswith(b"hookgate-") for n, _ in seen.headers)
    return {name.removeprefix("hookgate-"): value for name, value in found.items()}


def verified(headers: dict[str, str], body: bytes, raw: bytes = RAW) -> Any:
    """Have the official package verify a call as a target would: with the prefix of its own."""
    named = {f"webhook-{name}": headers[name] for name in ("id", "timestamp", "signature")}
    return Webhook(secret(raw)).verify(body, named)


@pytest.fixture
def endpoint(house: House) -> Endpoint:
    """One that signs, and whose sender names its deliveries."""
    return house.endpoint(auth=NAMED, forward_keys=(KEY,))


def test_the_official_package_verifies_a_forwarded_call(endpoint: Endpoint) -> None:
    endpoint.call(BODY, X_Delivery=b"72d3162e-cc78", X_Event=b"push")
    told = headers_of(endpoint.seen[0])
    assert verified(told, BODY) == {"ref": "refs/heads/main"}
    assert told["endpoint"] == f"team-a/{endpoint.binding.name}"
    assert (told["delivery"], told["event"]) == ("72d3162e-cc78", "push")
    assert told["id"] == f"team-a/{endpoint.binding.name}/72d3162e-cc78/push"


@pytest.mark.parametrize("part", ["id", "timestamp", "body", "key"])
def test_whoever_changes_anything_of_it_is_found_out(endpoint: Endpoint, part: str) -> None:
    endpoint.call(BODY, X_Delivery=b"1", X_Event=b"push")
    told, body, raw = headers_of(endpoint.seen[0]), BODY, RAW
    match part:
        case "id":
            told["id"] = told["id"].replace("push", "ping")
        case "timestamp":
            told["timestamp"] = str(int(told["timestamp"]) - 1)
        case "body":
            body = BODY + b" "
        case _:
            raw = OLDER
    with pytest.raises(WebhookVerificationError):
        verified(told, body, raw)


def test_a_sender_cannot_say_who_it_is(endpoint: Endpoint) -> None:
    endpoint.call(
        BODY,
        X_Delivery=b"1",
        Hookgate_Endpoint=b"team-b/other",
        Hookgate_Id=b"x",
        Hookgate_Signature=b"v1,x",
        Hookgate_Anything=b"x",
    )
    told = headers_of(endpoint.seen[0])
    assert told["endpoint"] == f"team-a/{endpoint.binding.name}"
    assert "anything" not in told
    assert verified(told, BODY)


def test_no_spelling_of_our_headers_gets_past(endpoint: Endpoint) -> None:
    odd = [(b"Hookgate_Endpoint", b"x"), (b"HOOKGATE-Event", b"x")]
    endpoint.house.post(endpoint.path, BODY, [(b"X-Signature", signature(BODY)), *odd])
    names = [name for name, _ in endpoint.seen[0].headers if name.replace(b"_", b"-").startswith(b"hookgate-")]
    assert sorted(names) == [b"hookgate-endpoint", b"hookgate-id", b"hookgate-signature", b"hookgate-timestamp"]


def test_a_senders_own_standard_webhooks_headers_pass_unchanged(endpoint: Endpoint) -> None:
    endpoint.call(BODY, Webhook_Id=b"msg_1", Webhook_Timestamp=b"1", Webhook_Signature=b"v1,abc")
    seen = endpoint.seen[0]
    assert [seen.values(f"webhook-{n}".encode()) for n in ("id", "timestamp", "signature")] == [
        [b"msg_1"],
        [b"1"],
        [b"v1,abc"],
    ]
    assert verified(headers_of(seen), BODY)


def test_calls_without_a_name_of_their_own_get_one_that_no_sender_can_choose(endpoint: Endpoint) -> None:
    endpoint.call(BODY)
    endpoint.call(BODY)
    endpoint.call(BODY, X_Delivery=b"~1")
    told = [headers_of(seen) for seen in endpoint.seen]
    names = [each["id"].split("/")[2] for each in told]
    assert [name.startswith("~") for name in names] == [True, True, False]
    assert names[0] != names[1]
    assert [set(each) & {"delivery", "event"} for each in told] == [set(), set(), {"delivery"}]


def test_a_repeated_delivery_has_the_same_id(endpoint: Endpoint) -> None:
    for _ in range(2):
        endpoint.call(BODY, X_Delivery=b"1", X_Event=b"push")
    assert len({headers_of(seen)["id"] for seen in endpoint.seen}) == 1


def test_within_the_overlap_either_key_verifies_and_afterwards_the_new_one_alone(house: House) -> None:
    older = Key(id="f0", value=Sensitive(secret(OLDER).encode()), created=0, expires=4_000_000_000)
    endpoint = house.endpoint(forward_keys=(KEY, older))
    endpoint.call(BODY)
    assert all(verified(headers_of(endpoint.seen[0]), BODY, raw) for raw in (RAW, OLDER))
    house.put(replace(endpoint.binding, forward_keys=(KEY, replace(older, expires=1))))
    endpoint.call(BODY)
    told = headers_of(endpoint.seen[1])
    assert verified(told, BODY)
    with pytest.raises(WebhookVerificationError):
        verified(told, BODY, OLDER)


def test_a_binding_of_before_signs_nothing_and_a_sender_still_cannot(house: House) -> None:
    endpoint = house.endpoint()
    endpoint.call(BODY, Hookgate_Endpoint=b"team-a/other")
    assert headers_of(endpoint.seen[0]) == {}


def test_the_key_never_leaves_the_receiver(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    endpoint.call(BODY)
    told = b"".join(value for _, value in endpoint.seen[0].headers)
    assert not any(form in told for form in (RAW, SECRET, RAW.hex().encode(), base64.b64encode(RAW)))
    assert secret(RAW) not in caplog.text


@given(
    st.text(min_size=1, max_size=300),
    st.text(min_size=1, max_size=300),
    st.binary(max_size=100),
    st.integers(0, 2**33),
)
def test_whatever_a_sender_calls_its_deliveries_the_id_is_one_word_of_four_parts(
    delivery: str, event: str, body: bytes, now: int
) -> None:
    added: list[tuple[bytes, bytes]] = []
    Identity("team-a", "ci.v1", [KEY]).add(added, delivery, event, body, now, bytes)
    found = dict(added)
    parts = found[b"hookgate-id"].split(b"/")
    assert parts == [b"team-a", b"ci%2Ev1", found[b"hookgate-delivery"], found[b"hookgate-event"]]
    assert all(value.isascii() and b"." not in value and b" " not in value for value in parts)
    assert len(found[b"hookgate-signature"]) == len("v1,") + 44

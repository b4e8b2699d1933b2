"""What a sender wants to hear once its call was taken, in place of the target's own 2xx."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.model.binding import Key
from hookgate.model.sensitive import Sensitive
from tests.receiver.rig import HMAC, SECRET, TOKEN, Answer, Endpoint, House, signature

ACCEPTED = {"successResponse": {"body": "[accepted]"}}


def called(house: House, at: Endpoint) -> Answer:
    return house.post(at.path, b"{}", [(b"X-Signature", signature(b"{}"))])


def answer_of(status: str, body: bytes = b"taken") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def test_it_stands_in_for_the_targets_own_answer(house: House) -> None:
    at = house.endpoint(auth={**HMAC, **ACCEPTED})
    answer = called(house, at)
    assert (answer.status, answer.body, answer.header("content-type")) == (200, b"[accepted]", "text/plain")
    assert (answer.header("x-content-type-options"), answer.header("content-length")) == ("nosniff", "10")
    assert len(at.seen) == 1
    assert (house.receipts[-1].status, house.receipts[-1].reason, house.receipts[-1].target_status) == (200, None, 202)


@pytest.mark.parametrize(
    ("wanted", "status", "body", "kind"),
    [
        ({}, 200, b"", None),
        ({"status": 204}, 204, b"", None),
        (
            {"status": 201, "body": '{"ok":true}', "contentType": "application/json"},
            201,
            b'{"ok":true}',
            "application/json",
        ),
    ],
)
def test_status_body_and_type_are_the_descriptors(
    house: House, wanted: dict[str, Any], status: int, body: bytes, kind: str | None
) -> None:
    answer = called(house, house.endpoint(auth={**HMAC, "successResponse": wanted}))
    assert (answer.status, answer.body, answer.header("content-type")) == (status, body, kind)
    assert answer.header("content-length") == (None if status == 204 else str(len(body)))


@pytest.mark.parametrize(("told", "status"), [("400 Bad Request", 400), ("503 Service Unavailable", 502)])
def test_a_call_that_the_target_did_not_take_is_no_success(house: House, told: str, status: int) -> None:
    at = house.endpoint(auth={**HMAC, **ACCEPTED}, answer=answer_of(told))
    answer = called(house, at)
    assert (answer.status, b"accepted" in answer.body) == (status, False)


def test_a_call_that_is_refused_is_no_success(house: House) -> None:
    at = house.endpoint(auth={**HMAC, **ACCEPTED})
    assert house.post(at.path, b"{}", [(b"X-Signature", signature(b"other"))]).status == 401


def test_of_several_ways_the_one_that_verified_has_its_own_answer(house: House) -> None:
    keys = (
        Key(id="k1", value=Sensitive(SECRET), created=0, option=0),
        Key(id="k2", value=Sensitive(b"a token"), created=0, option=1),
    )
    auth = {"type": "anyOf", "options": [{**HMAC, **ACCEPTED}, TOKEN]}
    at = house.endpoint(auth=auth, keys=keys)
    assert called(house, at).body == b"[accepted]"
    assert house.post(at.path, b"{}", [(b"X-Token", b"a token")]).body == b"taken"

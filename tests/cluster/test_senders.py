"""Senders of different shapes, from their documentation to the target: what each signs gets through, nothing else does.

Calls are signed by `tests.scheme.senders`, which knows nothing of the project's own signer or presets.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.cluster.calls import Response, one_bit_flipped
from tests.cluster.plane import Plane
from tests.cluster.target import Target
from tests.cluster.team import Team
from tests.scheme import acme, senders
from tests.scheme.kit import preset
from tests.scheme.senders import SENDERS, Call

#: What stands right before the signature in the header that the status names.
BEFORE_SIGNATURE: Mapping[str, str] = {
    "discord": "",
    "github": "sha256=",
    "slack": "v0=",
    "standard-webhooks": "v1,",
    "stripe": "v1=",
}
TIMED = [name for name in BEFORE_SIGNATURE if "timestamp" in preset(name).scheme]
TEN_MINUTES = 600
PROVIDERS = {"acme": {"docs": "https://acme.example/webhooks", "scheme": {"type": "hmac", **acme.SCHEME}}}


@pytest.fixture(autouse=True)
def _open_to_signatures(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform allows public keys, senders have today's clock, and the key pair is this test's own."""
    pair = ed25519.Ed25519PrivateKey.generate()
    monkeypatch.setattr(senders, "ed25519_key", lambda: pair)
    monkeypatch.setattr(senders, "NOW", int(time.time()))
    # Not waited for: an endpoint is Ready once the operator has taken it in.
    plane.configure({**plane.configuration, "auth": {"allowedTypes": ["hmac", "signature"]}, "providers": PROVIDERS})


def configured(team: Team, name: str) -> tuple[str, str]:
    """An endpoint for that sender with the secret that the sender has; its URL and the header it is told to expect."""
    team.give_secret(f"{name}-secret", SENDERS[name]().secret)
    ref = {"name": f"{name}-secret", "key": "secret"}
    auth = {"type": preset(name).type, "provider": name, "secret": {"ref": ref}}
    status = team.created(name, auth=auth)["status"]
    return status["url"], status["header"]


def sent(team: Team, url: str, call: Call) -> Response:
    """The answer to a sender's call."""
    return team.call(url, call.body, {"Content-Type": "application/json", **call.headers, **call.other})


def with_flipped_signature(call: Call, header: str, before: str) -> Call:
    """The call with one bit of its signature's first character the other way."""
    text = call.headers[header]
    at = text.index(before) + len(before)
    return replace(call, headers={**call.headers, header: text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]})


def saying(name: str, content: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> Call:
    """A sender's call with other content, signed by it."""
    body = json.dumps(content).encode()
    monkeypatch.setattr(senders, "BODY", body)
    return replace(SENDERS[name](), body=body)


@pytest.mark.parametrize("name", BEFORE_SIGNATURE)
def test_what_a_sender_signs_reaches_the_target_and_nothing_one_bit_away_does(
    name: str, team: Team, target: Target
) -> None:
    """The signed bytes arrive; a bit of the body, of the signature or of the secret is the difference to 401."""
    url, header = configured(team, name)
    call = SENDERS[name]()

    assert sent(team, url, call).status == 200
    refused = [
        replace(call, body=one_bit_flipped(call.body)),
        with_flipped_signature(call, header, BEFORE_SIGNATURE[name]),
        replace(call, headers={}),
    ]
    assert [sent(team, url, each).status for each in refused] == [401, 401, 401]
    assert [each.body for each in target.at(f"/{team.namespace}/{name}")] == [call.body]


@pytest.mark.parametrize("name", TIMED)
def test_a_genuine_call_that_is_repeated_is_answered_and_not_delivered_again(
    name: str, team: Team, target: Target
) -> None:
    """Whoever recorded a call and sends it again at once gets nothing through; the status says so beforehand."""
    url, _ = configured(team, name)
    told = team.get(name)["status"]["replay"]
    assert told == {"protection": "SignedTimestamp", "window": "24h", "scope": "Replica"}
    call = SENDERS[name]()
    answers = [sent(team, url, call) for _ in range(3)]
    assert [(each.status, b"already" in each.body) for each in answers] == [(200, False), (200, True), (200, True)]
    assert len(target.at(f"/{team.namespace}/{name}")) == 1


def test_github_s_redelivery_by_hand_gets_through_unless_the_team_asks(team: Team, target: Target) -> None:
    """GitHub signs neither a time nor the id, so nothing is recognised unasked, and the status says that."""
    url, _ = configured(team, "github")
    assert team.get("github")["status"]["replay"] == {"protection": "None"}
    call = replace(SENDERS["github"](), other={"X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"})
    assert [sent(team, url, call).status for _ in range(2)] == [200, 200]
    assert len(target.at(f"/{team.namespace}/github")) == 2

    team.patched("github", replay={"mode": "DeliveryId", "window": "1h"})
    assert team.get("github")["status"]["replay"]["protection"] == "DeliveryId"
    assert [sent(team, url, call).status for _ in range(2)] == [200, 200]
    assert len(target.at(f"/{team.namespace}/github")) == 3


@pytest.mark.parametrize("name", TIMED)
def test_a_genuine_call_of_ten_minutes_ago_is_refused(
    name: str, team: Team, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever recorded a call cannot send it again later; the same call with the present time is taken."""
    url, _ = configured(team, name)
    now = senders.NOW
    monkeypatch.setattr(senders, "NOW", now - TEN_MINUTES)
    assert sent(team, url, SENDERS[name]()).status == 401
    monkeypatch.setattr(senders, "NOW", now)
    assert sent(team, url, SENDERS[name]()).status == 200
    assert len(target.at(f"/{team.namespace}/{name}")) == 1


@pytest.mark.parametrize(
    ("name", "question", "answer"),
    [
        ("slack", {"type": "url_verification", "challenge": "3eZbrw1aB10FEMAGAZd4FyFQ"}, b"3eZbrw1aB10FEMAGAZd4FyFQ"),
        ("discord", {"type": 1}, b'{"type":1}'),
    ],
)
def test_the_question_before_the_first_delivery_is_answered_by_the_receiver_alone(
    *,
    name: str,
    question: Mapping[str, Any],
    answer: bytes,
    team: Team,
    target: Target,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Signed, it gets the answer that the sender wants; with a bit changed it gets 401; the target hears of neither."""
    url, _ = configured(team, name)
    call = saying(name, question, monkeypatch)
    answered = sent(team, url, call)
    assert (answered.status, answered.body.replace(b" ", b"")) == (200, answer)
    assert sent(team, url, replace(call, body=call.body + b" ")).status == 401
    assert target.at(f"/{team.namespace}/{name}") == []


@pytest.mark.parametrize("said", [{"provider": "acme"}, {"hmac": acme.SCHEME}], ids=["hookgate.yaml", "spec.auth.hmac"])
def test_a_sender_that_nobody_foresaw_gets_through_by_its_descriptor(
    said: Mapping[str, Any], team: Team, target: Target
) -> None:
    """The platform or the team describes it; while it rotates, calls with the old or the new secret are taken."""
    team.give_secret("new", acme.NEW)
    team.give_secret("old", acme.OLD)
    held = {"ref": {"name": "new", "key": "secret"}, "previousRefs": [{"name": "old", "key": "secret"}]}
    url = team.created("acme", auth={"type": "hmac", "secret": held, **said})["status"]["url"]
    now = time.time()
    sets = ((acme.OLD,), (acme.OLD, acme.NEW), (acme.NEW,))
    calls = [
        {**acme.signed(url, now - number, *secrets), "Acme-Delivery": f"d-{number}"}
        for number, secrets in enumerate(sets)
    ]
    assert [team.call(url, acme.BODY, headers).status for headers in calls] == [200, 200, 200]
    refused = [
        acme.signed(url, now, b"somebody else's"),
        acme.signed(url, now - TEN_MINUTES, acme.NEW),
        acme.signed(url + "x", now, acme.NEW),
        acme.signed(url, now, acme.NEW, method="PUT"),
        acme.signed(url, now, acme.NEW, body=one_bit_flipped(acme.BODY)),
    ]
    assert [team.call(url, acme.BODY, headers).status for headers in refused] == [401] * 5
    assert [each.body for each in target.at(f"/{team.namespace}/acme")] == [acme.BODY] * 3

    team.patched("acme", auth={"secret": {**held, "previousRefs": None}})
    team.answers(401, url, acme.BODY, calls[0])
    assert team.call(url, acme.BODY, calls[1]).status == 200

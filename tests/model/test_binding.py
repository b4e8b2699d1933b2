"""The contract between the planes: what is optional in it, and that nothing half is taken for a whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hookgate.model.binding import Binding, Key, UndecodableBinding, decode, encode
from hookgate.model.rate import Rate
from hookgate.model.sensitive import Sensitive

PLAIN = Binding(
    uid="uid-1",
    namespace="team-a",
    name="ci",
    active=True,
    auth={"type": "hmac"},
    keys=(Key(id="k", value=Sensitive(b"secret"), created=0),),
    nonce="00",
    target="http://ci.team-a.svc/",
    timeout_ms=1000,
    max_body_bytes=10,
)
#: Every optional member, as a change to `PLAIN` and as it stands in a document.
OPTIONAL: dict[str, tuple[dict[str, Any], Any]] = {
    "rate": ({"rate": Rate(requests=5, per_ms=1000, burst=9)}, {"requests": 5, "perMs": 1000, "burst": 9}),
    "maxInFlight": ({"max_in_flight": 3}, 3),
    "forwardKeys": (
        {"forward_keys": (Key(id="f", value=Sensitive(b"sign"), created=1, expires=9),)},
        [{"id": "f", "value": "c2lnbg==", "created": 1, "expires": 9}],
    ),
    "ca": ({"ca": "-----BEGIN CERTIFICATE-----"}, "-----BEGIN CERTIFICATE-----"),
    "edition": ({"edition": 7}, 7),
    "allowedNetworks": ({"allowed_networks": ("192.0.2.0/24", "::1")}, ["192.0.2.0/24", "::1"]),
}


def test_what_says_nothing_is_left_out() -> None:
    """So that a new version of this project leaves the bindings of before as they are, byte for byte."""
    assert OPTIONAL.keys() & json.loads(encode(PLAIN)).keys() == set()


@pytest.mark.parametrize("member", OPTIONAL)
def test_every_optional_member_arrives_as_it_was_given(member: str) -> None:
    changes, written = OPTIONAL[member]
    binding = replace(PLAIN, **changes)
    assert json.loads(encode(binding))[member] == written
    assert decode(encode(binding)) == binding


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("rate", None),
        ("rate", {}),
        ("rate", {"requests": 0, "perMs": 1000, "burst": 1}),
        ("rate", {"requests": 1, "perMs": 0, "burst": 1}),
        ("rate", {"requests": 1, "perMs": 1000, "burst": True}),
        ("maxInFlight", None),
        ("maxInFlight", 0),
        ("maxInFlight", "3"),
        ("edition", None),
        ("edition", 0),
        ("edition", "1"),
        ("ca", None),
        ("ca", ""),
        ("ca", ["PEM"]),
        ("forwardKeys", None),
        ("forwardKeys", [{"id": "f", "value": "", "created": 1, "expires": None}]),
        ("allowedNetworks", None),
        ("allowedNetworks", []),
        ("allowedNetworks", "192.0.2.0/24"),
        ("allowedNetworks", ["example.com"]),
        ("allowedNetworks", [7]),
    ],
)
def test_a_bound_that_cannot_be_read_is_not_taken_for_none(member: str, value: Any) -> None:
    raw = json.dumps({**json.loads(encode(PLAIN)), member: value}).encode()
    with pytest.raises(UndecodableBinding):
        decode(raw)

"""hookgate.yaml on what calls may cost and where they come from: rates, places, proxies in front."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.config.load import InvalidConfig
from hookgate.config.platform import Front
from hookgate.model.rate import Rate
from tests.config.test_load import parsed


def test_what_stands_in_front_of_receivers_is_read() -> None:
    """Proxies by their addresses, or by their number."""
    believed = {"trustedProxies": ["10.0.0.0/8"], "proxyProtocol": True, "connectionsPerAddress": 10}
    assert parsed(receiver=believed).front == Front(proxies=("10.0.0.0/8",), proxy_protocol=True, connections=10)
    assert parsed(receiver={"trustedHops": 2}).front == Front(hops=2)


def test_a_rate_and_a_number_of_places_are_read() -> None:
    config = parsed(limits={"rate": {"requests": 5, "per": "1m"}, "maxInFlight": 3})
    assert (config.rate, config.max_in_flight) == (Rate(requests=5, per_ms=60_000, burst=5), 3)


def test_what_is_denied_is_read() -> None:
    assert parsed(targets={"deny": ["10.0.0.0/24"]}).denied_targets == ("10.0.0.0/24",)


@pytest.mark.parametrize(
    ("member", "told"),
    [
        ({"limits": {"rate": {"per": "1s"}}}, "limits.rate.requests: add this field; it is required"),
        (
            {"limits": {"rate": {"requests": 1, "per": "1 s"}}},
            "limits.rate.per: write one number and one unit, such as 1s, 5m or 1h, from 1s to 24h",
        ),
        (
            {"targets": {"deny": ["10.0.0.0/33"]}},
            "targets.deny[0]: write an IPv4 or IPv6 address, or a network such as 192.0.2.0/24 or 2001:db8::/32",
        ),
        ({"limits": {"maxInFlight": 0}}, "limits.maxInFlight: write a number of at least 1"),
        (
            {"receiver": {"trustedProxies": ["10.0.0.0/8", "proxy.example"]}},
            "receiver.trustedProxies[1]: write an IPv4 or IPv6 address, or a network such as 192.0.2.0/24 or "
            "2001:db8::/32",
        ),
        (
            {"receiver": {"trustedProxies": ["10.0.0.0/8"], "trustedHops": 1}},
            "receiver.trustedHops: proxies are known by their addresses or by their number; remove trustedHops or "
            "trustedProxies",
        ),
        (
            {"receiver": {"proxyProtocol": True}},
            "receiver.proxyProtocol: its header is believed only from trustedProxies; list them",
        ),
        (
            {"receiver": {"addresses": ["http://10.0.0.7:9090"], "trustedHops": 1}},
            "receiver.trustedHops: has no meaning with addresses; remove it, and start those receivers with "
            "--trusted-hops",
        ),
    ],
)
def test_what_cannot_be_is_told_by_its_field(member: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        parsed(**member)
    assert [each.partition(": ")[2] for each in error.value.errors] == [told]

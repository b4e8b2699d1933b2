"""Networks: what is one, and which addresses are in them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookgate.model.grammar import NETWORK
from hookgate.model.networks import Networks, plain_address

ADDRESSES = st.ip_addresses()
NETWORKS = st.builds(
    lambda address, bits: f"{address}/{bits % (address.max_prefixlen + 1)}", ADDRESSES, st.integers(0, 128)
)


@given(st.lists(NETWORKS, max_size=8), st.lists(ADDRESSES, max_size=8))
def test_an_address_is_in_it_if_it_is_in_one_of_the_networks(networks: list[str], addresses: list[object]) -> None:
    """Whatever overlaps, touches or repeats; the library looks into one after the other."""
    found = Networks(networks)
    each = [ip_network(text, strict=False) for text in networks]
    edges = [edge for network in each for edge in (network.network_address, network.broadcast_address)]
    for address in (*map(ip_address, map(str, addresses)), *edges):
        assert (address in found) == any(address in network for network in each)


@given(st.one_of(NETWORKS, ADDRESSES.map(str)))
def test_everything_that_is_written_plainly_is_a_network(text: str) -> None:
    assert NETWORK.fault(text) is None
    assert Networks([text])


@given(st.from_regex(r"[0-9a-fA-F:./]{1,20}", fullmatch=True))
def test_whatever_the_grammar_takes_can_be_read(text: str) -> None:
    if NETWORK.fault(text) is None:
        Networks([text])


def test_the_empty_set_has_nobody_in_it() -> None:
    assert not Networks([])
    assert ip_address("192.0.2.1") not in Networks([])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("2002:c000:201::1", "2002:c000:201::1"),
        ("192.0.2.1/32", None),
        ("example.com", None),
        ("", None),
    ],
)
def test_an_address_is_read_as_what_it_is(text: str, expected: str | None) -> None:
    found = plain_address(text)
    assert (None if found is None else str(found)) == expected

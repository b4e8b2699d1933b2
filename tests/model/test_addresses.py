"""What an IP address leads to, in whatever spelling, and where metadata services stand."""

from __future__ import annotations

import pytest

from hookgate.control.jwks import is_public
from hookgate.model.addresses import effective, is_metadata


@pytest.mark.parametrize(
    "spelling",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "::ffff:0:a9fe:a9fe",
        "::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_every_spelling_leads_to_the_same_address(spelling: str) -> None:
    """IPv4 inside IPv6: mapped, translated, compatible, 6to4."""
    assert str(effective(spelling)) == "169.254.169.254"
    assert not is_public(spelling)


@pytest.mark.parametrize("address", ["168.63.129.16", "100.100.100.200", "fd00:ec2::254"])
def test_metadata_services_outside_the_link_local_networks_are_known(address: str) -> None:
    """Neither plane connects to them, although some of them look public."""
    found = effective(address)
    assert found is not None
    assert is_metadata(found)
    assert not is_public(address)


@pytest.mark.parametrize("text", ["", "example.com", "1.2.3", "::g"])
def test_what_is_no_address_leads_nowhere(text: str) -> None:
    """Whoever asks treats it as forbidden."""
    assert effective(text) is None
    assert not is_public(text)


def test_a_public_address_is_one() -> None:
    """In both families, and with a zone."""
    assert [is_public(a) for a in ("93.184.216.34", "2606:2800:220:1::1", "fe80::1%eth0")] == [True, True, False]

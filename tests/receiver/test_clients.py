"""Whose call it is: from the connection, from proxies that are believed, and from nobody else."""

from __future__ import annotations

import contextlib
import socket
import struct
import tracemalloc
from collections.abc import Iterator

import pytest

from hookgate.receiver.clients import Clients, Trust
from hookgate.receiver.proxy_header import UNKNOWN, NoProxyHeader, ProxyHeader, read_proxy_header
from hookgate.receiver.settings import Edge
from tests.receiver.rig import Endpoint, House, bounds, closed, read_answer, request, settings, signature
from tests.receiver.test_calls import refusals, value

PROXIES = Trust(proxies=("10.0.0.0/8", "127.0.0.1", "2001:db8::/32"))


def client(trust: Trust, peer: str, *forwarded: bytes) -> str | None:
    """Return the address that is found."""
    found = Clients(trust).of(peer, [(b"x-forwarded-for", each) for each in forwarded])
    assert found is None or str(found.address).encode() == found.text
    return None if found is None else str(found.address)


@pytest.mark.parametrize("peer", ["192.0.2.1", "2001:db8::9", "10.0.0.1"])
def test_without_proxies_the_other_end_of_the_connection_is_the_client(peer: str) -> None:
    assert client(Trust(), peer, b"198.51.100.1") == peer


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ([], "10.0.0.1"),
        ([b"198.51.100.1"], "198.51.100.1"),
        ([b"203.0.113.66, 198.51.100.1"], "198.51.100.1"),
        ([b"203.0.113.66", b"198.51.100.1"], "198.51.100.1"),
        ([b"198.51.100.1, 10.0.0.9, 2001:db8::5"], "198.51.100.1"),
        ([b"10.0.0.7, 10.0.0.8"], "10.0.0.7"),
        ([b"198.51.100.1:4711"], "198.51.100.1"),
        ([b"[2001:4860::1]:443"], "2001:4860::1"),
        ([b"2001:4860::1"], "2001:4860::1"),
        ([b"::ffff:198.51.100.1"], "198.51.100.1"),
        ([b"198.51.100.1, unknown"], None),
        ([b"198.51.100.1,"], None),
        ([b"unknown, 198.51.100.1"], "198.51.100.1"),
        ([b"1, " * 1000 + b"198.51.100.1"], None),
    ],
)
def test_a_proxy_that_is_believed_tells_the_nearest_address_that_is_none(
    forwarded: list[bytes], expected: str | None
) -> None:
    assert client(PROXIES, "10.0.0.1", *forwarded) == expected


def test_somebody_who_is_no_proxy_is_believed_nothing() -> None:
    assert client(PROXIES, "192.0.2.1", b"198.51.100.1") == "192.0.2.1"


@pytest.mark.parametrize(
    ("hops", "forwarded", "expected"),
    [
        (1, b"203.0.113.66, 198.51.100.1", "198.51.100.1"),
        (2, b"203.0.113.66, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (2, b"198.51.100.1", None),
        (1, b"", None),
    ],
)
def test_so_many_hops_are_counted_from_the_nearest(hops: int, forwarded: bytes, expected: str | None) -> None:
    assert client(Trust(hops=hops), "192.0.2.1", *([forwarded] if forwarded else [])) == expected


V2 = b"\r\n\r\n\x00\r\nQUIT\n"
V2_IPV4 = socket.inet_aton("198.51.100.1") + socket.inet_aton("192.0.2.2") + struct.pack(">HH", 4711, 443)
V2_IPV6 = socket.inet_pton(socket.AF_INET6, "2001:4860::1") + bytes(16) + bytes(4)


def second(command: int, kind: int, addresses: bytes) -> bytes:
    """Return a header of version 2."""
    return V2 + bytes([command, kind]) + struct.pack(">H", len(addresses)) + addresses


@pytest.mark.parametrize(
    ("raw", "source"),
    [
        (b"PROXY TCP4 198.51.100.1 192.0.2.2 4711 443\r\n", "198.51.100.1"),
        (b"PROXY TCP6 2001:4860::1 2001:db8::2 4711 443\r\n", "2001:4860::1"),
        (b"PROXY UNKNOWN\r\n", UNKNOWN),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", UNKNOWN),
        (second(0x21, 0x11, V2_IPV4), "198.51.100.1"),
        (second(0x21, 0x11, V2_IPV4 + b"\x04\x00\x01x"), "198.51.100.1"),
        (second(0x21, 0x21, V2_IPV6), "2001:4860::1"),
        (second(0x20, 0x00, b""), None),
        (second(0x20, 0x11, V2_IPV4), None),
        (second(0x21, 0x31, bytes(216)), UNKNOWN),
    ],
)
def test_a_proxy_header_is_read_up_to_its_last_byte_however_it_comes(raw: bytes, source: str | None) -> None:
    expected = ProxyHeader(size=len(raw), source=source)
    assert [read_proxy_header(raw[:n]) for n in range(len(raw))] == [None] * len(raw)
    assert (read_proxy_header(raw), read_proxy_header(raw + b"POST /")) == (expected, expected)


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\n",
        b"PROXY TCP4 198.51.100.1 192.0.2.2 4711\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP4 example.com 192.0.2.2 1 2\r\n",
        b"PROXY UDP4 198.51.100.1 192.0.2.2 1 2\r\n",
        b"PROXY\r\n",
        b"PROXY " + b"x" * 101,
        b"proxy TCP4 198.51.100.1 192.0.2.2 4711 443\r\n",
        second(0x11, 0x11, V2_IPV4),
        second(0x22, 0x11, V2_IPV4),
        second(0x21, 0x11, V2_IPV4[:-1]),
        second(0x21, 0x21, V2_IPV4),
        V2 + b"\x21\x11\xff\xff",
    ],
)
def test_what_is_no_proxy_header_is_none(raw: bytes) -> None:
    with pytest.raises(NoProxyHeader):
        read_proxy_header(raw)


# On real sockets -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxied(edge: Edge) -> Iterator[House]:
    """A receiver that believes proxies on this host."""
    with House(settings(edge=edge, trust=PROXIES)).running() as running:
        yield running


def test_the_target_is_told_the_address_that_was_found_and_where_the_sender_called(house: House) -> None:
    endpoint = house.endpoint(url="https://hooks.example.com:8443/h/x")
    endpoint.call(X_Forwarded_For=b"203.0.113.66", X_Forwarded_Host=b"evil.example.com", Forwarded=b"for=203.0.113.66")
    seen = endpoint.seen[0]
    told = {n: v for n, v in seen.headers if n.startswith((b"x-forwarded", b"forwarded"))}
    assert told == {
        b"x-forwarded-for": b"127.0.0.1",
        b"x-forwarded-proto": b"https",
        b"x-forwarded-host": b"hooks.example.com:8443",
    }


def test_behind_a_proxy_the_target_is_told_whom_the_proxy_saw(proxied: House) -> None:
    endpoint = proxied.endpoint()
    endpoint.call(X_Forwarded_For=b"203.0.113.66, 198.51.100.1")
    assert endpoint.seen[0].values(b"x-forwarded-for") == [b"198.51.100.1"]


def test_an_address_that_nobody_can_tell_is_not_made_up(proxied: House) -> None:
    endpoint = proxied.endpoint()
    endpoint.call(X_Forwarded_For=b"unknown")
    assert endpoint.seen[0].values(b"x-forwarded-for") == []


def test_calls_from_elsewhere_than_allowed_are_forbidden_before_their_body_is_sent(house: House) -> None:
    endpoint = house.endpoint(allowed_networks=("192.0.2.0/24",))
    with house.connect() as connection:
        connection.sendall(request(endpoint.path, b"x" * 50_000, [(b"X-Forwarded-For", b"192.0.2.7")])[:-50_000])
        answer = read_answer(connection)
    assert (answer.status, answer.body) == (403, b'{"error":"forbidden"}\n')
    assert [(each["step"], each["reason"], each["where"]) for each in refusals(endpoint)] == [
        ("address", "address-not-allowed", None)
    ]
    told = house.get("/metrics", private=True).body
    assert b"address-not-allowed" in told
    assert b"192.0.2.7" not in told


def test_calls_from_where_they_are_allowed_pass(house: House) -> None:
    assert house.endpoint(allowed_networks=("192.0.2.0/24", "127.0.0.0/8")).call().status == 202


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        (b"192.0.2.7", 202),
        (b"203.0.113.1, 192.0.2.7, 10.1.1.1", 202),
        (b"192.0.2.7, 203.0.113.1", 403),
        (b"unknown", 403),
        (None, 403),
    ],
)
def test_behind_a_proxy_it_is_the_senders_address_that_counts(
    proxied: House, forwarded: bytes | None, status: int
) -> None:
    endpoint = proxied.endpoint(allowed_networks=("192.0.2.0/24",))
    assert endpoint.call(X_Forwarded_For=forwarded).status == status


def test_addresses_that_are_too_long_to_be_believed_are_not_kept(proxied: House) -> None:
    """They come before anybody is authenticated, each another one, and may be as long as a head."""
    endpoint = proxied.endpoint(allowed_networks=("192.0.2.0/24",))
    endpoint.call(X_Forwarded_For=b"unknown")
    tracemalloc.start()
    try:
        statuses = {endpoint.call(X_Forwarded_For=b"%030000d" % n).status for n in range(300)}
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert statuses == {403}
    assert held < 300 * 30_000 / 2


def test_an_address_that_is_allowed_proves_nothing(house: House) -> None:
    assert house.endpoint(allowed_networks=("127.0.0.1",)).call(X_Signature=None).status == 401


@pytest.fixture(scope="module")
def balanced(edge: Edge) -> Iterator[House]:
    """A receiver behind a balancer on this host that speaks the PROXY protocol."""
    chosen = settings(edge=edge, trust=PROXIES, proxy_protocol=True, bounds=bounds(head_seconds=0.5))
    with House(chosen).running() as running:
        yield running


def through(house: House, endpoint: Endpoint, *pieces: bytes, source: str = "127.0.0.1") -> int:
    """Send the pieces and a call after them; return its status."""
    with socket.create_connection(
        ("127.0.0.1", house.receiver.ports[0]), timeout=10, source_address=(source, 0)
    ) as opened:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces[:-1]:
            opened.sendall(piece)
        last = pieces[-1] if pieces else b""
        opened.sendall(last + request(endpoint.path, b"{}", [(b"X-Signature", signature(b"{}"))]))
        return read_answer(opened).status


@pytest.mark.parametrize(
    "pieces",
    [
        [b"PROXY TCP4 198.51.100.1 192.0.2.2 4711 443\r\n"],
        [b"PROXY TCP4 198.51.1", b"00.1 192.0.2.2 4711 443\r", b"\n"],
        [second(0x21, 0x11, V2_IPV4)],
        [second(0x21, 0x11, V2_IPV4)[:14], second(0x21, 0x11, V2_IPV4)[14:]],
    ],
)
def test_behind_a_balancer_the_client_is_whom_its_header_names(balanced: House, pieces: list[bytes]) -> None:
    endpoint = balanced.endpoint(allowed_networks=("198.51.100.0/24",))
    assert through(balanced, endpoint, *pieces) == 202
    assert endpoint.seen[0].values(b"x-forwarded-for") == [b"198.51.100.1"]


def test_a_balancer_that_speaks_for_itself_is_the_client(balanced: House) -> None:
    endpoint = balanced.endpoint()
    assert through(balanced, endpoint, second(0x20, 0x00, b"")) == 202
    assert endpoint.seen[0].values(b"x-forwarded-for") == [b"127.0.0.1"]


def test_whom_a_balancer_does_not_name_cannot_name_itself(balanced: House) -> None:
    """What the sender says of itself is not what the balancer says of it."""
    endpoint, closed_off = balanced.endpoint(), balanced.endpoint(allowed_networks=("198.51.100.0/24",))
    claim = [(b"X-Signature", signature(b"{}")), (b"X-Forwarded-For", b"198.51.100.1")]
    statuses = []
    for each in (endpoint, closed_off):
        with balanced.connect() as connection:
            connection.sendall(b"PROXY UNKNOWN\r\n" + request(each.path, b"{}", claim))
            statuses.append(read_answer(connection).status)
    assert statuses == [202, 403]
    assert endpoint.seen[0].values(b"x-forwarded-for") == []


def test_a_trusted_balancer_that_sends_no_header_is_hung_up_on(balanced: House) -> None:
    endpoint = balanced.endpoint()
    with balanced.connect() as connection:
        connection.sendall(request(endpoint.path, b"{}", [(b"X-Signature", signature(b"{}"))]))
        assert closed(connection)
    assert endpoint.seen == []


def test_a_proxy_header_that_does_not_end_is_given_up_and_counted(balanced: House) -> None:
    before = value(balanced, "rejected_total", limit="proxy-header") or 0.0
    with balanced.connect() as connection:
        connection.sendall(b"PROXY ")
        assert closed(connection)
    assert value(balanced, "rejected_total", limit="proxy-header") == before + 1


def test_somebody_who_is_no_balancer_cannot_claim_an_address(balanced: House) -> None:
    endpoint = balanced.endpoint()
    assert through(balanced, endpoint, b"PROXY TCP4 198.51.100.1 192.0.2.2 1 2\r\n", source="127.0.0.2") == 400
    assert through(balanced, endpoint, source="127.0.0.2") == 202
    assert endpoint.seen[0].values(b"x-forwarded-for") == [b"127.0.0.2"]


def test_one_address_cannot_have_every_connection(edge: Edge) -> None:
    few = settings(edge=edge, bounds=bounds(connections_per_address=2))
    with House(few).running() as house, contextlib.ExitStack() as opened:
        endpoint = house.endpoint()
        kept = [opened.enter_context(house.connect()) for _ in range(2)]
        for each in kept:
            each.sendall(request(endpoint.path, b"{}", [(b"X-Signature", signature(b"{}"))]))
            assert read_answer(each).status == 202
        with house.connect() as third:
            assert closed(third)
        assert through(house, endpoint, source="127.0.0.3") == 202
        assert value(house, "rejected_total", limit="connections-per-address") == 1.0
        kept[0].close()
        house.until(lambda: len(house.receipts) == 3)
        for _ in range(100):
            with contextlib.suppress(AssertionError, ConnectionError):
                if through(house, endpoint) == 202:
                    return
        pytest.fail("a place that was given back could not be had")


def test_proxies_that_are_believed_may_have_as_many_connections_as_they_like(edge: Edge) -> None:
    few = settings(edge=edge, trust=PROXIES, bounds=bounds(connections_per_address=1))
    with House(few).running() as house, contextlib.ExitStack() as opened:
        endpoint = house.endpoint()
        kept = [opened.enter_context(house.connect()) for _ in range(5)]
        for each in kept:
            each.sendall(request(endpoint.path, b"{}", [(b"X-Signature", signature(b"{}"))]))
        assert [read_answer(each).status for each in kept] == [202] * 5

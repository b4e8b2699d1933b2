"""The pure parts: targets, headers, verdicts to answers."""

from __future__ import annotations

import pytest

from hookgate.receiver.auth import authenticate, refusal_for
from hookgate.receiver.dial import may_dial
from hookgate.receiver.forward import InvalidTarget, Target, end_to_end, parse_target, request_target
from hookgate.receiver.lines import lines
from hookgate.receiver.respond import Refusal, Undelivered, refuse, relay
from hookgate.receiver.table import Entry
from hookgate.scheme.request import CONFIGURATION_REASONS, Reason, Request, Verdict


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://ci.team-a.svc:8080/github", ("http", "ci.team-a.svc", 8080, "/github", "", "ci.team-a.svc:8080")),
        ("http://ci.team-a.svc", ("http", "ci.team-a.svc", 80, "/", "", "ci.team-a.svc")),
        ("https://Example.COM:443/a?b=c", ("https", "example.com", 443, "/a", "b=c", "example.com")),
        ("http://[::1]:8080/", ("http", "::1", 8080, "/", "", "[::1]:8080")),
        ("http://x/a%2Fb//c", ("http", "x", 80, "/a%2Fb//c", "", "x")),
    ],
)
def test_a_target_is_taken_apart(url: str, expected: tuple[str, str, int, str, str, str]) -> None:
    target = parse_target(url, 1500)
    parts = (target.scheme, target.host, target.port, target.path, target.query, target.authority)
    assert (parts, target.timeout) == (expected, 1.5)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/path",
        "//host/",
        "ftp://host/",
        "file:///etc/passwd",
        "http:///path",
        "http://user@host/",
        "http://user:password@host/",
        "http://@host/",
        "http://host/#fragment",
        "http://host:port/",
        "http://host:99999/",
        "http://host/a b",
        "http://host/\r\nX: y",
        "http://host/\x00",
        "http://hö.example/",
        "http://[::1/",
    ],
)
def test_what_is_no_target_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InvalidTarget) as refused:
        parse_target(url, 1000)
    assert not url or url not in str(refused.value)


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_target_needs_a_positive_timeout(timeout: int) -> None:
    with pytest.raises(InvalidTarget, match="timeoutMs"):
        parse_target("http://x/", timeout)


def target(query: str) -> Target:
    """Return a target with its own query."""
    return Target(scheme="http", host="x", port=80, path="/p", query=query, timeout=1)


@pytest.mark.parametrize(
    ("own", "callers", "expected"),
    [("", b"", "/p"), ("", b"a=1", "/p?a=1"), ("b=2", b"", "/p?b=2"), ("b=2", b"a=1&b=3", "/p?b=2")],
)
def test_the_targets_own_query_rules(own: str, callers: bytes, expected: str) -> None:
    assert request_target(target(own), callers) == expected


@pytest.mark.parametrize("name", [b"x_forwarded_for", b"content_length", b"transfer_encoding", b"x_real-ip"])
def test_no_spelling_with_underscores_gets_past(name: bytes) -> None:
    """A target in the manner of CGI reads it as the name with hyphens."""
    assert end_to_end([(name, b"1"), (b"x_own", b"2")], frozenset()) == [(b"x_own", b"2")]


def test_headers_keep_their_order_and_their_doubles() -> None:
    headers = [(b"b", b"1"), (b"a", b"2"), (b"b", b"3")]
    assert end_to_end(headers, frozenset()) == headers


def test_a_connection_header_that_follows_names_headers_too() -> None:
    headers = [(b"x-hop", b"1"), (b"x-end", b"2"), (b"connection", b"X-Hop,, close")]
    assert end_to_end(headers, frozenset()) == [(b"x-end", b"2")]


def test_credentials_are_taken_away() -> None:
    assert end_to_end([(b"x-token", b"1"), (b"a", b"2")], frozenset({b"x-token"})) == [(b"a", b"2")]


def test_what_is_known_of_one_endpoints_headers_says_nothing_of_anothers() -> None:
    headers = [(b"x-token", b"1"), (b"x_token", b"2"), (b"a", b"3")]
    assert end_to_end(headers, frozenset()) == headers
    assert end_to_end(headers, frozenset({b"x-token"})) == [(b"a", b"3")]


def test_more_header_names_than_are_remembered_are_judged_alike() -> None:
    names = [b"x-%d" % number for number in range(3_000)] + [b"x" * 1_000, b"forwarded"]
    for _ in range(2):
        assert [name for name, _ in end_to_end([(name, b"") for name in names], frozenset())] == names[:-1]


def test_fields_are_written_as_lines() -> None:
    assert lines([(b"a", b"1"), (b"a", b""), (b"b", b": \xe9")]) == b"a: 1\r\na: \r\nb: : \xe9\r\n"
    assert lines(()) == b""


@pytest.mark.parametrize("bad", [b"a\rb", b"a\nb", b"a\0b", b"\r", b"\n", b"\0"])
def test_a_field_that_would_not_stay_one_line_is_not_written(bad: bytes) -> None:
    for field in ((bad, b"1"), (b"a", bad)):
        with pytest.raises(ValueError, match="one line"):
            lines([(b"b", b"2"), field])


@pytest.mark.parametrize("reason", Reason)
def test_only_faults_of_ours_are_answered_as_unavailable(reason: Reason) -> None:
    expected = Refusal.UNUSABLE if reason in CONFIGURATION_REASONS else Refusal.UNAUTHENTIC
    assert refusal_for(Verdict(accepted=False, reason=reason)) is expected


def test_an_accepted_call_is_not_refused() -> None:
    assert refusal_for(Verdict(accepted=True)) is None


def test_a_call_that_was_not_accepted_is_refused_even_without_a_reason() -> None:
    assert refusal_for(Verdict(accepted=False)) is Refusal.UNAUTHENTIC


def test_an_entry_without_a_verifier_accepts_nothing() -> None:
    verdict = authenticate(Entry(uid="u", digest="d", path=None), Request(method="POST", headers=()), 0.0)
    assert (verdict.accepted, verdict.reason) == (False, Reason.NO_USABLE_KEY)


@pytest.mark.parametrize("refusal", Refusal)
def test_an_own_answer_declares_its_length_and_forbids_guessing_its_type(refusal: Refusal) -> None:
    reply = refuse(refusal)
    headers = dict(reply.headers)
    assert (int(headers[b"content-length"]), headers[b"x-content-type-options"]) == (len(reply.body), b"nosniff")


@pytest.mark.parametrize("refusal", Refusal)
def test_a_closing_answer_differs_by_its_announcement_only(refusal: Refusal) -> None:
    plain, closing = refuse(refusal), refuse(refusal, closing=True)
    assert (plain.status, plain.body, (*plain.headers, (b"connection", b"close"))) == (
        closing.status,
        closing.body,
        closing.headers,
    )


@pytest.mark.parametrize(
    ("failure", "status"),
    [(Undelivered.TIMEOUT, 504), (Undelivered.REFUSED, 502), (Undelivered.ANSWER_TOO_LARGE, 502)],
)
def test_no_answer_of_the_target_is_our_gateway_error(failure: Undelivered, status: int) -> None:
    assert relay(failure).status == status


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "172.16.0.1", "192.168.1.1", "93.184.216.34", "fd12:3456::1", "2606:2800:220:1::1", "64:ff9b::a00:1"],
)
def test_ordinary_addresses_may_be_dialled(address: str) -> None:
    assert may_dial(address, loopback=False)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "::ffff:0:a9fe:a9fe",
        "::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "fd00:42::42",
        "fd00:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "",
        "localhost",
    ],
)
def test_metadata_and_local_networks_are_never_dialled(address: str) -> None:
    assert not may_dial(address, loopback=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
def test_this_host_is_dialled_only_where_it_is_meant(address: str) -> None:
    assert (may_dial(address, loopback=False), may_dial(address, loopback=True)) == (False, True)

"""What reaches the target and what comes back: the same bytes, and no more than belongs there."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from hookgate.receiver.settings import Edge
from tests.receiver.rig import HMAC, SECRET, TOKEN, House, request, settings, signature, without_date

BODIES = {
    "empty": b"",
    "NUL": b"a\x00b\x00",
    "invalid UTF-8": b"\xff\xfe\x80\xc3\x28",
    "byte order mark": b"\xef\xbb\xbf{}",
    "line ends": b"\r\n\n\r\r\n\r\n",
    "duplicate JSON members": b'{"a":1,"a":2, "b" : 1.0}',
    "looks like HTTP": b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
    "20 kB": random.Random(1).randbytes(20_000),
    "60 kB": random.Random(2).randbytes(60_000),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_the_target_gets_the_bytes_that_were_signed(house: House, body: bytes) -> None:
    endpoint = house.endpoint()
    assert (endpoint.call(body).status, [s.body for s in endpoint.seen]) == (202, [body])


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_chunked_body_reaches_the_target_as_the_same_bytes(house: House, body: bytes) -> None:
    endpoint = house.endpoint()
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nX-Signature: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[i : i + 999] for i in range(0, len(body), 999)))
    raw = head % (endpoint.path.encode(), signature(body)) + chunks + b"0\r\n\r\n"
    assert (house.exchange(raw).status, [s.body for s in endpoint.seen]) == (202, [body])


def test_a_body_of_several_megabytes_reaches_the_target_whole(house: House) -> None:
    endpoint = house.endpoint(max_body_bytes=4_000_000)
    body = random.Random(3).randbytes(3_000_000)
    assert (endpoint.call(body).status, [s.body for s in endpoint.seen] == [body]) == (202, True)


def test_a_compressed_body_is_not_decompressed(house: House) -> None:
    endpoint = house.endpoint()
    endpoint.call(b"\x1f\x8b not really", Content_Encoding=b"gzip")
    assert (endpoint.seen[0].body, endpoint.seen[0].values(b"content-encoding")) == (b"\x1f\x8b not really", [b"gzip"])


#: What a target is told beside what its sender sent.
OURS = [(b"x-forwarded-for", b"127.0.0.1")]


def test_end_to_end_headers_arrive_unchanged_and_no_others_are_added(house: House) -> None:
    endpoint = house.endpoint()
    sent = [
        (b"x-signature", signature(b"{}")),
        (b"content-type", b"application/json; charset=utf-8"),
        (b"user-agent", b"GitHub-Hookshot/044aadd"),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"identity"),
        (b"x-event", b"push"),
        (b"x-multi", b"one"),
        (b"x-multi", b"two, three"),
        (b"x-name", "Zoë".encode()),
        (b"cookie", b"a=b"),
        (b"x-empty", b""),
    ]
    house.post(endpoint.path, b"{}", sent)
    target = endpoint.binding.target.split("/")[2].encode()
    assert sorted(endpoint.seen[0].headers) == sorted([*sent, (b"host", target), (b"content-length", b"2"), *OURS])


def test_nothing_is_made_up_for_headers_that_were_not_sent(house: House) -> None:
    endpoint = house.endpoint()
    endpoint.call()
    names = [b"content-length", b"host", b"x-signature", *(name for name, _ in OURS)]
    assert sorted(name for name, _ in endpoint.seen[0].headers) == sorted(names)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"Connection", b"keep-alive"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Proxy-Connection", b"keep-alive"),
        (b"Proxy-Authorization", b"Basic abc"),
        (b"TE", b"trailers"),
        (b"Trailer", b"X-A"),
        (b"Upgrade", b"h2c"),
        (b"Expect", b"100-continue"),
        (b"Forwarded", b"for=1.2.3.4"),
        (b"X-Forwarded-For", b"1.2.3.4"),
        (b"X-Forwarded-Host", b"evil.example"),
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Forwarded-Anything", b"x"),
        (b"X-Real-IP", b"1.2.3.4"),
        (b"X-Forwarded", b"for=1.2.3.4"),
        (b"True-Client-IP", b"1.2.3.4"),
        (b"X-Client-IP", b"1.2.3.4"),
        (b"CF-Connecting-IP", b"1.2.3.4"),
        (b"X-Envoy-External-Address", b"1.2.3.4"),
        (b"Proxy", b"http://evil.example"),
        (b"Authorization", b"Bearer abc"),
    ],
    ids=lambda v: v.decode(),
)
def test_hop_by_hop_forgeable_and_credential_headers_stay_here(house: House, name: bytes, value: bytes) -> None:
    endpoint = house.endpoint()
    house.post(endpoint.path, b"{}", [(b"X-Signature", signature(b"{}")), (name, value)])
    house.until(lambda: len(endpoint.seen) == 1)
    assert value not in endpoint.seen[0].values(name.lower())


def test_headers_that_the_connection_header_names_stay_here(house: House) -> None:
    endpoint = house.endpoint()
    endpoint.call(Connection=b"close, X-Hop ,x-other", X_Hop=b"1", X_Other=b"2", X_Kept=b"3")
    seen = endpoint.seen[0]
    assert (seen.values(b"x-hop"), seen.values(b"x-other"), seen.values(b"x-kept")) == ([], [], [b"3"])


def test_the_token_of_the_scheme_stays_here(house: House) -> None:
    endpoint = house.endpoint(auth=TOKEN)
    assert (endpoint.call(X_Token=SECRET).status, endpoint.seen[0].values(b"x-token")) == (202, [])


def test_a_signature_may_pass(house: House) -> None:
    endpoint = house.endpoint(auth=HMAC)
    endpoint.call()
    assert endpoint.seen[0].values(b"x-signature") == [signature(b"{}")]


def test_the_callers_query_is_passed_on_as_it_came(house: House) -> None:
    endpoint = house.endpoint()
    endpoint.call(path=endpoint.path + "?b=%2F+%20&a=1&a=2&&c")
    assert endpoint.seen[0].line == f"POST {endpoint.target_path}?b=%2F+%20&a=1&a=2&&c HTTP/1.1".encode()


def test_the_callers_query_cannot_change_that_of_the_target(house: House) -> None:
    endpoint = house.endpoint(query="?job=build")
    endpoint.call(path=endpoint.path + "?job=drop")
    assert endpoint.seen[0].line == f"POST {endpoint.target_path}?job=build HTTP/1.1".encode()


def test_a_query_that_is_not_ascii_is_refused(house: House) -> None:
    endpoint = house.endpoint()
    raw = request(endpoint.path + "?q=Q", b"{}", [(b"X-Signature", signature(b"{}"))]).replace(b"?q=Q", b"?q=\xc3\xa9")
    assert (house.exchange(raw).status, endpoint.seen) == (400, [])


def test_the_targets_path_is_used_as_it_is_written(house: House) -> None:
    endpoint = house.endpoint()
    odd = endpoint.target_path + "/a%2Fb//c%20d"
    house.target.answers[odd] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    other = house.endpoint(target=endpoint.binding.target + "/a%2Fb//c%20d")
    assert (other.call().status, house.target.seen[odd][0].line) == (200, f"POST {odd} HTTP/1.1".encode())


def test_only_harmless_headers_of_the_target_reach_the_sender(house: House) -> None:
    endpoint = house.endpoint(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=b\r\nServer: apache\r\nLocation: /x\r\n"
        b"Access-Control-Allow-Origin: *\r\nLink: </x>\r\nX-Powered-By: php\r\nContent-Security-Policy: none\r\n"
        b"X-Content-Type-Options: no\r\nStrict-Transport-Security: max-age=1\r\nX-Request-Id: r1\r\n"
        b"Cache-Control: no-store\r\nContent-Length: 4\r\n\r\n<b/>"
    )
    assert without_date(endpoint.call().headers) == {
        "content-type": "text/html",
        "x-request-id": "r1",
        "cache-control": "no-store",
        "content-length": "4",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox",
    }


def test_a_chunked_answer_comes_back_whole(house: House) -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert house.endpoint(raw).call().body == b"abcde"


def test_a_compressed_answer_comes_back_compressed(house: House) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8babc"
    answer = house.endpoint(raw).call()
    assert (answer.header("content-encoding"), answer.body) == ("gzip", b"\x1f\x8babc")


def test_a_redirect_is_not_followed(house: House) -> None:
    elsewhere = house.endpoint()
    location = elsewhere.target_path.encode()
    endpoint = house.endpoint(b"HTTP/1.1 307 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location)
    assert (endpoint.call().status, len(endpoint.seen), elsewhere.seen) == (502, 1, [])


def test_cookies_of_a_target_are_not_remembered(house: House) -> None:
    """The name of the host matters: clients keep no cookies of bare addresses."""
    path = "/cookies"
    house.target.answers[path] = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    endpoint = house.endpoint(target=f"http://localhost:{house.target.port}{path}")
    endpoint.call()
    endpoint.call()
    assert [s.values(b"cookie") for s in house.target.seen[path]] == [[], []]


def test_a_failed_attempt_is_not_repeated(house: House) -> None:
    endpoint = house.endpoint(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")
    endpoint.call()
    assert len(endpoint.seen) == 1


def test_proxies_from_the_environment_are_not_used(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert house.endpoint().call().status == 202


def test_a_query_that_carries_the_senders_token_stays_here(house: House) -> None:
    endpoint = house.endpoint(auth={"type": "token", "source": {"query": "token"}})
    assert endpoint.call(path=endpoint.path + "?a=1&token=" + SECRET.decode().replace(" ", "%20")).status == 202
    assert endpoint.seen[0].line == f"POST {endpoint.target_path} HTTP/1.1".encode()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
def test_a_target_on_this_host_is_not_called_unless_that_is_allowed(edge: Edge, host: str) -> None:
    with House(settings(edge=edge, loopback_targets=False)).running() as house:
        endpoint = house.endpoint()
        house.put(replace(endpoint.binding, target=f"http://{host}:{house.target.port}{endpoint.target_path}"))
        assert (endpoint.call().status, endpoint.seen) == (502, [])

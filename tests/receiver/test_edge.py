"""The HTTP edge against clients that are slow, greedy or sly."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from hookgate.receiver.settings import Edge
from tests.receiver.rig import OK, House, bounds, closed, read_answer, request, settings, signature

BODY = b'{"n":1}'
SIGNED = [(b"X-Signature", signature(BODY))]


@pytest.fixture(scope="module")
def hasty(edge: Edge) -> Iterator[House]:
    """A receiver with very little patience."""
    with House(
        settings(edge=edge, bounds=bounds(head_seconds=0.3), keep_alive=1.5, body_seconds=0.3)
    ).running() as running:
        yield running


def test_a_connection_that_sends_nothing_is_closed(hasty: House) -> None:
    with hasty.connect() as connection:
        assert closed(connection)


@pytest.mark.parametrize("start", [b"P", b"POST /h/a HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nX-A: ", b"\r\n"])
def test_a_head_that_is_not_finished_in_time_is_given_up(hasty: House, start: bytes) -> None:
    with hasty.connect() as connection:
        connection.sendall(start)
        assert closed(connection)


def test_a_second_head_that_is_not_finished_in_time_is_given_up(hasty: House) -> None:
    with hasty.connect() as connection:
        connection.sendall(request("/h/nobody", b""))
        read_answer(connection)
        connection.sendall(b"POST ")
        assert closed(connection)


def test_blank_lines_between_requests_do_not_keep_a_connection(hasty: House) -> None:
    with hasty.connect() as connection:
        connection.sendall(request("/h/nobody", b""))
        read_answer(connection)
        connection.sendall(b"\r\n")
        assert closed(connection)


def test_the_rest_of_an_unread_body_that_does_not_come_is_given_up(hasty: House) -> None:
    with hasty.connect() as connection:
        connection.sendall(request("/h/nobody", BODY)[:-1])
        assert (read_answer(connection).status, closed(connection)) == (404, True)


def test_a_body_that_does_not_come_gets_408_and_ends_the_connection(hasty: House) -> None:
    endpoint = hasty.endpoint()
    with hasty.connect() as connection:
        connection.sendall(request(endpoint.path, BODY)[:-1])
        assert (read_answer(connection).status, endpoint.seen, closed(connection)) == (408, [], True)


def test_once_an_unread_body_has_run_out_the_connection_is_an_ordinary_idle_one(hasty: House) -> None:
    with hasty.connect() as connection:
        raw = request("/h/nobody", BODY)
        connection.sendall(raw[:-2])
        read_answer(connection)
        connection.sendall(raw[-2:-1])
        connection.sendall(raw[-1:])
        time.sleep(0.5)  # longer than the patience for an unfinished request, far less than that for an idle one
        connection.sendall(raw)
        assert read_answer(connection).status == 404


def test_an_idle_connection_is_kept_and_then_closed(hasty: House) -> None:
    with hasty.connect() as connection:
        for _ in range(2):
            connection.sendall(request("/h/nobody", b""))
            assert read_answer(connection).status == 404
        assert closed(connection)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /h/" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n" + b"A: \r\n" * 2000 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"a" * 1_000_000,
    ],
    ids=["URL", "one header", "many headers", "a header without end"],
)
def test_a_head_over_the_bound_is_refused_and_the_connection_ends(house: House, head: bytes) -> None:
    with house.connect() as connection:
        try:
            connection.sendall(head)
            rest = b"".join(iter(lambda: connection.recv(4096), b""))
        except ConnectionError:
            rest = b""
        assert rest == b"" or rest.startswith(b"HTTP/1.1 400 ")


def test_trailers_over_the_bound_end_the_connection(house: House) -> None:
    endpoint = house.endpoint()
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % endpoint.path.encode()
    with house.connect() as connection:
        connection.sendall(head + b"0\r\n" + b"X-T: a\r\n" * 5000 + b"\r\n")
        assert connection.recv(12) == b"HTTP/1.1 400"


def test_trailers_do_not_reach_the_target(house: House) -> None:
    endpoint = house.endpoint()
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nX-Signature: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw = head % (endpoint.path.encode(), signature(BODY)) + b"7\r\n" + BODY + b"\r\n0\r\nX-T: a\r\n\r\n"
    assert (house.exchange(raw).status, endpoint.seen[0].values(b"x-t")) == (202, [])


def test_blanks_around_a_value_are_no_part_of_it(house: House) -> None:
    endpoint = house.endpoint()
    headers = [(b"X-Signature", b" \t" + signature(BODY) + b" \t "), (b"X-Id", b" a  b ")]
    assert (house.post(endpoint.path, BODY, headers).status, endpoint.seen[0].values(b"x-id")) == (202, [b"a  b"])


AMBIGUOUS = {
    "length and chunked": b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
    "chunked and length": b"Transfer-Encoding: chunked\r\nContent-Length: 7\r\n",
    "two lengths": b"Content-Length: 7\r\nContent-Length: 7\r\n",
    "a list of lengths": b"Content-Length: 7, 7\r\n",
    "a signed length": b"Content-Length: +7\r\n",
    "a negative length": b"Content-Length: -7\r\n",
    "a length beyond numbers": b"Content-Length: 99999999999999999999999\r\n",
    "a length of thousands of digits": b"Content-Length: " + b"0" * 5000 + b"7\r\n",
    "another coding": b"Transfer-Encoding: gzip, chunked\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "two hosts": b"Host: y\r\nContent-Length: 7\r\n",
    "space before the colon": b"Content-Length : 7\r\n",
    "a folded header": b"Content-Length: 7\r\nX-A: b\r\n c\r\n",
    "bare line feeds": b"Content-Length: 7\nX-A: b\n",
    "a NUL in a header": b"Content-Length: 7\r\nX-A: b\x00\r\n",
}


@pytest.mark.parametrize("framing", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_a_head_that_two_readers_could_understand_differently_is_refused(house: House, framing: bytes) -> None:
    endpoint = house.endpoint()
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nX-Signature: %s\r\n" % (endpoint.path.encode(), signature(BODY))
    body = b"7\r\n%s\r\n0\r\n\r\n" % BODY if b"chunked" in framing else BODY
    assert (house.exchange(head + framing + b"\r\n" + body).status, endpoint.seen) == (400, [])


def test_a_length_of_thousands_of_digits_is_like_any_other_where_no_endpoint_is(house: House) -> None:
    assert (
        house.exchange(b"POST /h/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: %b7\r\n\r\n" % (b"0" * 5000)).status
        == 404
    )


def test_a_request_without_host_is_refused(house: House) -> None:
    endpoint = house.endpoint()
    raw = request(endpoint.path, BODY, SIGNED).replace(b"Host: hooks.example.com\r\n", b"")
    assert (house.exchange(raw).status, endpoint.seen) == (400, [])


def test_a_length_that_lies_short_leaves_no_second_request_behind(house: House) -> None:
    """What follows the declared body is read as the next request, and is none."""
    endpoint = house.endpoint()
    with house.connect() as connection:
        connection.sendall(request(endpoint.path, BODY, SIGNED) + b"GARBAGE\r\n\r\n")
        statuses = {read_answer(connection).status}
        assert statuses <= {202, 400}
        assert closed(connection) or read_answer(connection).status == 400


def test_a_length_that_lies_long_never_reaches_the_target(house: House) -> None:
    endpoint = house.endpoint()
    raw = request(endpoint.path, BODY, SIGNED).replace(b"Content-Length: 7", b"Content-Length: 8")
    with house.connect() as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(4096)
    house.until(lambda: house.receiver.load.calls == 0)
    assert endpoint.seen == []


def test_a_connection_carries_many_calls(house: House) -> None:
    endpoint = house.endpoint()
    with house.connect() as connection:
        for _ in range(3):
            connection.sendall(request(endpoint.path, BODY, SIGNED))
            assert read_answer(connection).status == 202


def test_calls_sent_without_waiting_are_answered_in_their_order(house: House) -> None:
    endpoint = house.endpoint()
    with house.connect() as connection:
        connection.sendall(
            request(endpoint.path, BODY, SIGNED) + request("/h/nobody", BODY) + request(endpoint.path, BODY)
        )
        assert [read_answer(connection).status for _ in range(3)] == [202, 404, 401]


def test_a_small_body_that_nobody_reads_does_not_cost_the_connection(house: House) -> None:
    with house.connect() as connection:
        for _ in range(2):
            connection.sendall(request("/h/nobody", b"x" * 60_000))
            assert (read_answer(connection).header("connection")) is None


def test_a_sender_that_waits_for_100_continue_is_told_to_go_on_only_where_its_body_is_wanted(house: House) -> None:
    endpoint = house.endpoint()
    for path, first in ((endpoint.path, b"HTTP/1.1 100"), ("/h/nobody", b"HTTP/1.1 404")):
        with house.connect() as connection:
            connection.sendall(request(path, BODY, [*SIGNED, (b"Expect", b"100-continue")])[: -len(BODY)])
            assert connection.recv(12) == first


@pytest.mark.parametrize(("path", "first"), [("known", b"HTTP/1.1 100"), ("/h/nobody", b"HTTP/1.1 404")])
def test_a_sender_that_waits_for_100_continue_while_another_call_is_delivered_is_told_when_it_is_its_turn(
    house: House, path: str, first: bytes
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow() -> bytes:
        asked.set()
        await go.wait()
        return OK

    before, endpoint = house.endpoint(slow), house.endpoint()
    raw = request(endpoint.path if path == "known" else path, BODY, [*SIGNED, (b"Expect", b"100-continue")])
    with house.connect() as connection:
        connection.sendall(request(before.path, BODY, SIGNED))
        house.until(asked.is_set)
        connection.sendall(raw[: -len(BODY)])
        time.sleep(0.1)
        house.inside(go.set)
        assert (read_answer(connection).status, connection.recv(12)) == (202, first)
        if first.endswith(b"100"):
            connection.sendall(BODY)
            assert (connection.recv(13), read_answer(connection).status) == (b" Continue\r\n\r\n", 202)


def test_a_sender_of_http_1_0_is_never_told_to_go_on(house: House) -> None:
    endpoint = house.endpoint()
    raw = request(endpoint.path, BODY, [*SIGNED, (b"Expect", b"100-continue")]).replace(b"HTTP/1.1", b"HTTP/1.0")
    with house.connect() as connection:
        connection.sendall(raw[: -len(BODY)])
        house.until(lambda: house.receiver.load.calls == 1)
        connection.sendall(BODY)
        assert read_answer(connection).status == 202


HOSTS = [b"x", b"hooks.example.com", b"a-b_c~d.e:65535", b"192.0.2.1:80", b"[2001:db8::1]", b"[::1]:8080"]
NO_HOSTS = [
    b"]:[", b"a:b:c", b"x:99999999", b"%zz", b"x:", b"x:8a", b":80", b"[::1", b"::1", b"[]", b"[::1]x", b"[x]", b"a b",
    b"a!b", b"x" * 256,
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_a_name_or_an_address_and_perhaps_a_port(house: House, host: bytes) -> None:
    endpoint = house.endpoint()
    raw = request(endpoint.path, BODY, SIGNED).replace(b"hooks.example.com", host)
    assert [house.exchange(raw).status for _ in range(2)] == [202, 202]


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host_is_refused(house: House, host: bytes) -> None:
    endpoint = house.endpoint()
    raw = request(endpoint.path, BODY, SIGNED).replace(b"hooks.example.com", host)
    assert ([house.exchange(raw).status for _ in range(2)], endpoint.seen) == ([400, 400], [])


def test_hosts_without_end_are_judged_like_the_first(house: House) -> None:
    endpoint = house.endpoint()
    raw = request(endpoint.path, b"")
    with house.connect() as connection:
        for number in range(600):
            for host, status in ((b"h%d" % number, 401), (b"hooks.example.com", 401)):
                connection.sendall(raw.replace(b"hooks.example.com", host))
                assert read_answer(connection).status == status


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
def test_a_call_that_offers_an_upgrade_is_refused_and_its_body_is_no_second_call(house: House, upgrade: bytes) -> None:
    endpoint = house.endpoint()
    smuggled = request(endpoint.path, BODY, SIGNED)
    with house.connect() as connection:
        headers = [(b"Connection", b"Upgrade"), (b"Upgrade", upgrade)]
        connection.sendall(request(endpoint.path, smuggled, headers))
        assert (read_answer(connection).status, closed(connection), endpoint.seen) == (400, True, [])


def test_the_absolute_form_of_a_path_reaches_the_same_endpoint(house: House) -> None:
    endpoint = house.endpoint()
    assert house.post("http://hooks.example.com" + endpoint.path, BODY, SIGNED).status == 202


@pytest.mark.parametrize("line", [b"OPTIONS * HTTP/1.1", b"CONNECT x:1 HTTP/1.1", b"GET / HTTP/0.9", b"PRI * HTTP/2.0"])
def test_odd_request_lines_reach_nothing(house: House, line: bytes) -> None:
    assert house.exchange(line + b"\r\nHost: x\r\n\r\n").status in (400, 404)


def test_connections_over_the_bound_are_closed_at_once(edge: Edge) -> None:
    with (
        House(settings(edge=edge, bounds=bounds(connections=1, head_seconds=60))).running() as house,
        house.connect() as first,
    ):
        first.sendall(request("/h/nobody", b""))
        read_answer(first)
        with house.connect() as second:
            assert closed(second)


def test_answers_do_not_name_the_server(house: House) -> None:
    assert house.post("/h/nobody", BODY).header("server") is None


def test_bodies_that_were_refused_leave_nothing_behind(house: House) -> None:
    endpoint = house.endpoint(max_body_bytes=1000)
    for body in (b"x" * 1001, b"x" * 500):
        house.post(endpoint.path, body)
    house.until(lambda: (house.receiver.load.calls, house.receiver.load.held_bytes) == (0, 0))
    assert house.inside(lambda: house.receiver.load.held_bytes) == 0

"""The answers that a sender can get: one test for each row of the contract's table, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator

import pytest

from hookgate.model.binding import Key, encode
from hookgate.model.sensitive import Sensitive
from hookgate.receiver.settings import Edge
from tests.receiver.rig import (
    OK,
    SECRET,
    TOKEN,
    Endpoint,
    House,
    ended,
    make_binding,
    read_answer,
    request,
    segment_for,
    settings,
    signature,
    sized,
    without_date,
)

BODY = b'{"n":1}'


def test_a_signed_call_reaches_the_target_and_its_answer_comes_back(house: House) -> None:
    endpoint = house.endpoint()
    answer = endpoint.call(b"hello")
    assert (answer.status, answer.body, [s.body for s in endpoint.seen]) == (202, b"taken", [b"hello"])


def test_every_unknown_path_gets_the_same_bytes(house: House) -> None:
    known = house.endpoint().path
    paths = [
        "/",
        "/h/",
        "/h/" + segment_for(999_999),
        known + "/",
        known + "//",
        "/" + known,
        known.upper(),
        known[:-1],
        known + "a",
        known + ";a",
        "/h/../h/" + known[3:],
        "/h/%" + f"{ord(known[3]):02x}" + known[4:],
        "/h/" + known[3:-1] + "%00",
        "/readyz",
    ]
    answers = {(a.status, a.body, str(without_date(a.headers))) for a in (house.post(p, BODY) for p in paths)}
    assert {status for status, _, _ in answers} == {404}
    assert len(answers) == 1


def test_an_unknown_path_is_answered_before_the_body_is_sent(house: House) -> None:
    raw = b"POST /h/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    assert house.exchange(raw).status == 404


def test_an_absent_endpoint_looks_like_an_unknown_path(house: House) -> None:
    endpoint = house.endpoint()
    unknown = house.post("/h/" + segment_for(999_999), BODY)
    house.inside(lambda: house.receiver.table.remove(endpoint.binding.uid))
    answer = endpoint.call(BODY)
    assert (answer.status, answer.body, without_date(answer.headers)) == (
        404,
        unknown.body,
        without_date(unknown.headers),
    )


def test_an_inactive_endpoint_is_unavailable_for_now(house: House) -> None:
    answer = house.endpoint(active=False).call(BODY)
    assert (answer.status, answer.header("retry-after")) == (503, "60")


def test_an_inactive_endpoint_may_look_like_an_unknown_path(house: House) -> None:
    answer = house.endpoint(active=False, inactive_response=404).call(BODY)
    unknown = house.post("/h/" + segment_for(999_999), BODY)
    assert (answer.status, answer.body, without_date(answer.headers)) == (
        404,
        unknown.body,
        without_date(unknown.headers),
    )


def test_an_inactive_endpoint_may_say_that_it_is_gone(house: House) -> None:
    assert house.endpoint(active=False, inactive_response=410).call(BODY).status == 410


def test_an_inactive_endpoint_calls_no_target(house: House) -> None:
    endpoint = house.endpoint(active=False)
    endpoint.call(BODY)
    assert endpoint.seen == []


@pytest.mark.parametrize(
    "keys",
    [(), (Key(id="k", value=Sensitive(SECRET), created=0, expires=1),)],
    ids=["no key", "only an expired key"],
)
def test_without_a_usable_key_the_endpoint_is_unavailable(house: House, keys: tuple[Key, ...]) -> None:
    endpoint = house.endpoint(keys=keys)
    answer = endpoint.call(BODY)
    assert (answer.status, answer.header("retry-after"), endpoint.seen) == (503, "60", [])


def test_a_descriptor_that_cannot_be_read_makes_the_endpoint_unavailable(house: House) -> None:
    endpoint = house.endpoint(auth={"type": "something else"})
    assert (endpoint.call(BODY).status, endpoint.seen) == (503, [])


def test_a_target_that_cannot_be_called_makes_the_endpoint_unavailable(house: House) -> None:
    endpoint = house.endpoint()
    house.put(make_binding(900_001, "ftp://example.com/"))
    assert (endpoint.call(BODY, path="/h/" + segment_for(900_001)).status, endpoint.seen) == (503, [])


def test_a_binding_of_a_newer_version_makes_the_endpoint_unavailable(house: House) -> None:
    document = json.loads(encode(make_binding(900_002, "http://127.0.0.1:9/")))
    newer = json.dumps({"version": 2, "uid": document["uid"], "path": document["path"]}).encode()
    house.inside(lambda: house.receiver.table.put("uid-900002", newer))
    answer = house.post("/h/" + segment_for(900_002), BODY)
    assert (answer.status, answer.header("retry-after")) == (503, "60")


BAD_CREDENTIALS = {
    "missing": [],
    "wrong": [(b"X-Signature", signature(b"another body"))],
    "one bit flipped": [(b"X-Signature", signature(BODY)[:-1] + bytes([signature(BODY)[-1] ^ 1]))],
    "wrong key": [(b"X-Signature", signature(BODY, b"not the secret"))],
    "duplicated": [(b"X-Signature", signature(BODY))] * 2,
    "duplicated, one wrong": [(b"X-Signature", signature(BODY)), (b"x-signature", signature(b""))],
    "joined": [(b"X-Signature", signature(BODY) + b", " + signature(BODY))],
    "empty": [(b"X-Signature", b"")],
    "without prefix": [(b"X-Signature", signature(BODY)[7:])],
    "upper-case prefix": [(b"X-Signature", b"SHA256=" + signature(BODY)[7:])],
    "truncated": [(b"X-Signature", signature(BODY)[:-2])],
    "not hex": [(b"X-Signature", b"sha256=" + b"z" * 64)],
    "not ASCII": [(b"X-Signature", b"sha256=" + b"\xff" * 64)],
    "spaces": [(b"X-Signature", signature(BODY)[:20] + b" " + signature(BODY)[20:])],
    "very long": [(b"X-Signature", signature(BODY) + b"0" * 4000)],
}


@pytest.mark.parametrize("headers", BAD_CREDENTIALS.values(), ids=BAD_CREDENTIALS.keys())
def test_a_bad_credential_gets_401_and_never_reaches_the_target(
    house: House, headers: list[tuple[bytes, bytes]]
) -> None:
    endpoint = house.endpoint()
    assert (house.post(endpoint.path, BODY, headers).status, endpoint.seen) == (401, [])


def test_every_bad_credential_gets_the_same_bytes(house: House) -> None:
    endpoint = house.endpoint()
    answers = [house.post(endpoint.path, BODY, headers) for headers in BAD_CREDENTIALS.values()]
    assert len({(a.body, str(without_date(a.headers))) for a in answers}) == 1


def test_one_flipped_bit_in_the_body_gets_401(house: House) -> None:
    endpoint = house.endpoint()
    assert endpoint.call(BODY, X_Signature=signature(b'{"n":0}')).status == 401


def test_a_signature_in_a_trailer_is_no_credential(house: House) -> None:
    endpoint = house.endpoint()
    raw = (
        f"POST {endpoint.path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Signature\r\n\r\n"
        f"7\r\n{BODY.decode()}\r\n0\r\nX-Signature: {signature(BODY).decode()}\r\n\r\n"
    )
    assert (house.exchange(raw.encode()).status, endpoint.seen) == (401, [])


def test_a_wrong_token_gets_401_and_the_right_one_passes(house: House) -> None:
    endpoint = house.endpoint(auth=TOKEN)
    assert (endpoint.call(X_Token=b"no").status, endpoint.call(X_Token=SECRET).status) == (401, 202)


def test_an_endpoint_of_type_none_accepts_every_call(house: House) -> None:
    endpoint = house.endpoint(auth={"type": "none"}, keys=())
    assert house.post(endpoint.path, BODY).status == 202


@pytest.mark.parametrize("size", [99, 100])
def test_a_body_up_to_the_limit_passes(house: House, size: int) -> None:
    assert house.endpoint(max_body_bytes=100).call(b"x" * size).status == 202


@pytest.mark.parametrize("size", [101, 200, 300_000])
@pytest.mark.parametrize("content_type", [b"application/json", b"application/x-www-form-urlencoded", b"multipart/x"])
def test_a_body_over_the_limit_gets_413_whatever_its_type(house: House, size: int, content_type: bytes) -> None:
    endpoint = house.endpoint(max_body_bytes=100)
    assert (endpoint.call(b"x" * size, Content_Type=content_type).status, endpoint.seen) == (413, [])


def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_sent(house: House) -> None:
    endpoint = house.endpoint(max_body_bytes=100)
    answer = house.exchange(f"POST {endpoint.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n".encode())
    assert answer.status == 413


def test_a_refused_body_of_a_hundred_kilobytes_is_let_run_out_before_the_connection_ends(house: House) -> None:
    endpoint = house.endpoint(max_body_bytes=100)
    with house.connect() as connection:
        connection.sendall(f"POST {endpoint.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".encode())
        answer = read_answer(connection)
        for _ in range(10):
            connection.sendall(b"x" * 10_000)
        assert (answer.status, answer.header("connection"), ended(connection)) == (413, "close", True)


@pytest.mark.parametrize("chunk", [b"x" * 101, b"x"], ids=["one chunk", "chunks of one byte"])
def test_a_chunked_body_over_the_limit_gets_413(house: House, chunk: bytes) -> None:
    endpoint = house.endpoint(max_body_bytes=100)
    head = f"POST {endpoint.path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = (b"%x\r\n%s\r\n" % (len(chunk), chunk)) * (101 // len(chunk))
    assert (house.exchange(head + chunks).status, endpoint.seen) == (413, [])


def test_a_receivers_own_limit_stands_above_the_endpoints(edge: Edge) -> None:
    with House(settings(edge=edge, max_body_bytes=10)).running() as house:
        endpoint = house.endpoint(max_body_bytes=1000)
        assert (endpoint.call(b"x" * 10).status, endpoint.call(b"x" * 11).status) == (202, 413)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"])
def test_another_method_on_a_known_path_gets_405(house: House, method: str) -> None:
    answer = house.get(house.endpoint().path, method=method)
    assert (answer.status, answer.header("allow")) == (405, "POST")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_another_method_on_an_unknown_path_gets_404(house: House, method: str) -> None:
    assert house.get("/h/nobody", method=method).status == 404


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299, 400, 401, 403, 404, 409, 422, 429, 451])
def test_2xx_and_4xx_of_the_target_pass(house: House, status: int) -> None:
    length = b"" if status == 204 else b"Content-Length: 2\r\n"
    body = b"" if status == 204 else b"ab"
    answer = house.endpoint(b"HTTP/1.1 %d X\r\n%s\r\n%s" % (status, length, body)).call()
    assert (answer.status, answer.body) == (status, body)


def test_a_205_of_the_target_passes_without_a_body(house: House) -> None:
    answer = house.endpoint(b"HTTP/1.1 205 X\r\nContent-Length: 2\r\n\r\nab").call()
    assert (answer.status, answer.body, answer.header("content-length")) == (205, b"", "0")


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308, 410, 500, 501, 502, 503, 504, 599])
def test_everything_else_of_the_target_is_a_bad_gateway(house: House, status: int) -> None:
    raw = b"HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 6\r\n\r\nsecret" % status
    answer = house.endpoint(b"HTTP/1.1 304 X\r\n\r\n" if status == 304 else raw).call()
    assert (answer.status, answer.body) == (502, b'{"error":"bad gateway"}\n')


def test_a_503_of_the_target_keeps_its_retry_after(house: House) -> None:
    answer = house.endpoint(b"HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n").call()
    assert (answer.status, answer.header("retry-after")) == (502, "7")


def test_a_target_that_refuses_the_connection_is_a_bad_gateway(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    assert house.endpoint(target=f"http://127.0.0.1:{port}/").call().status == 502


@pytest.mark.parametrize("raw", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
def test_a_target_that_breaks_off_or_speaks_no_http_is_a_bad_gateway(house: House, raw: bytes) -> None:
    endpoint = house.endpoint(raw)
    house.target.hang_up_after.add(endpoint.target_path)
    assert endpoint.call().status == 502


def test_a_target_that_takes_too_long_is_a_gateway_timeout(house: House) -> None:
    async def never() -> bytes:
        await asyncio.sleep(2)
        return OK

    assert house.endpoint(never, timeout_ms=50).call().status == 504


@pytest.fixture(scope="module")
def tight(edge: Edge) -> Iterator[House]:
    """A receiver that holds little."""
    bounded = settings(
        edge=edge, max_response_bytes=100, max_held_bytes=1000, max_in_flight=3, max_in_flight_per_endpoint=1
    )
    with House(bounded).running() as running:
        yield running


@pytest.mark.parametrize(("size", "status"), [(100, 200), (101, 502), (100_000, 502)])
def test_an_answer_over_the_limit_is_a_bad_gateway(tight: House, size: int, status: int) -> None:
    assert tight.endpoint(sized(size)).call().status == status


def test_a_chunked_answer_over_the_limit_is_a_bad_gateway(tight: House) -> None:
    chunks = b"32\r\n%s\r\n" % (b"x" * 50) * 3
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    assert tight.endpoint(raw).call().status == 502


@contextlib.contextmanager
def unfinished_call(house: House, endpoint: Endpoint) -> Iterator[socket.socket]:
    """Hold a call whose last byte is missing, and let it end well."""
    calls = house.inside(lambda: house.receiver.load.calls)
    with house.connect() as connection:
        connection.sendall(request(endpoint.path, BODY, [(b"X-Signature", signature(BODY))])[:-1])
        house.until(lambda: house.receiver.load.calls == calls + 1)
        yield connection
        connection.sendall(BODY[-1:])
        assert read_answer(connection).status == 202


def test_over_the_bound_of_calls_in_flight_the_receiver_is_overloaded(tight: House) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(3):
            held.enter_context(unfinished_call(tight, tight.endpoint()))
        refused = tight.endpoint().call(BODY)
        assert (refused.status, refused.header("retry-after")) == (503, "5")


def test_one_endpoint_cannot_take_every_place(tight: House) -> None:
    busy, other = tight.endpoint(), tight.endpoint()
    with unfinished_call(tight, busy):
        assert (busy.call(BODY).status, other.call(BODY).status) == (503, 202)


def test_over_the_bound_of_held_bytes_the_receiver_is_overloaded(tight: House) -> None:
    endpoint = tight.endpoint()
    assert [endpoint.call(b"x" * n).status for n in (1000, 1001, 1000)] == [202, 503, 202]


def test_two_bindings_that_claim_one_path_are_both_unavailable(house: House) -> None:
    first = house.endpoint()
    house.put(make_binding(900_003, first.binding.target, segment=first.binding.segment))
    during = first.call(BODY).status
    house.inside(lambda: house.receiver.table.remove("uid-900003"))
    assert (during, first.call(BODY).status) == (503, 202)


def test_our_own_answers_say_nothing_but_what_they_are(house: House) -> None:
    answer = house.post(house.endpoint().path, BODY)
    assert without_date(answer.headers) == {
        "content-type": "application/json",
        "x-content-type-options": "nosniff",
        "content-length": str(len(answer.body)),
    }
    assert answer.body == b'{"error":"unauthorized"}\n'

"""Deliveries over real sockets: connections that are kept, closed, waited for and given up."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from hookgate.receiver.answers import Answers
from hookgate.receiver.delivery import deliver
from hookgate.receiver.forward import parse_target
from hookgate.receiver.respond import Delivered, Delivery, Undelivered
from tests.kube.pki import Authority
from tests.receiver.scripted import (
    CHUNKED,
    OK,
    TAKEN,
    WAIT,
    Peer,
    Run,
    Scripted,
    answering,
    deliver_to,
    hang_up,
    pooling,
    post,
    serve_all,
    until,
    wait_for_end,
)


def test_a_request_is_written_as_it_was_given(run: Run) -> None:
    async def main() -> bytes:
        async with Scripted(serve_all).running() as target, pooling() as pool:
            headers = [(b"x-a", b"1"), (b"x-a", b"\xff\xfe"), (b"x-empty", b"")]
            await deliver(pool, target.target, headers, b"q=%20", b"\x00body")
            return target.requests[0].replace(target.target.authority.encode(), b"TARGET")

    assert run(main) == (
        b"POST /hook?q=%20 HTTP/1.1\r\nhost: TARGET\r\ncontent-length: 5\r\n"
        b"x-a: 1\r\nx-a: \xff\xfe\r\nx-empty: \r\n\r\n\x00body"
    )


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\n", b"\r", b"\0"])
def test_a_header_that_is_more_than_one_line_is_never_sent(run: Run, value: bytes) -> None:
    async def main() -> int:
        async with Scripted(serve_all).running() as target, pooling() as pool:
            with pytest.raises(ValueError, match="one line"):
                await deliver(pool, target.target, [(b"x", value)], b"", b"")
            return target.connections

    assert run(main) == 0


@pytest.mark.parametrize("raw", [OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), OK.replace(b"1.1", b"1.0")])
def test_a_connection_that_the_target_wants_closed_is_not_used_again(run: Run, raw: bytes) -> None:
    found, target = deliver_to(run, answering(raw), serve_all, calls=2)
    assert ([d.body for d in found if isinstance(d, Delivered)], target.connections) == ([b"taken"] * 2, 2)


def test_calls_at_the_same_time_have_connections_of_their_own(run: Run) -> None:
    async def main() -> tuple[list[Delivery], int]:
        async with Scripted(serve_all).running() as target, pooling() as pool:
            await asyncio.gather(*(post(pool, target.target) for _ in range(3)))
            return await asyncio.gather(*(post(pool, target.target) for _ in range(3))), target.connections

    assert run(main) == ([TAKEN] * 3, 3)


def test_over_its_bound_of_connections_a_call_waits_for_its_turn(run: Run) -> None:
    async def main() -> tuple[list[Delivery], int]:
        async with Scripted(serve_all).running() as target, pooling(max_connections=2) as pool:
            return await asyncio.gather(*(post(pool, target.target) for _ in range(6))), target.connections

    assert run(main) == ([TAKEN] * 6, 2)


def test_a_turn_that_does_not_come_in_time_is_a_timeout(run: Run) -> None:
    async def main() -> Delivery:
        async with Scripted(answering()).running() as target, pooling(max_connections=1) as pool:
            first = asyncio.create_task(post(pool, target.target))
            await until(lambda: target.requests != [])
            found = await post(pool, replace(target.target, timeout=0.05))
            first.cancel()
            return found

    assert run(main) is Undelivered.TIMEOUT


def test_an_idle_connection_gives_way_to_another_target(run: Run) -> None:
    async def main() -> tuple[list[Delivery], int]:
        one, two = Scripted(serve_all), Scripted(serve_all)
        async with one.running(), two.running(), pooling(max_connections=1) as pool:
            found = [await post(pool, each.target) for each in (one, two, one)]
            await one.hung_up.wait()
            return found, one.connections

    assert run(main) == ([TAKEN] * 3, 2)


def test_a_kept_connection_that_the_target_closed_is_replaced_before_a_byte_is_written(run: Run) -> None:
    async def main() -> tuple[list[Delivery], int, int]:
        async with Scripted(answering(OK, then=hang_up), serve_all).running() as target, pooling() as pool:
            first = await post(pool, target.target)
            await until(lambda: pool.connections == 0)
            return [first, await post(pool, target.target)], target.connections, len(target.requests)

    assert run(main) == ([TAKEN, TAKEN], 2, 2)


def test_a_close_that_the_event_loop_has_not_seen_yet_is_found_out_by_asking(run: Run) -> None:
    """The target's end comes while nothing else runs: only the system knows of it."""

    async def main() -> tuple[Delivery, Delivery]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            target = parse_target(f"http://127.0.0.1:{listener.getsockname()[1]}/", 5000)
            async with pooling() as pool:
                first = asyncio.create_task(post(pool, target))
                answered = await asyncio.to_thread(_answer_once, listener)
                found = await first
                later = asyncio.get_running_loop().time() + 0.02
                await until(lambda: asyncio.get_running_loop().time() > later)
                answered.close()
                second = asyncio.create_task(post(pool, target))
                (await asyncio.to_thread(_answer_once, listener)).close()
                return found, await second

    assert run(main) == (TAKEN, TAKEN)


def _answer_once(listener: socket.socket) -> socket.socket:
    listener.settimeout(WAIT)
    connection, _ = listener.accept()
    connection.settimeout(WAIT)
    raw = b""
    while not raw.endswith(b"{}"):
        raw += connection.recv(4096)
    connection.sendall(OK)
    return connection


def test_a_target_that_closes_instead_of_answering_gets_no_second_attempt(run: Run) -> None:
    found, target = deliver_to(run, answering(then=hang_up), serve_all)
    assert (found, target.connections, len(target.requests)) == ([Undelivered.REFUSED], 1, 1)


def test_a_kept_connection_that_closes_upon_the_request_gets_no_second_attempt(run: Run) -> None:
    async def once_more(peer: Peer) -> None:
        await peer.request()

    found, target = deliver_to(run, answering(OK, then=once_more), serve_all, calls=2)
    assert (found, target.connections, len(target.requests)) == ([TAKEN, Undelivered.REFUSED], 1, 2)


@pytest.mark.parametrize("raw", [b"", OK[:20], OK[:-1], CHUNKED, b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_target_that_takes_too_long_is_a_timeout_and_loses_its_connection(run: Run, raw: bytes) -> None:
    found, target = deliver_to(run, answering(raw), serve_all, timeout=0.1, calls=2)
    assert (found[0], target.connections) == (Undelivered.TIMEOUT, 2)


def test_a_target_that_does_not_read_is_a_timeout(run: Run) -> None:
    async def main() -> Delivery:
        async with Scripted(lambda _: asyncio.sleep(WAIT)).running() as target, pooling() as pool:
            return await post(pool, replace(target.target, timeout=0.1), b"x" * 20_000_000)

    assert run(main) is Undelivered.TIMEOUT


def test_a_port_that_nobody_listens_on_refuses(run: Run) -> None:
    async def main() -> Delivery:
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
        async with pooling() as pool:
            return await post(pool, parse_target(f"http://127.0.0.1:{port}/", 5000))

    assert run(main) is Undelivered.REFUSED


@pytest.mark.parametrize("host", ["nobody.invalid", "a" * 64 + ".invalid", "a..b"])
def test_a_name_without_an_address_refuses(run: Run, host: str) -> None:
    async def main() -> Delivery:
        async with pooling() as pool:
            return await post(pool, parse_target(f"http://{host}/", 5000))

    assert run(main) is Undelivered.REFUSED


def test_one_name_that_many_ask_for_is_resolved_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    real = socket.getaddrinfo

    def counting(host: Any, *rest: Any, **named: Any) -> Any:
        asked.append(host)
        return real(host, *rest, **named)

    async def main() -> tuple[list[Delivery], int]:
        loop = asyncio.get_running_loop()
        asking = loop.getaddrinfo

        async def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
            asked.append(host)
            return await asking(host, *rest, **named)

        async with Scripted(serve_all).running() as target, pooling() as pool:
            if isinstance(loop, uvloop.Loop):
                monkeypatch.setattr(pool._dialer._names, "_loop", _Wrapped(loop, getaddrinfo))
            else:
                monkeypatch.setattr(socket, "getaddrinfo", counting)
            named = replace(target.target, host="localhost")
            return await asyncio.gather(*(post(pool, named) for _ in range(4))), asked.count("localhost")

    assert run(main) == ([TAKEN] * 4, 1)


class _Wrapped:
    """uvloop's loop takes no patches: this one stands in for it and replaces one method."""

    def __init__(self, loop: Any, getaddrinfo: Any) -> None:
        self._loop, self.getaddrinfo = loop, getaddrinfo

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def test_a_call_that_is_given_up_by_its_caller_takes_its_connection_along(run: Run) -> None:
    async def main() -> tuple[Delivery, int]:
        async with Scripted(answering(), serve_all).running() as target, pooling(max_connections=1) as pool:
            calling = asyncio.create_task(post(pool, target.target))
            await until(lambda: target.requests != [])
            calling.cancel()
            await target.hung_up.wait()
            return await post(pool, target.target), target.connections

    assert run(main) == (TAKEN, 2)


@pytest.mark.parametrize("secure", [False, True])
def test_an_answer_that_overtakes_its_request_is_passed_on_and_ends_the_connection(
    run: Run, tmp_path: Path, secure: bool
) -> None:
    """What is not sent by then is let go at once, however long the target would take to read it."""
    answered, size, came = asyncio.Event(), 20_000_000, bytearray()
    authority = Authority(tmp_path) if secure else None

    async def early(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n")
        await answered.wait()
        while piece := await peer.reader.read(65_536):
            came.extend(piece)

    async def main() -> tuple[Delivery, Delivery, int]:
        tls = None if authority is None else authority.server_context()
        target = Scripted(early, serve_all)
        async with target.running(tls) as target, pooling() as pool:
            where = target.target if authority is None else replace(target.target, ca=authority.ca_file.read_text())
            first = await post(pool, where, b"x" * size)
            answered.set()
            await target.hung_up.wait()
            return first, await post(pool, where), target.connections

    first, second, connections = run(main)
    assert (first.status, second, connections) == (413, TAKEN, 2)
    assert len(came) < size


def test_idle_connections_are_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookgate.receiver.pool._IDLE_SECONDS", 0.0)
    monkeypatch.setattr("hookgate.receiver.pool._LOOK_SECONDS", 0.01)

    async def main() -> Delivery:
        async with Scripted(serve_all).running() as target, pooling() as pool:
            found = await post(pool, target.target)
            await target.hung_up.wait()
            return found

    assert run(main) == TAKEN


def large(size: int) -> bytes:
    """The head of an answer of so many bytes."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size


def test_large_answers_of_one_target_leave_room_for_those_of_another(run: Run) -> None:
    """What one sends slowly to many calls is bounded, and given back when it has ended."""
    size = 40_000

    async def slowly(peer: Peer) -> None:
        await peer.request()
        await peer.say(large(size) + b"x" * (size - 1))
        await wait_for_end(peer)

    async def at_once(peer: Peer) -> None:
        await peer.request()
        await peer.say(large(size) + b"x" * size)

    async def main() -> tuple[list[Delivery], Delivery, int, int]:
        answers = Answers(3 * size)
        async with (
            Scripted(*[slowly] * 6).running() as greedy,
            Scripted(at_once).running() as other,
            pooling(max_response_bytes=size, answers=answers) as pool,
        ):
            stalled = [asyncio.create_task(post(pool, replace(greedy.target, timeout=0.5))) for _ in range(6)]
            await until(lambda: sum(task.done() for task in stalled) == 4)
            answer, most = await post(pool, other.target), answers.held
            return await asyncio.gather(*stalled), answer, most, answers.held

    found, answer, most, left = run(main)
    assert sorted(found) == [Undelivered.ANSWER_TOO_LARGE] * 4 + [Undelivered.TIMEOUT] * 2
    assert isinstance(answer, Delivered)
    assert (len(answer.body), most, left) == (size, 2 * (size - 1), 0)

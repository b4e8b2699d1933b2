"""Large answers that senders do not read, which the lean edge counts as long as it holds them; uvicorn's does not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hookgate.receiver.settings import Edge
from hookgate.receiver.tls import TlsFiles
from tests.kube.pki import Authority
from tests.receiver.rig import Endpoint, House, read_answer, request, settings, signature, sized
from tests.receiver.test_calls import value

BODY = b'{"n":1}'
SIGNED = [(b"X-Signature", signature(BODY))]
_ROOM, _LARGE = 2_000_000, 450_000


def slow_reader(house: House, context: ssl.SSLContext | None = None) -> socket.socket:
    """Connect as somebody whose system takes little."""
    connection = house.connect(buffer=4096, segment=536)
    return connection if context is None else context.wrap_socket(connection, server_hostname="hooks")


def held(house: House) -> int:
    """Return how many bytes of answers the receiver counts."""
    return house.inside(lambda: house.receiver.answers.held)


def elsewhere(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with the same target under another name, which is another target to the receiver."""
    assert endpoint.binding.target is not None
    moved = replace(endpoint.binding, target=endpoint.binding.target.replace("127.0.0.1", "localhost"))
    endpoint.house.put(moved)
    return replace(endpoint, binding=moved)


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "TLS"])
def test_large_answers_that_nobody_reads_are_bounded_and_leave_room_for_other_targets(
    secure: bool, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    certificate, key = map(Path, authority.issue("hooks"))
    files = TlsFiles(certificate=certificate, key=key) if secure else None
    context = ssl.create_default_context(cafile=authority.ca_file) if secure else None
    little = settings(edge=Edge.LEAN, max_held_bytes=_ROOM, max_response_bytes=_LARGE, tls=files)
    with House(little).running() as house, contextlib.ExitStack() as opened:
        greedy, other = house.endpoint(sized(_LARGE)), elsewhere(house.endpoint(sized(_LARGE)))
        senders = [opened.enter_context(slow_reader(house, context)) for _ in range(8)]
        for count, sender in enumerate(senders, 1):
            sender.sendall(request(greedy.path, BODY, SIGNED))
            house.until(lambda: len(house.receipts) == count)  # noqa: B023 -- called before the next turn
        assert [receipt.status for receipt in house.receipts] == [200] * 2 + [502] * 6
        assert 2 * _LARGE < held(house) < _ROOM // 2
        with slow_reader(house, context) as another:
            another.sendall(request(other.path, BODY, SIGNED))
            assert len(read_answer(another).body) == _LARGE
        read = [read_answer(sender) for sender in senders]
        assert [(each.status, len(each.body)) for each in read[:2]] == [(200, _LARGE)] * 2
        house.until(lambda: house.receiver.answers.held == 0)


def test_what_a_sender_left_unread_is_free_again_when_it_has_gone() -> None:
    with House(settings(edge=Edge.LEAN)).running() as house:
        endpoint = house.endpoint(sized(_LARGE))
        with slow_reader(house) as sender:
            sender.sendall(request(endpoint.path, BODY, SIGNED))
            house.until(lambda: house.receiver.answers.held > _LARGE)
        house.until(lambda: house.receiver.answers.held == 0)


def test_a_sender_that_does_not_read_is_hung_up_on_where_there_is_no_room_for_its_answers() -> None:
    little = settings(edge=Edge.LEAN, max_held_bytes=100_000)
    with House(little).running() as house, contextlib.ExitStack() as opened:
        endpoint = house.endpoint(sized(15_000))  # small enough not to be counted while it is read
        for _ in range(8):
            opened.enter_context(slow_reader(house)).sendall(request(endpoint.path, BODY, SIGNED) * 20)
        while (value(house, "rejected_total", limit="unread-bytes") or 0) < 3:
            time.sleep(0.05)
        assert held(house) <= 100_000 // 2 + 16_000
        assert endpoint.call().status == 200

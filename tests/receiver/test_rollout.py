"""Replacements of receivers under load: no call fails, none is lost, none arrives twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from hookgate.receiver.settings import Edge
from tests.receiver.rig import House, read_answer, request, settings, signature
from tests.receiver.rollout import Load, Target, replace_both
from tests.receiver.test_process import until

BODY = b'{"n":1}'
SIGNED = [(b"X-Signature", signature(BODY))]


def whole(load: Load, target: Target, *, least: int) -> None:
    """Fail unless every call was answered by the target's answer and reached the target once."""
    assert set(load.statuses) == {b"202"}, load.statuses
    assert load.statuses.total() == len(load.sent) >= least
    assert target.got == Counter(load.sent)


def test_replacing_both_receivers_under_load_loses_no_call(tmp_path: Path, edge: Edge) -> None:
    whole(*asyncio.run(replace_both(tmp_path, edge, times=1, callers=8, drain_delay=1.5)), least=100)


@pytest.mark.slow
def test_replacing_both_receivers_ten_times_under_load_loses_no_call(tmp_path: Path, edge: Edge) -> None:
    load, target = asyncio.run(replace_both(tmp_path, edge, times=10, callers=32, drain_delay=1.5))
    print(f"rollout, {edge}: {len(load.sent)} calls, 20 receivers replaced")
    whole(load, target, least=5_000)


@pytest.mark.parametrize("path", ["known", "/h/nobody"])
def test_from_the_first_signal_on_every_answer_ends_its_connection_while_new_ones_are_taken(
    edge: Edge, path: str
) -> None:
    with House(settings(edge=edge, drain_delay=60)).running() as house:
        endpoint = house.endpoint()
        where, status = (endpoint.path, 202) if path == "known" else (path, 404)
        with house.connect() as kept:
            kept.sendall(request(where, BODY, SIGNED))
            assert read_answer(kept).header("connection") is None
            house.inside(house.receiver.stop)
            until(lambda: house.get("/readyz", private=True).status == 503)
            for _ in range(2):
                answer = house.post(where, BODY, SIGNED)
                assert (answer.status, answer.header("connection")) == (status, "close")
            kept.sendall(request(where, BODY, SIGNED))
            assert read_answer(kept).header("connection") == "close"

"""Targets that are down: how their circuit opens and closes, and what their callers get meanwhile."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hookgate.model.rate import Rate
from hookgate.receiver.circuit import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Circuit
from tests.receiver.rig import OK, Endpoint, House


@pytest.fixture
def opened() -> Circuit:
    """One whose last failure was at 0."""
    circuit = Circuit()
    for _ in range(FAILURES):
        assert circuit.admits(0)
        circuit.failed(0)
    return circuit


def test_failures_that_are_not_in_a_row_open_nothing() -> None:
    circuit = Circuit()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            circuit.failed(0)
        circuit.answered()
    assert not circuit.open


def test_once_open_one_call_at_a_time_tries_after_the_pause(opened: Circuit) -> None:
    pause = FIRST_PAUSE
    assert [opened.admits(t) for t in (0, pause / 2, pause, pause, pause * 9)] == [False, False, True, False, False]


def test_a_trial_that_is_answered_closes_it(opened: Circuit) -> None:
    assert opened.admits(FIRST_PAUSE)
    opened.answered()
    assert [opened.admits(FIRST_PAUSE) for _ in range(3)] == [True] * 3


def test_a_trial_that_is_not_made_is_another_calls(opened: Circuit) -> None:
    assert opened.admits(FIRST_PAUSE)
    opened.spared()
    assert [opened.admits(FIRST_PAUSE) for _ in range(2)] == [True, False]


def test_trials_that_fail_come_less_and_less_often_but_never_stop(opened: Circuit) -> None:
    now, pauses = 0.0, []
    for _ in range(8):
        began = now
        while not opened.admits(now):
            now += 0.25
        pauses.append(now - began)
        opened.failed(now)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert pauses[-1] == LONGEST_PAUSE


def test_calls_that_were_under_way_when_it_opened_do_not_keep_it_open(opened: Circuit) -> None:
    for _ in range(100):
        opened.failed(FIRST_PAUSE / 2)
    assert opened.admits(FIRST_PAUSE)


def reasons(house: House, endpoint: Endpoint) -> list[str | None]:
    """Return the reasons of all calls to an endpoint in their order."""
    return [receipt.reason for receipt in house.receipts if receipt.name == endpoint.binding.name]


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_target_that_takes_no_connection_is_not_asked_again_and_again(house: House, dead_port: int) -> None:
    endpoint = house.endpoint(target=f"http://127.0.0.1:{dead_port}/")
    assert [endpoint.call().status for _ in range(FAILURES)] == [502] * FAILURES
    refused = endpoint.call()
    assert (refused.status, refused.header("retry-after")) == (503, "5")
    assert reasons(house, endpoint) == ["target-unreachable"] * FAILURES + ["target-down"]


def test_a_target_that_never_answers_costs_its_callers_no_more_than_a_few_timeouts(house: House) -> None:
    async def never() -> bytes:
        await asyncio.Event().wait()
        return b""

    endpoint = house.endpoint(never, timeout_ms=300)
    assert [endpoint.call().status for _ in range(FAILURES)] == [504] * FAILURES
    assert endpoint.call().status == 503
    assert len(endpoint.seen) == FAILURES


def test_calls_that_a_target_is_spared_use_nothing_of_their_rate(house: House, dead_port: int) -> None:
    rate = Rate(requests=FAILURES + 1, per_ms=3_600_000, burst=FAILURES + 1)
    endpoint = house.endpoint(target=f"http://127.0.0.1:{dead_port}/", rate=rate)
    assert [endpoint.call().status for _ in range(FAILURES)] == [502] * FAILURES
    assert endpoint.call().status == 503
    in_the_end(endpoint, 502)  # the trial
    in_the_end(endpoint, 429)  # the next one, for which nothing is left of the rate


def test_a_trial_that_the_rate_refuses_is_made_by_another_call(house: House) -> None:
    mood = [b""]

    async def moody() -> bytes:
        return mood[0]

    endpoint = house.endpoint(moody, rate=Rate(requests=FAILURES, per_ms=FAILURES * 2000, burst=FAILURES))
    house.inside(lambda: house.target.hang_up_after.add(endpoint.target_path))
    assert [endpoint.call().status for _ in range(FAILURES)] == [502] * FAILURES
    mood[0] = OK
    in_the_end(endpoint, 202)


def in_the_end(endpoint: Endpoint, status: int) -> None:
    """Call until the answer is this one, as it is when a pause is over."""
    deadline = time.monotonic() + 20
    while (answered := endpoint.call().status) != status:
        assert answered in {503, 429}
        assert time.monotonic() < deadline, "it never was"
        time.sleep(0.05)


def test_a_forged_call_is_told_nothing_of_the_targets_health(house: House, dead_port: int) -> None:
    endpoint = house.endpoint(target=f"http://127.0.0.1:{dead_port}/")
    for _ in range(FAILURES):
        endpoint.call()
    assert endpoint.call(X_Signature=b"sha256=" + b"0" * 64).status == 401


def test_a_target_that_is_back_gets_its_calls_again(house: House) -> None:
    mood = [b""]

    async def moody() -> bytes:
        return mood[0]

    endpoint = house.endpoint(moody)
    house.inside(lambda: house.target.hang_up_after.add(endpoint.target_path))
    assert [endpoint.call().status for _ in range(FAILURES)] == [502] * FAILURES
    assert endpoint.call().status == 503
    mood[0] = OK
    deadline = time.monotonic() + 20
    while endpoint.call().status == 503:
        assert time.monotonic() < deadline, "nobody tried again"
        time.sleep(0.05)
    assert [endpoint.call().status for _ in range(3)] == [202] * 3


def test_targets_that_answer_errors_are_asked_every_time(house: House) -> None:
    endpoint = house.endpoint(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
    assert [endpoint.call().status for _ in range(3 * FAILURES)] == [502] * (3 * FAILURES)
    assert len(endpoint.seen) == 3 * FAILURES


def test_one_endpoints_dead_target_is_no_concern_of_another_with_the_same_address(house: House) -> None:
    async def slow() -> bytes:
        await asyncio.sleep(0.3)
        return OK

    impatient = house.endpoint(slow, timeout_ms=50)
    patient = house.endpoint(target=impatient.binding.target)
    for _ in range(FAILURES):
        impatient.call()
    assert (impatient.call().status, patient.call().status) == (503, 202)


def test_a_change_of_the_endpoint_that_leaves_its_target_alone_forgets_nothing(house: House, dead_port: int) -> None:
    endpoint = house.endpoint(target=f"http://127.0.0.1:{dead_port}/")
    for _ in range(FAILURES):
        endpoint.call()
    house.put(replace(endpoint.binding, max_body_bytes=1000))
    assert endpoint.call().status == 503
    house.put(replace(endpoint.binding, target=f"http://127.0.0.1:{dead_port}/elsewhere"))
    assert endpoint.call().status == 502

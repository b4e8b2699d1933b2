"""Rates: the bucket by itself, and what senders get."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookgate.model.rate import Rate
from hookgate.model.replay import ReplayMode, ReplayPolicy
from hookgate.receiver.bucket import Bucket
from tests.receiver.rig import House
from tests.receiver.test_calls import refusals, value

RATES = st.builds(Rate, requests=st.integers(1, 1000), per_ms=st.integers(1000, 86_400_000), burst=st.integers(1, 100))


def rate(requests: int, per_ms: int, burst: int | None = None) -> Rate:
    """Return a rate."""
    return Rate(requests=requests, per_ms=per_ms, burst=burst or requests)


def test_a_burst_is_taken_at_once_and_then_one_call_for_each_interval() -> None:
    bucket = Bucket(rate(2, 1000, 4))
    assert [bucket.take(100) for _ in range(4)] == [0] * 4
    assert bucket.take(100) == pytest.approx(0.5, abs=0.01)
    assert [bucket.take(100.5) == 0, bucket.take(100.6) == 0, bucket.take(101) == 0] == [True, False, True]


def test_a_pause_fills_it_up_to_its_burst_and_no_further() -> None:
    bucket = Bucket(rate(10, 1000, 3))
    bucket.take(0)
    assert [bucket.take(1_000_000) == 0 for _ in range(4)] == [True, True, True, False]


@given(RATES, st.lists(st.floats(0, 5), max_size=200))
def test_never_more_than_burst_and_rate_and_whoever_waits_as_told_gets_through(
    allowed: Rate, pauses: list[float]
) -> None:
    bucket, now = Bucket(allowed), 0.0
    for taken, pause in enumerate(pauses, start=1):
        now += pause
        wait = bucket.take(now)
        if wait:
            now += wait + 0.001
            assert bucket.take(now) == 0
        assert taken <= allowed.burst + now * 1000 * allowed.requests / allowed.per_ms + 0.01


@pytest.mark.parametrize(
    ("mine", "exceeds"),
    [
        (rate(10, 1000), False),
        (rate(11, 1000), True),
        (rate(600, 60_000, 10), False),
        (rate(601, 60_000, 10), True),
        (rate(1, 1000, 11), True),
    ],
)
def test_a_rate_is_within_another_if_neither_its_burst_nor_its_average_is_greater(mine: Rate, exceeds: bool) -> None:
    assert mine.exceeds(rate(10, 1000, 10)) is exceeds


def test_calls_over_the_rate_get_429_and_are_told_when_to_come_again(house: House) -> None:
    endpoint = house.endpoint(rate=rate(3, 3_600_000))
    before = value(house, "rejected_total", limit="rate") or 0.0
    assert [endpoint.call().status for _ in range(3)] == [202] * 3
    refused = endpoint.call()
    assert (refused.status, refused.header("retry-after")) == (429, "1200")
    assert len(endpoint.seen) == 3
    assert [(each["step"], each["reason"]) for each in refusals(endpoint)] == [("rate", "rate-limited")]
    assert value(house, "calls_total", namespace="team-a", name=endpoint.binding.name, outcome="rate-limited") == 1.0
    assert value(house, "rejected_total", limit="rate") == before + 1


def test_calls_that_are_not_authentic_use_nothing_of_the_senders_rate(house: House) -> None:
    endpoint = house.endpoint(rate=rate(2, 3_600_000))
    for _ in range(20):
        assert endpoint.call(X_Signature=b"sha256=" + b"0" * 64).status == 401
    assert [endpoint.call().status for _ in range(3)] == [202, 202, 429]


def test_a_call_that_is_repeated_uses_nothing_of_the_senders_rate(house: House) -> None:
    recognised = ReplayPolicy(mode=ReplayMode.SIGNATURE)
    endpoint = house.endpoint(rate=rate(2, 3_600_000), replay=recognised)
    assert [endpoint.call(b"1").status for _ in range(20)] == [202] + [200] * 19
    assert [endpoint.call(body).status for body in (b"2", b"3")] == [202, 429]


def test_a_call_that_came_too_early_is_taken_when_it_comes_again(house: House) -> None:
    endpoint = house.endpoint(rate=rate(1, 1000), replay=ReplayPolicy(mode=ReplayMode.SIGNATURE))
    assert endpoint.call(b"1").status == 202
    deadline = time.monotonic() + 20
    while endpoint.call(b"2").status == 429:
        assert time.monotonic() < deadline, "it was never taken"
        time.sleep(0.05)
    assert [seen.body for seen in endpoint.seen] == [b"1", b"2"]


def test_one_endpoints_rate_is_no_concern_of_another(house: House) -> None:
    busy, other = house.endpoint(rate=rate(1, 3_600_000)), house.endpoint(rate=rate(1, 3_600_000))
    assert [busy.call().status, busy.call().status, other.call().status] == [202, 429, 202]


def test_a_change_of_the_endpoint_does_not_fill_its_bucket_unless_the_rate_is_another(house: House) -> None:
    endpoint = house.endpoint(rate=rate(1, 3_600_000))
    assert endpoint.call().status == 202
    house.put(replace(endpoint.binding, max_body_bytes=1000))
    assert endpoint.call().status == 429
    house.put(replace(endpoint.binding, rate=rate(2, 3_600_000)))
    assert endpoint.call().status == 202


def test_an_endpoint_has_the_places_that_it_asks_for_and_no_more(house: House) -> None:
    endpoint = house.endpoint(max_in_flight=1)
    assert [endpoint.call().status for _ in range(3)] == [202] * 3

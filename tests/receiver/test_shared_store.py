"""Receivers that share what calls came, by a real Redis: what came to one is recognised by the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hookgate.model.replay import ReplayMode, ReplayPolicy
from hookgate.receiver.settings import Edge, ReceiverSettings
from tests.kube.pki import Authority
from tests.receiver.engine import MISSING, Engine, program
from tests.receiver.rig import OK, Endpoint, House, settings
from tests.receiver.test_calls import refusals, value
from tests.receiver.test_replay import FAILED, UNSIGNED_ID, WITH_ID, Caller, Gate, body, in_turn

REQUIRED = ReplayPolicy(required=True)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine for everybody who neither stops nor fills it."""
    if program() is None:
        pytest.skip(MISSING)
    with Engine(tmp_path_factory.mktemp("engine")).running() as running:
        yield running


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Engine]:
    """An engine of one's own, to do what one likes with."""
    if program() is None:
        pytest.skip(MISSING)
    with Engine(tmp_path).running() as running:
        yield running


def sharing(engine: Engine, **changes: Any) -> ReceiverSettings:
    """Settings with a store that may take its time, as on a machine that has much to do."""
    return settings(**{"replay_store": engine.address, "replay_seconds": 30.0, **changes})


@contextmanager
def two(engine: Engine, edge: Edge = Edge.LEAN, **changes: Any) -> Iterator[tuple[House, House]]:
    """Two receivers with one store."""
    with ExitStack() as stack:
        houses = [stack.enter_context(House(sharing(engine, edge=edge, **changes)).running()) for _ in range(2)]
        for house in houses:
            house.until(partial(up, house))
        yield houses[0], houses[1]


def up(house: House) -> bool:
    """Tell whether a receiver has its store."""
    return house.receiver.store is not None and house.receiver.store.up


def down(house: House) -> bool:
    """Tell whether a receiver has noticed that its store is away."""
    return not up(house)


def shared(one: House, other: House, answer: Any = OK, **changes: Any) -> tuple[Endpoint, Endpoint]:
    """One endpoint as both receivers serve it; its target is the first one's."""
    first = one.endpoint(answer, **{"auth": WITH_ID, **changes})
    other.put(first.binding)
    return first, Endpoint(other, first.binding, first.target_path)


@pytest.fixture(scope="module", params=list(Edge))
def pair(engine: Engine, request: pytest.FixtureRequest) -> Iterator[tuple[House, House]]:
    """Two receivers with the engine for everybody, on each edge."""
    with two(engine, request.param) as houses:
        yield houses


def test_what_one_receiver_delivered_the_other_recognises(pair: tuple[House, House]) -> None:
    first, second = shared(*pair)
    assert [first.call(body(1)).status, second.call(body(1)).status, second.call(body(2)).status] == [202, 200, 202]
    assert [first.call(body(2)).status, len(first.seen)] == [200, 2]


def test_what_is_under_way_at_one_receiver_has_to_wait_at_the_other(pair: tuple[House, House]) -> None:
    gate = Gate()
    first, second = shared(*pair, gate)
    under_way = Caller(lambda: first.call(body(1)))
    pair[0].until(lambda: len(first.seen) == 1)
    meanwhile = second.call(body(1))
    gate.open()
    assert (meanwhile.status, meanwhile.header("retry-after")) == (503, "5")
    assert (under_way.done().status, second.call(body(1)).status) == (202, 200)
    assert [each["reason"] for each in refusals(second)] == ["in-flight"]


def test_what_failed_at_one_receiver_may_come_to_the_other(pair: tuple[House, House]) -> None:
    first, second = shared(*pair, in_turn(FAILED, OK))
    assert first.call(body(1)).status == 502
    # Giving a claim up is not waited for: whoever asks at once may still be told to wait.
    assert [in_the_end(second), first.call(body(1)).status] == [202, 200]


def in_the_end(endpoint: Endpoint) -> int:
    """Make a call again and again while it is told to wait, as a sender would; the last answer."""
    deadline = time.monotonic() + 30
    while (status := endpoint.call(body(1)).status) == 503 and time.monotonic() < deadline:
        time.sleep(0.02)
    return status


def test_of_many_equal_calls_at_once_one_is_delivered(pair: tuple[House, House]) -> None:
    for _ in range(5):
        statuses, delivered = raced(pair)
        assert (statuses.count(202), delivered) == (1, 1)
        assert set(statuses) <= {200, 202, 503}


def raced(pair: tuple[House, House]) -> tuple[list[int], int]:
    """Make one call sixteen times at once; the answers, and how often it was delivered."""
    gate = Gate()
    first, second = shared(*pair, gate)
    callers = [Caller(partial(endpoint.call, body(1))) for endpoint in (first, second) * 8]
    pair[0].until(lambda: len(first.seen) >= 1)
    gate.open()
    return [caller.done().status for caller in callers], len(first.seen)


def test_both_marks_of_a_call_are_shared(pair: tuple[House, House]) -> None:
    policy = ReplayPolicy(mode=ReplayMode.DELIVERY_ID)
    first, second = shared(*pair, auth=UNSIGNED_ID, replay=policy)
    assert first.call(b"{}", X_Delivery=b"1").status == 202
    assert [second.call(b"{}", X_Delivery=each).status for each in (b"1", b"2")] == [200, 202]


def test_an_endpoint_that_does_not_want_it_asks_no_store(own: Engine) -> None:
    with two(own) as houses:
        first, second = shared(*houses, replay=ReplayPolicy(mode=ReplayMode.OFF))
        assert [first.call(body(1)).status, second.call(body(1)).status] == [202, 202]
    assert own.ask("DBSIZE") == 0


def test_the_store_holds_no_more_than_hashes_and_only_for_the_window(own: Engine) -> None:
    with two(own) as houses:
        first, _ = shared(*houses, replay=ReplayPolicy(window=600))
        assert first.call(b'{"id": "canary-id"}').status == 202
        houses[0].until(lambda: own.ask("GET", one_key(own)) == b"s")
        key = one_key(own)
        left = own.ask("PTTL", key)
    assert b"canary" not in key
    assert isinstance(left, int)
    assert 0 < left <= 600_000


def one_key(engine: Engine) -> bytes:
    keys = engine.ask("KEYS", "*")
    assert isinstance(keys, list)
    (key,) = keys
    assert isinstance(key, bytes)
    return key


def test_a_claim_ends_by_itself_after_the_target_s_time(own: Engine) -> None:
    """So that a receiver that dies in the middle of a call does not hold it for ever."""
    gate = Gate()
    with two(own) as houses:
        first, _ = shared(*houses, gate, timeout_ms=30_000)
        caller = Caller(lambda: first.call(body(1)))
        houses[0].until(lambda: len(first.seen) == 1)
        left = own.ask("PTTL", one_key(own))
        gate.open()
        assert caller.done().status == 202
        assert isinstance(left, int)
        assert 0 < left <= 40_000


def test_while_the_store_is_away_a_receiver_goes_by_its_own_memory(own: Engine, edge: Edge) -> None:
    with two(own, edge) as houses:
        first, second = shared(*houses)
        own.stop()
        for house in houses:
            house.until(partial(down, house))
        assert [first.call(body(1)).status, first.call(body(1)).status] == [202, 200]
        assert second.call(body(1)).status == 202
        assert value(houses[0], "replay_store_up") == 0
        away = value(houses[0], "replay_store_errors_total", kind="away")
        assert away is not None
        assert away >= 1


def test_while_the_store_is_away_whoever_requires_protection_has_to_wait(own: Engine, edge: Edge) -> None:
    with two(own, edge) as houses:
        first, _ = shared(*houses, replay=REQUIRED)
        assert first.call(body(1)).status == 202
        own.stop()
        houses[0].until(lambda: not up(houses[0]))
        new, old = first.call(body(2)), first.call(body(1))
        assert (new.status, new.header("retry-after"), old.status, len(first.seen)) == (503, "5", 200, 1)
        assert refusals(first)[-1] == {"step": "replay", "reason": "replay-store", "where": None, "skew": None}
        own.start()
        houses[0].until(lambda: up(houses[0]))
        assert first.call(body(2)).status == 202


def test_a_store_that_is_back_is_told_what_was_taken_meanwhile(own: Engine) -> None:
    with two(own) as houses:
        first, second = shared(*houses)
        own.stop()
        houses[0].until(lambda: not up(houses[0]))
        assert first.call(body(1)).status == 202
        own.start()
        for house in houses:
            house.until(partial(up, house))
        houses[0].until(lambda: own.ask("DBSIZE") == 1)
        assert [second.call(body(1)).status, second.call(body(2)).status, first.call(body(2)).status] == [200, 202, 200]


def test_a_store_that_does_not_answer_holds_no_call_up_for_long(own: Engine, edge: Edge) -> None:
    with two(own, edge, replay_seconds=0.3) as houses:
        first, _ = shared(*houses)
        strict, _ = shared(*houses, replay=REQUIRED)
        with own.held_up():
            lenient, waiting = Caller(lambda: first.call(body(1))), Caller(lambda: strict.call(body(1)))
            assert (lenient.done().status, waiting.done().status) == (202, 503)
        houses[0].until(lambda: up(houses[0]))
        assert strict.call(body(2)).status == 202


def test_a_store_that_is_full_protects_nobody_silently(tmp_path: Path) -> None:
    if program() is None:
        pytest.skip(MISSING)
    limits = ("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    with Engine(tmp_path, *limits).running() as full, two(full) as houses:
        first, _ = shared(*houses, replay=REQUIRED)
        lenient, _ = shared(*houses)
        assert first.call(body(1)).status == 503
        houses[0].until(lambda: up(houses[0]))
        assert lenient.call(body(1)).status == 202
        refused = value(houses[0], "replay_store_errors_total", kind="refused")
        assert refused is not None
        assert refused >= 1


def test_a_store_that_has_become_a_replica_is_left_and_looked_for_anew(own: Engine, tmp_path: Path) -> None:
    (tmp_path / "replica").mkdir()
    with Engine(tmp_path / "replica", "--replicaof", f"127.0.0.1 {own.port}").running() as replica:
        house = House(sharing(replica))
        with house.running():
            endpoint = house.endpoint(auth=WITH_ID, replay=REQUIRED)
            assert endpoint.call(body(1)).status == 503
            replica.ask("REPLICAOF", "NO", "ONE")
            house.until(partial(up, house))
            assert (in_the_end(endpoint), endpoint.call(body(1)).status) == (202, 200)


def test_a_store_that_may_forget_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    if program() is None:
        pytest.skip(MISSING)
    limits = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with caplog.at_level(logging.WARNING), Engine(tmp_path, *limits).running() as forgetful, two(forgetful):
        pass
    assert "maxmemory-policy to noeviction" in caplog.text


def secret(folder: Path, **values: str) -> Path:
    """A folder as a mounted Secret is one, with the newline that editors leave."""
    folder.mkdir(exist_ok=True)
    for name, text in values.items():
        (folder / name).write_text(f"{text}\n")
    return folder


def test_credentials_come_from_files_and_are_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    if program() is None:
        pytest.skip(MISSING)
    rules = ("--user", "hooks", "on", ">canary-right", "~*", "+@all", "--user", "default", "off")
    folder = secret(tmp_path / "secret", username="hooks", password="canary-wrong")
    with Engine(tmp_path, *rules).running() as guarded:
        house = House(sharing(guarded, replay_secret=folder))
        with caplog.at_level(logging.WARNING), house.running():
            endpoint = house.endpoint(auth=WITH_ID, replay=REQUIRED)
            assert endpoint.call(body(1)).status == 503
            secret(folder, password="canary-right")
            house.until(lambda: up(house))
            assert [endpoint.call(body(1)).status for _ in range(2)] == [202, 200]
    assert "WRONGPASS" in caplog.text
    assert "canary" not in caplog.text


def test_a_store_behind_tls_is_verified(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    if program() is None:
        pytest.skip(MISSING)
    authority, folder = Authority(tmp_path), tmp_path / "secret"
    secret(folder)
    tls = (*authority.issue("store"), authority.ca_file)
    with Engine(tmp_path, tls=tls).running() as encrypted:
        house = House(sharing(encrypted, replay_secret=folder))
        with caplog.at_level(logging.WARNING), house.running():
            endpoint = house.endpoint(auth=WITH_ID, replay=REQUIRED)
            assert endpoint.call(body(1)).status == 503
            (folder / "ca.crt").write_bytes(authority.ca_file.read_bytes())
            house.until(lambda: up(house))
            assert [endpoint.call(body(1)).status for _ in range(2)] == [202, 200]
    assert "SSLCertVerificationError" in caplog.text

"""How places and bytes are shared out: pure counting."""

from __future__ import annotations

import pytest

from hookgate.receiver.load import Limit, Load


def load(*, calls: int = 100, each: int = 100, size: int = 100) -> Load:
    """Return an empty one."""
    return Load(max_calls=calls, max_per_endpoint=each, max_bytes=size)


def test_load_gives_back_what_it_took() -> None:
    one = load(calls=1, size=10)
    assert (one.enter("u"), one.enter("u"), one.hold("u", 10), one.hold("u", 1)) == (
        None,
        Limit.CALLS,
        None,
        Limit.HELD_BYTES,
    )
    one.leave("u", 10)
    assert (one.calls, one.held_bytes, one.enter("u")) == (0, 0, None)


def taken(of: Load, *uids: str) -> dict[str, int]:
    """Let every endpoint in turn take as many places as it gets, again and again."""
    counts = dict.fromkeys(uids, 0)
    while True:
        entered = [uid for uid in uids if of.enter(uid) is None]
        if not entered:
            return counts
        for uid in entered:
            counts[uid] += 1


@pytest.mark.parametrize("hungry", [1, 2, 5, 20])
def test_however_many_endpoints_take_all_they_get_one_more_finds_a_place(hungry: int) -> None:
    of = load()
    counts = taken(of, *(f"uid-{i}" for i in range(hungry)))
    assert of.enter("newcomer") is None
    assert max(counts.values()) - min(counts.values()) <= 1


def test_one_endpoint_alone_gets_half_of_all_places() -> None:
    assert taken(load(), "u") == {"u": 51}


def test_an_endpoints_own_bound_holds_below_the_receivers() -> None:
    of = load(each=3)
    assert [of.enter("mine", 2) for _ in range(3)] == [None, None, Limit.CALLS_PER_ENDPOINT]
    assert [of.enter("other", 50) for _ in range(4)] == [None, None, None, Limit.CALLS_PER_ENDPOINT]


def test_one_endpoints_bodies_leave_room_for_those_of_others() -> None:
    of = load(size=100)
    of.enter("big")
    assert [of.hold("big", 20) for _ in range(4)] == [None, None, None, Limit.HELD_BYTES_PER_ENDPOINT]
    of.enter("other")
    assert of.hold("other", 20) is None


def test_what_is_turned_away_is_counted_by_its_limit() -> None:
    of = load(calls=2, each=1, size=10)
    of.enter("u")
    of.enter("u")
    of.hold("u", 11)
    of.enter("v")
    of.enter("w")
    of.reject(Limit.RATE)
    assert of.rejected == {
        Limit.CALLS: 1,
        Limit.CALLS_PER_ENDPOINT: 1,
        Limit.HELD_BYTES: 1,
        Limit.HELD_BYTES_PER_ENDPOINT: 0,
        Limit.BODY_BYTES: 0,
        Limit.RATE: 1,
    }

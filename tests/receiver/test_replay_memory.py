"""The memory for calls: what is claimed, seen and freed, what bounds it, and that no order of things delivers twice."""

from __future__ import annotations

import dataclasses
from math import ceil

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hookgate.receiver.guard import Guard, Ticket
from hookgate.receiver.replay import Claim, Memory
from hookgate.scheme.replay import Mark

A, B = "uid-a", "uid-b"
KNOWN = {A, B}


def mark(number: int, *, needed: float = 0.0, expires: float = 1e9, kind: int = 0) -> Mark:
    return Mark(kind, b"%016d" % number, needed, expires)


def memory(most: int = 100, most_each: int = 100) -> Memory:
    return Memory(KNOWN, most=most, most_each=most_each)


def taken(held: Memory, number: int, now: float = 0.0, uid: str = A, **times: float) -> Claim:
    """Claim and, if that works, commit."""
    marks = [mark(number, **times)]  # type: ignore[arg-type]
    found = held.claim(uid, marks, now)
    if found is Claim.FRESH:
        held.commit(uid, marks)
    return found


def test_a_call_is_in_flight_until_it_is_taken_and_seen_from_then_on() -> None:
    held = memory()
    found = [held.claim(A, [mark(1)], 0.0), held.claim(A, [mark(1)], 0.0)]
    held.commit(A, [mark(1)])
    assert [*found, held.claim(A, [mark(1)], 0.0)] == [Claim.FRESH, Claim.IN_FLIGHT, Claim.SEEN]


def test_a_failure_frees_the_call() -> None:
    held = memory()
    held.claim(A, [mark(1)], 0.0)
    held.free(A, [mark(1)])
    assert (held.claim(A, [mark(1)], 0.0), len(held)) == (Claim.FRESH, 1)


def test_endpoints_do_not_share_what_they_have_seen() -> None:
    held = memory()
    assert [taken(held, 1), taken(held, 1, uid=B)] == [Claim.FRESH, Claim.FRESH]


def test_a_call_is_forgotten_when_its_time_is_over() -> None:
    held = memory()
    assert [taken(held, 1, now, expires=10.0) for now in (0.0, 9.9, 10.0)] == [Claim.FRESH, Claim.SEEN, Claim.FRESH]
    assert len(held) == 1


def test_ended_marks_make_room_by_themselves() -> None:
    held = memory()
    for number in range(1000):
        assert taken(held, number, float(number), expires=number + 20.0) is Claim.FRESH
    assert len(held) <= 21


def test_any_mark_of_a_call_is_enough_to_recognise_it_and_none_stays_claimed() -> None:
    held = memory()
    taken(held, 1)
    assert held.claim(A, [mark(2, kind=1), mark(1)], 0.0) is Claim.SEEN
    assert held.claim(A, [mark(2, kind=1)], 0.0) is Claim.FRESH


def test_when_an_endpoint_s_part_is_full_the_oldest_that_can_be_spared_goes() -> None:
    held = memory(most_each=3)
    assert [taken(held, number) for number in range(4)] == [Claim.FRESH] * 4
    assert [taken(held, number) for number in (1, 2, 3)] == [Claim.SEEN] * 3
    assert (taken(held, 0), held.counts.evicted) == (Claim.FRESH, 2)


def test_all_kinds_of_an_endpoint_s_marks_together_have_its_part() -> None:
    held = memory(most_each=4)
    for number in range(10):
        marks = [mark(number), mark(number, kind=1)]
        assert held.claim(A, marks, 0.0) is Claim.FRESH
        held.commit(A, marks)
        assert len(held) <= 4


def test_when_all_is_full_whoever_has_most_gives_something_up_for_one_that_comes_late() -> None:
    known = {"most", "more", "late"}
    held = Memory(known, most=10, most_each=10)
    for number in range(10):
        taken(held, number, uid="most" if number < 7 else "more")
    assert [taken(held, number, uid="late") for number in range(3)] == [Claim.FRESH] * 3
    assert [taken(held, number, uid="more") for number in range(7, 10)] == [Claim.SEEN] * 3
    assert len(held) == 10


def test_nobody_gives_up_what_would_let_a_repeated_call_in_for_one_that_comes_late() -> None:
    held = Memory({A, B}, most=3, most_each=3)
    for number in range(3):
        taken(held, number, needed=50.0)
    assert taken(held, 0, 49.0, uid=B) is Claim.FULL
    assert taken(held, 0, 50.0, uid=B) is Claim.FRESH


def test_what_would_let_a_repeated_call_in_is_never_given_up() -> None:
    held = memory(most_each=3)
    for number in range(3):
        taken(held, number, needed=50.0)
    assert taken(held, 3, 49.0, needed=99.0) is Claim.FULL
    assert [taken(held, number, 49.0) for number in range(3)] == [Claim.SEEN] * 3
    assert taken(held, 3, 50.0, needed=99.0) is Claim.FRESH


def test_a_full_part_leaves_room_for_others() -> None:
    held = memory(most=100, most_each=3)
    for number in range(10):
        taken(held, number, needed=50.0)
    assert taken(held, 1, uid=B, needed=50.0) is Claim.FRESH


def test_calls_under_way_count_and_are_never_given_up() -> None:
    held = memory(most_each=2)
    assert [held.claim(A, [mark(n)], 0.0) for n in range(3)] == [Claim.FRESH, Claim.FRESH, Claim.FULL]


def test_what_cannot_be_claimed_whole_is_not_claimed_at_all() -> None:
    held = memory(most=1)
    assert held.claim(A, [mark(1), mark(2, kind=1)], 0.0) is Claim.FULL
    assert (len(held), held.claim(A, [mark(1)], 0.0)) == (0, Claim.FRESH)


def test_all_parts_together_are_bounded_and_what_has_ended_anywhere_makes_room() -> None:
    held = memory(most=4)
    for number in range(4):
        taken(held, number, uid=B, needed=10.0, expires=10.0)
    assert taken(held, 9, 5.0) is Claim.FULL
    assert (taken(held, 9, 10.0), len(held)) == (Claim.FRESH, 1)


def test_marks_of_endpoints_that_are_gone_make_room() -> None:
    known = {A, B}
    held = Memory(known, most=2, most_each=2)
    for number in range(2):
        taken(held, number, uid=B, needed=1e9)
    known.remove(B)
    assert (taken(held, 9), len(held)) == (Claim.FRESH, 1)


@dataclasses.dataclass(slots=True)
class Answers:
    """What a guard said, in order."""

    said: list[tuple[Claim, Ticket | None]] = dataclasses.field(default_factory=list)

    def __call__(self, claim: Claim, ticket: Ticket | None) -> None:
        self.said.append((claim, ticket))


def test_where_there_is_no_room_only_calls_that_may_be_forgotten_go_on() -> None:
    guard, heard = Guard(memory(most=0)), Answers()
    guard.admit(A, (mark(1),), False, 10.0, 0.0, heard)
    guard.admit(A, (mark(2, needed=1.0),), False, 10.0, 0.0, heard)
    guard.admit(A, (mark(3),), True, 10.0, 0.0, heard)
    assert heard.said == [(Claim.FRESH, None), (Claim.FULL, None), (Claim.FULL, None)]


class OneDelivery(RuleBasedStateMachine):
    """Calls come, go under way, are taken or fail, in any order, with time passing and little room."""

    @initialize(most=st.integers(min_value=1, max_value=6), each=st.integers(min_value=1, max_value=4))
    def begin(self, most: int, each: int) -> None:
        self.now = 0.0
        self.guard = Guard(Memory(KNOWN, most=most, most_each=each))
        self.under_way: list[tuple[str, Mark, Ticket]] = []
        self.seen: dict[tuple[str, bytes], float] = {}

    @rule(uid=st.sampled_from((A, B)), number=st.integers(min_value=0, max_value=4), lasts=st.sampled_from((5.0, 30.0)))
    def comes(self, uid: str, number: int, lasts: float) -> None:
        one, heard = mark(number, needed=self.now + lasts, expires=self.now + lasts), Answers()
        self.guard.admit(uid, (one,), True, 10.0, self.now, heard)
        ((claim, ticket),) = heard.said
        running = (uid, one.key) in [(u, m.key) for u, m, _ in self.under_way]
        until = self.seen.get((uid, one.key), -1.0)
        if claim is Claim.FRESH:
            assert ticket is not None
            assert not running
            assert until <= self.now
            self.under_way.append((uid, one, ticket))
        elif claim is Claim.IN_FLIGHT:
            assert running
        elif claim is Claim.SEEN:
            assert ceil(until) > self.now  # marks end with a second

    @rule(data=st.data(), well=st.booleans())
    def ends(self, data: st.DataObject, well: bool) -> None:
        if not self.under_way:
            return
        uid, one, ticket = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.guard.settle(ticket, taken=well, now=self.now)
        if well:
            self.seen[uid, one.key] = one.expires

    @rule(seconds=st.sampled_from((0.5, 4.0, 40.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def nothing_is_counted_twice(self) -> None:
        if hasattr(self, "guard"):
            shelves = [shelf for part in self.guard.memory._parts.values() for shelf in part.shelves.values()]
            assert len(self.guard.memory) == sum(len(each.flying) + len(each.seen) for each in shelves)
            assert len(self.guard.memory) == sum(part.size for part in self.guard.memory._parts.values())
            assert all(list(each.seen) == list(each.order) for each in shelves)


TestOneDelivery = OneDelivery.TestCase
TestOneDelivery.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

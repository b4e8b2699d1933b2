"""Leader election's pure step: expiry by what was seen on one's own clock, and never two leaders."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookgate.kube.lease import State, Step, Timing, decide, leads, observe, renewed, wanted

TIMING = Timing()
WALL = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def lease(holder: str | None, *, renew: str = "r1", version: str = "1", duration: int = 15) -> dict[str, Any]:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": duration, "renewTime": renew, "leaseTransitions": 3}
    return {"metadata": {"resourceVersion": version}, "spec": spec}


def test_a_missing_lease_is_created() -> None:
    """Without a lease the first step is to make one."""
    assert decide(observe(State(identity="me"), None, 5.0), 5.0, TIMING) is Step.CREATE


def test_a_free_lease_is_taken_at_once() -> None:
    """A released lease names nobody."""
    assert decide(observe(State(identity="me"), lease(None), 5.0), 5.0, TIMING) is Step.TAKE


def test_anothers_lease_is_waited_for_from_when_it_was_first_seen() -> None:
    """However old its renewTime is: the wall clocks of others say nothing."""
    state = observe(State(identity="me"), lease("other", renew="1999-01-01T00:00:00Z"), 100.0)
    assert decide(state, 114.9, TIMING) is Step.WAIT
    assert decide(state, 115.0, TIMING) is Step.TAKE


def test_a_renewal_that_is_seen_restarts_the_wait() -> None:
    """The wait counts from the last change."""
    state = observe(State(identity="me"), lease("other"), 100.0)
    state = observe(state, lease("other", renew="r2", version="2"), 110.0)
    assert decide(state, 124.9, TIMING) is Step.WAIT
    assert decide(state, 125.0, TIMING) is Step.TAKE


def test_a_change_outside_the_spec_does_not_restart_the_wait() -> None:
    """An annotation on a dead leader's lease does not keep it alive, and the new version is used for the update."""
    state = observe(State(identity="me"), lease("other", version="1"), 100.0)
    state = observe(state, lease("other", version="2"), 110.0)
    assert (decide(state, 115.0, TIMING), state.version) == (Step.TAKE, "2")


def test_the_duration_is_the_holders() -> None:
    """A holder that asked for a longer lease gets it."""
    state = observe(State(identity="me"), lease("other", duration=60), 100.0)
    assert decide(state, 159.9, TIMING) is Step.WAIT


def test_a_leader_renews_its_own_lease() -> None:
    """The holder's next step is a renewal."""
    state = renewed(State(identity="me"), lease("me"), 100.0)
    assert decide(state, 102.0, TIMING) is Step.RENEW


def test_a_leader_stops_leading_at_the_renew_deadline() -> None:
    """Ten seconds after the last renewal was asked for, five before anybody else may take over."""
    state = renewed(State(identity="me"), lease("me"), 100.0)
    assert [leads(state, now, TIMING) for now in (100.0, 109.9, 110.0)] == [True, True, False]


def test_a_leader_that_sees_anothers_lease_leads_no_longer() -> None:
    """Whatever its own clock says."""
    state = observe(renewed(State(identity="me"), lease("me"), 100.0), lease("other", version="2"), 101.0)
    assert not leads(state, 101.0, TIMING)


def test_taking_over_counts_a_transition_and_renewing_does_not() -> None:
    """acquireTime and leaseTransitions change with the holder only."""
    taken = wanted(observe(State(identity="me"), lease("other"), 0.0), Step.TAKE, WALL, TIMING)
    assert taken == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-02T03:04:05.000678Z",
        "renewTime": "2026-01-02T03:04:05.000678Z",
        "leaseTransitions": 4,
    }
    mine = {**lease("me")["spec"], "acquireTime": "before"}
    again = wanted(State(identity="me", spec=mine), Step.RENEW, WALL, TIMING)
    assert (again["acquireTime"], again["leaseTransitions"]) == ("before", 3)


@pytest.mark.parametrize("timing", [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_a_timing_that_could_give_two_leaders_is_refused(timing: tuple[float, float, float]) -> None:
    """The lease outlasts the renew deadline, which leaves time for more than one attempt."""
    lease_s, renew_deadline_s, retry_s = timing
    with pytest.raises(ValueError, match="must hold"):
        Timing(lease_s=lease_s, renew_deadline_s=renew_deadline_s, retry_s=retry_s)


class Server:
    """One lease with optimistic concurrency."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] | None = None
        self.version = 0

    def write(self, spec: dict[str, Any], version: str) -> dict[str, Any] | None:
        """Store ``spec``, or refuse it as an API server does."""
        current = self.stored["metadata"]["resourceVersion"] if self.stored else ""
        if version != current:
            return None
        self.version += 1
        self.stored = {"metadata": {"resourceVersion": str(self.version)}, "spec": spec}
        return self.stored


class Candidate:
    """One elector, cut into its four moments, between which anything may delay it: ask, hear, arrive, learn."""

    def __init__(self, identity: str, clock_offset: float) -> None:
        self.state = State(identity=identity)
        self.offset = clock_offset
        self.moment = 0
        self.read: dict[str, Any] | None = None
        self.asked_at = 0.0
        self.request: tuple[dict[str, Any], str] | None = None
        self.written: dict[str, Any] | None = None

    def leads(self, now: float) -> bool:
        return leads(self.state, now + self.offset, TIMING)

    def step(self, server: Server, now: float) -> None:
        """Do the next moment at ``now``."""
        mine = now + self.offset
        moment, self.moment = self.moment, (self.moment + 1) % 4
        if moment == 0:
            self.read = server.stored
        elif moment == 1:
            self.state = observe(self.state, self.read, mine)
            step = decide(self.state, mine, TIMING)
            if step is Step.WAIT:
                self.moment = 0
                return
            wall = datetime.fromtimestamp(now, UTC)
            self.asked_at = mine
            self.request = (wanted(self.state, step, wall, TIMING), self.state.version)
        elif moment == 2:
            assert self.request is not None
            self.written = server.write(*self.request)
        elif self.written is not None:
            self.state = renewed(self.state, self.written, self.asked_at)


@settings(max_examples=300, deadline=None)
@given(
    offsets=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
    schedule=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([0.0, 0.01, 0.5, 2.0, 5.0, 9.9, 10.0, 14.9, 15.0, 40.0])),
        max_size=60,
    ),
)
def test_there_are_never_two_leaders(offsets: list[float], schedule: list[tuple[int, float]]) -> None:
    """Whatever the delays, stops and clock offsets, and at every moment between the steps too."""
    server, now = Server(), 1000.0
    candidates = [Candidate(name, offset) for name, offset in zip("abc", offsets, strict=True)]
    for index, delay in schedule:
        now += delay
        candidates[index].step(server, now)
        assert sum(candidate.leads(now) for candidate in candidates) <= 1

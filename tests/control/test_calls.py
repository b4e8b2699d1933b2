"""What a status tells of calls and keys, when it is written, and what of the receivers' words is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from hookgate.control.calls import INTERVAL, combined, due, next_calls, next_keys, read_report
from hookgate.control.reconcile import Reconciler
from hookgate.control.values import CallReport
from hookgate.model.binding import Key
from hookgate.model.sensitive import Sensitive
from tests.control.stage import START, Stage

SAID = {
    "accepted": 3,
    "refused": {"stale": 1, "wrong-credential": 1},
    "lastAccepted": 100.5,
    "lastRefused": {"time": 90.0, "reason": "stale"},
    "keys": {"k1": 60},
}


def report(**changes: Any) -> CallReport:
    """Return what receivers say of an endpoint that nobody has called, with changes."""
    nothing: dict[str, Any] = {"accepted": 0, "refused": 0, "last_accepted": None, "last_refused": None}
    return CallReport(**{**nothing, "reason": "", "keys": {}, **changes})


class Called(Stage):
    """A stage on which receivers say something of the calls to every endpoint."""

    said: CallReport | None = None

    def _reconciler(self) -> Reconciler:
        return Reconciler(
            self.world,
            self.receivers,
            settings=lambda: self.settings,
            clock=lambda: self.now,
            entropy=self.entropy,
            calls=lambda _: self.said,
        )

    def called(self, **changes: Any) -> list[str]:
        """Let receivers say this; return the writes of a look."""
        self.said = report(**changes)
        return self.settle()


@pytest.fixture(name="called")
def _called() -> Called:
    """A stage with an active endpoint."""
    stage = Called()
    stage.declare()
    stage.settle()
    return stage


# What receivers say ---------------------------------------------------------------------------------------------------


def test_what_a_receiver_says_is_read() -> None:
    assert read_report(SAID) == report(
        accepted=3, refused=2, last_accepted=100.5, last_refused=90.0, reason="stale", keys={"k1": 60}
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"accepted": -1},
        {"accepted": "3"},
        {"accepted": True},
        {"accepted": 1 << 60},
        {"refused": 3},
        {"refused": {"stale": 1.5}},
        {"lastAccepted": "now"},
        {"lastAccepted": -1},
        {"lastAccepted": 1e300},
        {"lastAccepted": float("nan")},
        {"lastRefused": {"time": 1.0}},
        {"lastRefused": {"time": 1.0, "reason": "X" * 5}},
        {"lastRefused": {"time": 1.0, "reason": "https://hooks.example.com/h/secret"}},
        {"keys": ["k1"]},
        {"keys": {"a key with spaces": 1}},
        {"keys": {"k1": "x"}},
    ],
)
def test_what_no_receiver_says_is_not_believed(wrong: Mapping[str, Any]) -> None:
    assert read_report({**SAID, **wrong}) is None


@pytest.mark.parametrize("document", [None, [], "", 1, {}])
def test_what_is_no_report_at_all_is_not_believed(document: Any) -> None:
    assert read_report(document) is None


def test_several_receivers_are_summed_up() -> None:
    one = report(accepted=1, refused=1, last_accepted=50.0, last_refused=80.0, reason="stale", keys={"a": 60, "b": 0})
    two = report(accepted=2, refused=4, last_refused=70.0, reason="inactive", keys={"a": 120})
    assert combined([one, two]) == report(
        accepted=3, refused=5, last_accepted=50.0, last_refused=80.0, reason="stale", keys={"a": 120, "b": 0}
    )
    assert combined([one, two]) == combined([two, one])
    assert combined([]) is None


# status.calls ---------------------------------------------------------------------------------------------------------


def test_an_endpoint_that_nobody_called_tells_nothing_of_calls(called: Called) -> None:
    assert called.called() == []
    assert "calls" not in called.status()


def test_the_first_calls_are_told_at_once(called: Called) -> None:
    writes = called.called(accepted=2, refused=1, last_accepted=START, last_refused=START - 5, reason="stale")
    assert writes == ["status True Active"]
    assert called.status()["calls"] == {
        "asOf": "2026-01-01T00:00:00Z",
        "accepted": 2,
        "refused": 1,
        "lastAccepted": "2026-01-01T00:00:00Z",
        "lastRefused": {"time": "2025-12-31T23:59:55Z", "reason": "stale"},
    }


def test_further_calls_are_told_after_five_minutes_and_not_before(called: Called) -> None:
    called.called(accepted=1, last_accepted=START)
    called.wait(INTERVAL - 1)
    assert called.called(accepted=2, last_accepted=START + 10) == []
    called.wait(1)
    assert called.settle() == ["status True Active"]
    assert called.status()["calls"]["accepted"] == 2
    assert called.settle() == []


def test_without_calls_nothing_is_ever_written(called: Called) -> None:
    called.called(accepted=1, last_accepted=START)
    called.wait(10 * INTERVAL)
    assert called.settle() == []


def test_receivers_that_started_anew_count_anew_and_forget_no_time(called: Called) -> None:
    called.called(accepted=9, refused=9, last_accepted=START, last_refused=START, reason="stale")
    called.said = None
    called.wait(INTERVAL)
    assert called.settle() == []
    assert called.called() == []
    called.called(accepted=1, last_accepted=START + 200)
    assert called.status()["calls"] == {
        "asOf": "2026-01-01T00:05:00Z",
        "accepted": 1,
        "refused": 0,
        "lastAccepted": "2026-01-01T00:03:20Z",
        "lastRefused": {"time": "2026-01-01T00:00:00Z", "reason": "stale"},
    }


def test_another_change_in_between_leaves_the_calls_as_they_are_told(called: Called) -> None:
    called.called(accepted=1, last_accepted=START)
    told = called.status()["calls"]
    called.wait(60)
    called.change(state="inactive")
    called.called(accepted=2, last_accepted=START + 30)
    assert called.ready() == "True Inactive"
    assert called.status()["calls"] == told


def test_an_unreadable_spec_does_not_hide_what_was_told(called: Called) -> None:
    called.called(accepted=1, last_accepted=START)
    told = called.status()["calls"]
    called.store({})
    called.settle()
    assert called.status()["calls"] == told


def test_an_absent_endpoint_tells_nothing_of_calls(called: Called) -> None:
    called.called(accepted=1, last_accepted=START)
    called.change(state="absent")
    called.settle()
    assert called.settle() == []
    assert "calls" not in called.status()


@pytest.mark.parametrize("as_of", ["", "soon", "2027-01-01T00:00:00Z"])
def test_a_time_that_cannot_be_is_no_reason_to_wait(as_of: str) -> None:
    before = {"asOf": as_of, "accepted": 1, "refused": 0}
    told = next_calls(before, report(accepted=2, last_accepted=START), START)
    assert told is not None
    assert told["accepted"] == 2


def test_an_endpoint_is_due_exactly_when_its_status_would_change(called: Called) -> None:
    said = report(accepted=1, last_accepted=START)
    first = due(called.endpoint(), said, called.now)
    called.called(accepted=1, last_accepted=START)
    later = report(accepted=2, last_accepted=START + 1)
    told = [due(called.endpoint(), each, START + at) for each, at in ((said, 900), (later, 299), (later, 300))]
    assert (first, told) == (True, [False, False, True])


# status.keys ----------------------------------------------------------------------------------------------------------


def test_one_secret_is_no_news(called: Called) -> None:
    called.called(accepted=1, last_accepted=START, keys={called.binding().keys[0].id: int(START)})
    assert "keys" not in called.status()


def test_one_secret_for_each_of_several_ways_is_no_news() -> None:
    keys = [Key(id=f"k{n}", value=Sensitive(b"x"), created=0, option=n) for n in range(3)]
    older = replace(keys[1], id="older", expires=60)
    assert next_keys((), keys, None, refresh=True) == ()
    assert [each["id"] for each in next_keys((), [*keys, older], None, refresh=True)] == ["k0", "k1", "k2", "older"]


def test_while_an_older_secret_lives_the_status_tells_which_is_used(called: Called) -> None:
    old = called.binding().keys[0].id
    called.wait(600)
    called.said = report(accepted=1, last_accepted=START + 300, keys={old: int(START) + 300})
    called.secret_policy(rotate="1", overlap="2h")
    called.settle()
    new = called.binding().keys[0].id
    assert called.status()["keys"] == [
        {"id": new, "created": "2026-01-01T00:10:00Z"},
        {
            "id": old,
            "created": "2026-01-01T00:00:00Z",
            "expires": "2026-01-01T02:10:00Z",
            "lastUsed": "2026-01-01T00:00:00Z",
        },
    ]
    assert called.settle() == []


def test_the_last_use_of_a_secret_is_told_by_the_hour_and_together_with_the_calls(called: Called) -> None:
    called.secret_policy(rotate="1", overlap="24h")
    called.settle()
    new = called.binding().keys[0].id
    called.called(accepted=1, last_accepted=START, keys={new: int(START)})
    called.wait(200)
    assert called.called(accepted=2, last_accepted=START + 100, keys={new: int(START) + 60}) == []
    called.wait(7200)
    called.called(accepted=3, last_accepted=START + 7300, keys={new: int(START) + 7260})
    assert called.status()["keys"][0] == {
        "id": new,
        "created": "2026-01-01T00:00:00Z",
        "lastUsed": "2026-01-01T02:00:00Z",
    }
    assert "lastUsed" not in called.status()["keys"][1]


def test_when_the_older_secret_has_ended_its_keys_are_told_no_more(called: Called) -> None:
    called.secret_policy(rotate="1", overlap="1h")
    called.settle()
    assert len(called.status()["keys"]) == 2
    called.wait(3600)
    called.settle()
    assert "keys" not in called.status()
    assert called.settle() == []


def test_no_secret_is_among_what_is_told_of_keys(called: Called) -> None:
    called.secret_policy(rotate="1", overlap="1h")
    called.settle()
    told = repr(called.status()["keys"])
    assert [key for key in called.verifying() if key.decode() in told] == []

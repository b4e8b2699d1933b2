"""The journal: what is kept of calls, and what bounds it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from hookgate.receiver.journal import LAST_REFUSALS, Histogram, Journal
from hookgate.receiver.respond import Refusal, Undelivered
from hookgate.receiver.steps import STEPS, Step, step_of
from hookgate.scheme.request import CONFIGURATION_REASONS, Reason


@dataclass(frozen=True, slots=True)
class Served:
    """An endpoint as the table has it."""

    uid: str
    namespace: str = "team-a"
    name: str = "push"


A, B = Served("a"), Served("b", name="other")


def test_calls_are_counted_by_what_became_of_them() -> None:
    journal = Journal({"a", "b"})
    journal.accepted(A, 1.0, 10, "k1")
    journal.accepted(A, 2.0, 10, "k1")
    journal.refused(A, "stale", 3.0, 5)
    journal.refused(B, "stale", 4.0, 5)
    page = journal.page("a")
    assert page is not None
    assert (page.accepted, page.refused, page.last_accepted, page.body_bytes) == (2, {"stale": 1}, 2.0, 25)


def test_an_endpoint_that_was_never_called_has_no_page() -> None:
    assert Journal({"a"}).page("a") is None


def test_only_the_last_refusals_are_kept() -> None:
    journal = Journal({"a"})
    for at in range(LAST_REFUSALS + 5):
        journal.refused(A, "stale", float(at), 0, None, "header X-Time", -400.0)
    page = journal.page("a")
    assert page is not None
    assert [each.at for each in page.ring] == [float(at) for at in range(5, 15)]
    assert page.ring[-1][1:] == (Step.AUTHENTICITY, "stale", "header X-Time", -400.0)


def test_a_key_is_remembered_to_the_minute() -> None:
    journal = Journal({"a"})
    journal.accepted(A, 125.9, 0, "k1")
    journal.accepted(A, 179.0, 0, "k1")
    journal.refused(A, "target-timeout", 185.0, 0, "k2")
    page = journal.page("a")
    assert page is not None
    assert page.keys == {"k1": 120, "k2": 180}


def test_of_many_keys_the_least_recently_used_are_forgotten() -> None:
    journal = Journal({"a"})
    for n in range(20):
        journal.accepted(A, 60.0 * n, 0, f"k{n}")
    page = journal.page("a")
    assert page is not None
    assert sorted(page.keys.values()) == [60 * n for n in range(4, 20)]


def test_a_removed_endpoint_leaves_nothing() -> None:
    known = {"a", "b"}
    journal = Journal(known)
    journal.accepted(A, 1.0, 0, None)
    known.remove("a")
    assert (journal.page("a"), journal.pages()) == (None, [])
    known.add("a")
    assert journal.page("a") is None


def test_a_call_that_outlives_its_endpoint_opens_no_page() -> None:
    journal = Journal({"b"})
    journal.accepted(A, 1.0, 0, None)
    assert (journal.pages(), journal.nobody.accepted) == ([], 1)


def test_endpoints_that_come_and_go_do_not_fill_the_memory() -> None:
    known: set[str] = set()
    journal = Journal(known)
    for n in range(1000):
        known.clear()
        known.add(f"u{n}")
        journal.accepted(Served(f"u{n}"), 1.0, 0, None)
    assert len(journal._pages) <= 2


def test_a_histogram_counts_by_upper_bound() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    assert (histogram.counts, histogram.total) == ([2, 1, 1], 12.0)


@pytest.mark.parametrize("reason", [*Refusal, *Reason, *Undelivered])
def test_every_reason_has_a_step(reason: str) -> None:
    assert STEPS[reason] in Step


def test_reasons_that_blame_the_configuration_are_told_apart_from_the_senders_faults() -> None:
    assert {r for r in Reason if step_of(r) is Step.CONFIGURATION} == CONFIGURATION_REASONS


def test_the_same_word_never_means_two_steps() -> None:
    assert {str(r) for r in Refusal} & {str(r) for r in Undelivered} == {"target-timeout"}
    assert {str(r) for r in Reason} & {str(r) for r in (*Refusal, *Undelivered)} == set()

"""How the story counts: the sender's notes held against the target's book, and what a step may excuse."""

from __future__ import annotations

import pytest

from tests.node.load import NO_ANSWER, Call, tally
from tests.node.steps import Outcome, Step
from tests.node.story import judge
from tests.node.table import BEGIN, END, Row, markdown, placed, text

STEP = Step(title="a step", play=lambda *_: None)


def call(delivery: str, status: int = 200, *, began: float = 0.0, ended: float = 1.0) -> Call:
    """A call whose body has the digest `digest`."""
    return Call(delivery=delivery, digest="digest", host="hooks", began=began, ended=ended, status=status)


def test_a_call_that_was_answered_2xx_and_is_not_in_the_book_is_lost() -> None:
    """So is one that arrived as something else; one that was refused is not."""
    calls = [call("arrived"), call("never"), call("changed"), call("refused", 503)]
    found = tally(calls, {"arrived": (1, "digest"), "changed": (1, "another")})
    assert (found.sent, found.lost, [each.delivery for each in found.failed]) == (4, 2, ["refused"])


def test_a_call_that_arrived_twice_is_doubled_even_if_its_sender_was_told_of_a_failure() -> None:
    """Somebody in between has tried again."""
    found = tally([call("once"), call("twice", NO_ANSWER)], {"once": (1, "digest"), "twice": (2, "digest")})
    assert found.doubled == 1


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        ([call("a", 503)], "1 of 1 calls failed"),
        ([call("a", NO_ANSWER)], "no answer"),
        ([call("lost")], "1 calls were answered 2xx and did not arrive"),
        ([call("twice")], "1 calls arrived more than once"),
    ],
)
def test_a_step_fails_with_what_became_of_its_calls(calls: list[Call], told: str) -> None:
    """Unless it says otherwise no call may fail, and none may ever be lost or doubled."""
    book = {"a": (0, ""), "twice": (2, "digest")}
    with pytest.raises(AssertionError, match=told):
        judge(STEP, Outcome(), tally(calls, book), began=0.0)


def test_a_step_may_excuse_calls_that_failed_and_no_others() -> None:
    """As the kill of a receiver excuses those that were in flight on it."""
    outcome = Outcome(excused=lambda each: each.began < 5.0)
    judge(STEP, outcome, tally([call("in flight", 503)], {}), began=0.0)
    with pytest.raises(AssertionError, match="1 of 2 calls failed"):
        judge(STEP, outcome, tally([call("in flight", 503), call("later", 503, began=6.0)], {}), began=0.0)


def test_the_table_has_a_row_for_each_step_and_its_notes_below() -> None:
    """Steps without calls leave their cells empty."""
    rows = [Row(step="install", seconds=12.34), Row(step="kill", seconds=1.0, calls=(100, 2, 0), note="in flight")]
    assert markdown(rows).splitlines() == [
        "| step | seconds | calls sent | failed | lost |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| install | 12.3 |  |  |  |",
        "| kill | 1.0 | 100 | 2 | 0 |",
        "",
        "- *kill*: in flight",
    ]
    assert text(rows).splitlines()[2].split() == ["kill", "1.0", "100", "2", "0"]


def test_a_document_keeps_what_it_has_around_the_table() -> None:
    """A file without marks is the table."""
    assert placed(f"before\n{BEGIN}old\n{END}after\n", "new\n") == f"before\n{BEGIN}new\n{END}after\n"
    assert placed("anything", "new\n") == "new\n"

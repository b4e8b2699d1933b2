"""How much of the memory for answers each target may take."""

from __future__ import annotations

from hookgate.receiver.answers import Answers


def test_one_target_gets_no_more_than_is_still_free() -> None:
    answers = Answers(100)
    assert [answers.take("a", 25) for _ in range(4)] == [True, True, True, False]
    assert (answers.take("b", 26), answers.take("b", 25), answers.held) == (False, True, 100)


def test_what_is_given_back_can_be_taken_again() -> None:
    answers = Answers(100)
    assert answers.take("a", 60)
    assert not answers.take("b", 60)
    answers.give_back("a", 60)
    assert (answers.held, answers.take("b", 60)) == (0, True)

"""What P16 makes of a log of writes: whose are taken after another one's is a second writer, however it comes about."""

from __future__ import annotations

import pytest

from tests.faults.asked import Asked, Entry
from tests.faults.leader import two_at_a_time


def write(client: str, began: float, took: float = 0.5, status: int = 200) -> Entry:
    """A write as the proxy logs it."""
    asked = Asked(
        client=client,
        verb="patch",
        resource="secrets",
        namespace="team-1",
        name="ci-webhook",
        selector="",
        team="team-1",
        agent="hookgate",
        body="",
    )
    return Entry(asked=asked, began=began, ended=began + took, status=status)


@pytest.mark.parametrize(
    "writes",
    [
        [write("a", 0), write("b", 1), write("a", 2), write("b", 3)],
        [write("a", 0), write("b", 1), write("c", 2), write("a", 3)],
        [write("a", 0, took=10), write("a", 1), write("b", 3), write("a", 4)],
        [write("b", 1), write("a", 0), write("a", 2)],
    ],
    ids=["in turns", "after two others", "beside a long one", "logged out of order"],
)
def test_who_writes_after_another_one_is_a_second_writer(writes: list[Entry]) -> None:
    assert two_at_a_time(writes).startswith("a wrote after")


@pytest.mark.parametrize(
    "writes",
    [
        [],
        [write("a", 0), write("a", 1), write("b", 2), write("c", 3)],
        [write("a", 0, took=10), write("b", 3)],
        [write("a", 0), write("b", 1), write("a", 2, status=409), write("a", 3, status=0), write("b", 4)],
    ],
    ids=["nothing", "one after the other", "on its way when the lease ended", "refused or not sent"],
)
def test_one_reign_after_the_other_is_as_it_should_be(writes: list[Entry]) -> None:
    assert two_at_a_time(writes) == ""

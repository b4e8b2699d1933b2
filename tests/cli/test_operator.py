"""What `hookgate operator` takes."""

from __future__ import annotations

import pytest

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.operator import namespaces


def test_without_namespaces_it_is_for_the_whole_cluster() -> None:
    assert namespaces(None) == ()


def test_namespaces_are_told_apart_by_commas_and_count_once() -> None:
    assert namespaces("team-a, team-b,team-a") == ("team-a", "team-b")


@pytest.mark.parametrize("text", ["", ",", "team-a,", "Team", "*", "a b"])
def test_what_is_no_namespace_is_refused_and_never_taken_for_the_whole_cluster(text: str) -> None:
    with pytest.raises(Stop, match="--namespaces") as stopped:
        namespaces(text)
    assert stopped.value.code == Exit.USAGE

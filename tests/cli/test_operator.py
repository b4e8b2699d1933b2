"""What `hookgate operator` takes."""

from __future__ import annotations

import pytest

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.local import namespaces
from hookgate.cli.operator import timing
from hookgate.kube.lease import Timing


def test_without_namespaces_it_is_for_the_whole_cluster() -> None:
    assert namespaces(None) == ()


def test_namespaces_are_told_apart_by_commas_and_count_once() -> None:
    assert namespaces("team-a, team-b,team-a") == ("team-a", "team-b")


@pytest.mark.parametrize("text", ["", ",", "team-a,", "Team", "*", "a b"])
def test_what_is_no_namespace_is_refused_and_never_taken_for_the_whole_cluster(text: str) -> None:
    with pytest.raises(Stop, match="--namespaces") as stopped:
        namespaces(text)
    assert stopped.value.code == Exit.USAGE


def test_the_lease_keeps_the_usual_proportions() -> None:
    assert timing(15.0) == Timing(lease_s=15.0, renew_deadline_s=10.0, retry_s=2.0)


def test_no_duration_is_no_election() -> None:
    assert timing(0.0) is None


@pytest.mark.parametrize("seconds", [-1.0, 0.5, 301.0, float("nan"), float("inf")])
def test_a_lease_too_short_or_too_long_is_refused(seconds: float) -> None:
    with pytest.raises(Stop, match="--lease-duration: write 3 to 300 seconds") as stopped:
        timing(seconds)
    assert stopped.value.code == Exit.USAGE

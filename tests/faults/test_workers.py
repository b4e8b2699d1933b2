"""How a run is cut into pieces and spread over processes: nothing is left out, done twice, or lost with a process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.faults.cases import BROKEN, Case, Scope
from tests.faults.pieces import Piece, cut
from tests.faults.scenarios import SCENARIOS
from tests.faults.stand import Stand
from tests.faults.suites import PROPERTIES, SUITES, Suite
from tests.faults.workers import Play, Told, spread


def no_suite(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Stands where a suite belongs."""
    yield from ()


def tells(piece: Piece, folder: Path) -> Iterator[Case]:
    """Two cases, the second a failure."""
    yield Case("P1", folder.name)
    yield Case("P1", folder.name, "wrong")


def ends_badly(piece: Piece, folder: Path) -> Iterator[Case]:
    """The first piece breaks off; the second one's process ends amid its work, as one does that the kernel kills."""
    yield Case("P1", folder.name)
    if piece.scope.share[0] == 0:
        raise ValueError("broken by a test")
    if piece.scope.share[0] == 1:
        os._exit(3)


def lasts(piece: Piece, folder: Path) -> Iterator[Case]:
    """Never ends by itself, and notes who it is and that it has cleaned up."""
    folder.mkdir()
    (folder / "pid").write_text(str(os.getpid()))
    try:
        yield Case("P1", folder.name)
        time.sleep(3600)
    finally:
        (folder / "cleaned").touch()


PIECES = [Piece(Suite(("P1",), no_suite, 1), Scope(share=(number, 3))) for number in range(3)]
NAMES = ["P1-1-of-3", "P1-2-of-3", "P1-3-of-3"]


def played(play: Play, folder: Path, workers: int) -> list[Told]:
    with closing(spread(PIECES, play, folder, workers)) as news:
        return [told for told in news if told is not None]


def cases(told: list[Told]) -> list[Case]:
    return sorted((each.case for each in told if each.case is not None), key=lambda case: (case.name, case.wrong))


def test_every_suite_is_played_whole_and_the_longest_begins() -> None:
    pieces = cut(PROPERTIES, Scope())
    for suite in SUITES:
        shares = [piece.scope.share for piece in pieces if piece.suite is suite]
        assert sorted(shares) == [(number, len(shares)) for number in range(suite.shares)]
    longest = max(SUITES, key=lambda suite: suite.seconds / suite.shares)
    assert pieces[0].suite is longest
    assert len({piece.name for piece in pieces}) == len(pieces)


@pytest.mark.parametrize("shares", [1, 2, 5, 40])
def test_every_story_is_in_one_share(shares: int) -> None:
    dealt = [name for number in range(shares) for name in Scope(share=(number, shares)).chosen(SCENARIOS)]
    assert sorted(dealt) == sorted(SCENARIOS)


def test_only_suites_of_the_wanted_properties_are_played_and_parts_of_one_stay_together() -> None:
    assert [piece.name for piece in cut({"P2"}, Scope(quick=True))] == ["P1-P2"]
    assert [piece.name for piece in cut({"P14"}, Scope(only="create"))] == ["P14"]


def test_all_that_pieces_tell_arrives_and_each_comes_to_its_end(tmp_path: Path) -> None:
    told = played(tells, tmp_path, workers=2)
    assert cases(told) == [Case("P1", name, wrong) for name in NAMES for wrong in ("", "wrong")]
    assert sorted(each.piece.name for each in told if each.case is None) == NAMES


def test_a_suite_that_breaks_off_and_a_process_that_dies_are_failures_and_the_others_go_on(tmp_path: Path) -> None:
    told = played(ends_badly, tmp_path, workers=1)
    broke = Case("P1", BROKEN, "P1-1-of-3: ValueError: broken by a test")
    died = Case("P1", BROKEN, "P1-2-of-3: its process ended with 3")
    assert cases(told) == [*(Case("P1", name) for name in NAMES), broke, died]
    assert sorted(each.piece.name for each in told if each.case is None) == NAMES


def test_whoever_stops_listening_ends_them_all_and_they_clean_up(tmp_path: Path) -> None:
    with closing(spread(PIECES, lasts, tmp_path, 3)) as news:
        begun = [next(news) for _ in PIECES]
        assert all(begun)
        pids = [int((tmp_path / name / "pid").read_text()) for name in NAMES]
    assert [(tmp_path / name / "cleaned").exists() for name in NAMES] == [True, True, True]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            pytest.fail(f"process {pid} is still there")

"""What a run says in the end: nothing that was wanted is left out, and a run of nothing is no success."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import binaries
from tests.faults import __main__ as command
from tests.faults.cases import Case
from tests.faults.pieces import Piece
from tests.faults.workers import Told


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """The cases that a run has, instead of playing any suite."""
    cases: list[Case] = []

    def spread(pieces: list[Piece], *_: object) -> Iterator[Told]:
        yield from (Told(pieces[0], case, 1.0) for case in cases)

    monkeypatch.setattr(command, "spread", spread)
    monkeypatch.setattr(binaries, "locate", lambda: None)
    monkeypatch.setattr(binaries, "gateway_crds", lambda: None)
    return cases


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["tests.faults", *arguments])
    return command.main()


def test_a_run_of_what_was_wanted_succeeds(tried: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    tried.extend((Case("P12", "one"), Case("P11", "seen on the way")))
    assert run(monkeypatch, "P12") == 0


def test_a_failure_fails(tried: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    tried.append(Case("P12", "one", "wrong"))
    assert run(monkeypatch, "P12") == 1


def test_a_property_of_which_nothing_was_tried_fails_and_has_its_row(
    tried: list[Case], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Others on the way make up for nothing."""
    tried.extend((Case("P12", "one"), Case("P11", "seen on the way")))
    assert run(monkeypatch, "P12", "P13", "--only", "in no name") == 1
    told = capsys.readouterr()
    assert "nothing was tried of P13" in told.err
    assert [line.split()[0] for line in told.out.splitlines() if line.startswith("P")] == ["P11", "P12", "P13"]


def test_the_page_begins_with_all_that_decided_what_was_tried(
    tried: list[Case], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    run(monkeypatch, "P12", "--quick", "--only", "two words", "--first", "--workers", "2", "--markdown", str(page))
    assert "`python -m tests.faults P12 --quick --first --only 'two words' --workers 2`" in page.read_text()

"""What a bench found gets to where the README shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.receiver.publish import BEGIN, END, PLOT, ROOT, publish


def test_what_stands_between_the_marks_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / PLOT).parent.mkdir(parents=True)
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}former\n{END}after\n")
    for _ in range(2):
        publish("| a ratio |\n", "<svg/>", tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "former" not in text
    assert text.count("| a ratio |") == text.count(PLOT) == 1
    assert (tmp_path / PLOT).read_text() == "<svg/>"


def test_a_readme_without_marks_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("text\n")
    with pytest.raises(ValueError, match=r"README\.md"):
        publish("", "", tmp_path)
    assert (tmp_path / "README.md").read_text() == "text\n"


def test_the_readme_has_the_marks() -> None:
    assert BEGIN + END in (ROOT / "README.md").read_text() or PLOT in (ROOT / "README.md").read_text()

"""What a bench found gets to where the README shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.publish import OPERATOR, RECEIVER, ROOT, Place, publish

BOTH = pytest.mark.parametrize("place", [RECEIVER, OPERATOR], ids=lambda place: place.name)


@BOTH
def test_what_stands_between_the_marks_is_replaced_and_nothing_else(tmp_path: Path, place: Place) -> None:
    (tmp_path / place.plot).parent.mkdir(parents=True)
    others = "".join(f"{each.begin}kept\n{each.end}" for each in (RECEIVER, OPERATOR) if each is not place)
    (tmp_path / "README.md").write_text(f"before\n{others}{place.begin}former\n{place.end}after\n")
    for _ in range(2):
        publish(place, "| a ratio |\n", "<svg/>", tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith(f"before\n{others}")
    assert text.endswith("after\n")
    assert "former" not in text
    assert text.count("| a ratio |") == text.count(place.plot) == 1
    assert (tmp_path / place.plot).read_text() == "<svg/>"


@BOTH
def test_a_readme_without_marks_is_left_alone(tmp_path: Path, place: Place) -> None:
    (tmp_path / "README.md").write_text("text\n")
    with pytest.raises(ValueError, match=r"README\.md"):
        publish(place, "", "", tmp_path)
    assert (tmp_path / "README.md").read_text() == "text\n"


@BOTH
def test_the_readme_has_the_marks(place: Place) -> None:
    text = (ROOT / "README.md").read_text()
    assert place.begin + place.end in text or place.plot in text

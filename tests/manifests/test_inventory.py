"""The README's tables of objects and rights are those of what is installed."""

from __future__ import annotations

from tests.manifests.inventory import PURPOSES, tables
from tests.manifests.render import BASE, ROOT, render


def test_the_readme_tells_every_object_and_every_right() -> None:
    """`python -m tests.manifests.inventory` writes what belongs between the marks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    told = text.partition("<!-- objects: begin -->\n")[2].partition("\n<!-- objects: end -->")[0]
    assert told == tables()


def test_every_purpose_is_that_of_an_object() -> None:
    """Nothing is told of what is no longer there."""
    found = {(obj["kind"], obj["metadata"]["name"]) for obj in render(BASE)}
    assert PURPOSES.keys() - found == set()

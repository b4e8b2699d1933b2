"""The mistakes that the suites are known to find: one for each property, each still to be made, each told in DESIGN."""

from __future__ import annotations

import pytest

from tests.faults.mutants import MUTANTS, ROOT, Mutant, row
from tests.faults.operators import SOURCE
from tests.faults.predecessor import EDITS, Edit
from tests.faults.suites import PROPERTIES


def test_every_property_has_a_mistake_that_it_finds() -> None:
    assert sorted({mutant.property for mutant in MUTANTS}) == sorted(PROPERTIES)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.property}-{mutant.file}")
def test_every_mistake_can_still_be_made(mutant: Mutant) -> None:
    """Its text is there; where the code has moved on, the mistake has to be made anew."""
    assert mutant.old in (ROOT / mutant.file).read_text(encoding="utf-8")


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.file)
def test_what_the_earlier_version_lacks_can_still_be_taken_out(edit: Edit) -> None:
    assert (SOURCE / edit.file).read_text(encoding="utf-8").count(edit.old) == 1


def test_the_design_lists_every_mistake() -> None:
    design = (ROOT / "operator" / "DESIGN.md").read_text(encoding="utf-8")
    assert [row(mutant) for mutant in MUTANTS if row(mutant) not in design] == []

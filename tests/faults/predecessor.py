"""An operator of the version before this one, for upgrades and the way back.

There is no earlier release yet. Until there is one, its part is played by this very code, in a copy, under another
version number and without the field of the status that was added last: what a later version does to what an earlier
one wrote, and the other way round, is real; how far apart two releases will be is not known here. With the first
release its code takes this place.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.operators import SOURCE

#: A member of the status that this version tells of every endpoint, and the one before it does not.
NEWEST = "replay"


@dataclass(frozen=True, slots=True)
class Edit:
    """In ``file``, ``old``, which has to be there, becomes ``new``."""

    file: str
    old: str
    new: str


EDITS = (
    Edit("hookgate/__init__.py", '__version__ = "', '__version__ = "0.'),
    Edit("hookgate/control/status.py", "if outcome.replay and binding is not None:", "if False:"),
)


def predecessor(folder: Path) -> Path:
    """Make the copy in ``folder`` and return the source root in it. Raises AssertionError if an edit does not fit."""
    root = folder / "operator"
    shutil.copytree(SOURCE, root, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in EDITS:
        file = root / edit.file
        text = file.read_text(encoding="utf-8")
        assert text.count(edit.old) == 1, f"{edit.file} no longer holds once: {edit.old}"
        file.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
    return root


def is_of_this_version(endpoint: dict[str, Any]) -> bool:
    """Whether the status is one that this version wrote."""
    return NEWEST in (endpoint.get("status") or {})

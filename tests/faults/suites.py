"""All suites, and the properties that they try."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.faults.cases import Case, Scope
from tests.faults.crash import crashes
from tests.faults.stand import Stand

PROPERTIES: Mapping[str, str] = {
    "P1": "a crash at any write converges, and makes and removes nothing twice",
    "P2": "secrets never change unless a rotation is asked for",
}


@dataclass(frozen=True, slots=True)
class Suite:
    """``run`` yields cases of these properties."""

    properties: tuple[str, ...]
    run: Callable[[Stand, Scope], Iterator[Case]]


SUITES: tuple[Suite, ...] = (Suite(("P1", "P2"), crashes),)

"""All suites, and the properties that they try."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.faults.cases import Case, Scope
from tests.faults.crash import crashes
from tests.faults.errors import errors
from tests.faults.lost import losses
from tests.faults.stand import Stand

PROPERTIES: Mapping[str, str] = {
    "P1": "a crash at any write converges, and makes and removes nothing twice",
    "P2": "secrets never change unless a rotation is asked for",
    "P3": "an event that is lost, late, double or cut off converges within a resync",
    "P14": "an error in answer to any request converges; Retry-After is obeyed",
}


@dataclass(frozen=True, slots=True)
class Suite:
    """``run`` yields cases of these properties."""

    properties: tuple[str, ...]
    run: Callable[[Stand, Scope], Iterator[Case]]


SUITES: tuple[Suite, ...] = (
    Suite(("P1", "P2"), crashes),
    Suite(("P3",), losses),
    Suite(("P14",), errors),
)

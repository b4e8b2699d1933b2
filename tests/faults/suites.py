"""All suites, and the properties that they try."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.faults.cases import Case, Scope
from tests.faults.crash import crashes
from tests.faults.drift import drifts
from tests.faults.errors import errors
from tests.faults.leader import rivals
from tests.faults.lost import losses
from tests.faults.stale import lags
from tests.faults.stand import Stand
from tests.faults.watches import watches

PROPERTIES: Mapping[str, str] = {
    "P1": "a crash at any write converges, and makes and removes nothing twice",
    "P2": "secrets never change unless a rotation is asked for",
    "P3": "an event that is lost, late, double or cut off converges within a resync",
    "P4": "a start at an API server whose lists lag behind takes nothing away and makes nothing twice",
    "P12": "drift of any field or object is undone by one write, and what others put there stays",
    "P14": "an error in answer to any request converges; Retry-After is obeyed",
    "P15": "watches that fall silent, end or talk nonsense, outages and new tokens are overcome",
    "P16": "one operator writes at a time; one that was stopped beyond its lease writes no more",
}


@dataclass(frozen=True, slots=True)
class Suite:
    """``run`` yields cases of these properties."""

    properties: tuple[str, ...]
    run: Callable[[Stand, Scope], Iterator[Case]]


SUITES: tuple[Suite, ...] = (
    Suite(("P1", "P2"), crashes),
    Suite(("P3",), losses),
    Suite(("P4",), lags),
    Suite(("P12",), drifts),
    Suite(("P14",), errors),
    Suite(("P15",), watches),
    Suite(("P16",), rivals),
)

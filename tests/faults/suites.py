"""All suites, and the properties that they try."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.faults.borders import isolation, leaks
from tests.faults.cases import Case, Scope
from tests.faults.crash import crashes
from tests.faults.drift import drifts
from tests.faults.errors import errors
from tests.faults.fights import fights
from tests.faults.leader import rivals
from tests.faults.lost import losses
from tests.faults.nonsense import misoperations, recoveries
from tests.faults.paths import sequences
from tests.faults.planes import contract, static_stability
from tests.faults.poison import poisons
from tests.faults.removal import removals
from tests.faults.rights import rights
from tests.faults.stale import lags
from tests.faults.stand import Stand
from tests.faults.statuses import statuses
from tests.faults.still import stillness
from tests.faults.upgrade import upgrades
from tests.faults.watches import watches

PROPERTIES: Mapping[str, str] = {
    "P1": "a crash at any write converges, and makes and removes nothing twice",
    "P2": "secrets never change unless a rotation is asked for",
    "P3": "an event that is lost, late, double or cut off converges within a resync",
    "P4": "lists that lag behind, at a start or later, take nothing away and make nothing twice",
    "P5": "at rest nothing is written, however often everything is looked at",
    "P6": "over restarts nothing is written",
    "P7": "how an endpoint came to its spec does not matter (500 in memory, 20 on a server)",
    "P8": "what is refused says why, and all is as before when it is taken back",
    "P9": "nonsense is judged, ends no operator and touches nobody else",
    "P10": "poisoned objects among a thousand leave the others served, over five restarts",
    "P11": "every status seen, whatever happened, keeps the rules of kstatus (cases: statuses)",
    "P12": "drift of any field or object is undone by one write, and what others put there stays",
    "P13": "who insists on a field is fought a few times, then now and then, and it is told",
    "P14": "an error in answer to any request converges or is told; Retry-After is obeyed",
    "P15": "watches that fall silent, end or talk nonsense, outages and new tokens are overcome",
    "P16": "one operator writes at a time; one that was stopped beyond its lease writes no more",
    "P17": "nothing is read in another team's namespace",
    "P18": "no secret stands where it does not belong",
    "P19": "whatever way an endpoint goes, nothing is left and nothing can be reached",
    "P20": "up and down a version Secrets and routes stay, with one write each at most",
    "P21": "each right of the shipped roles is needed, and none is a wildcard",
    "P22": "receivers judge every call as before without operator and API server",
    "P23": "a binding that cannot be read takes itself out of service, and nobody else",
}


@dataclass(frozen=True, slots=True)
class Suite:
    """``run`` yields cases of these properties.

    ``seconds`` is how long it takes, roughly, so that the longest begins first; ``shares`` is into how many pieces its
    stories are cut.
    """

    properties: tuple[str, ...]
    run: Callable[[Stand, Scope], Iterator[Case]]
    seconds: int
    shares: int = 1


SUITES: tuple[Suite, ...] = (
    Suite(("P1", "P2"), crashes, 1200, shares=4),
    Suite(("P3",), losses, 290),
    Suite(("P4",), lags, 130),
    Suite(("P5", "P6"), stillness, 90),
    Suite(("P7",), sequences, 20),
    Suite(("P8",), recoveries, 10),
    Suite(("P9",), misoperations, 10),
    Suite(("P10",), poisons, 290),
    Suite(("P12",), drifts, 100),
    Suite(("P13",), fights, 70),
    Suite(("P14",), errors, 2200, shares=6),
    Suite(("P15",), watches, 470, shares=2),
    Suite(("P16",), rivals, 60),
    Suite(("P17",), isolation, 5),
    Suite(("P18",), leaks, 5),
    Suite(("P22",), static_stability, 310),
    Suite(("P23",), contract, 15),
    Suite(("P20",), upgrades, 390),
    Suite(("P21",), rights, 290),
    Suite(("P19",), removals, 120),
    Suite(("P11",), statuses, 230),
)


def suite_of(name: str) -> Suite:
    """Return the suite that tries a property."""
    return next(suite for suite in SUITES if name in suite.properties)

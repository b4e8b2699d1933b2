"""What a run consists of: suites, the long ones cut into shares of their stories. It may not know who plays them where.

Each piece is played on a stand of its own: neither what it breaks nor how it ends is any other's concern.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults.cases import Case, Scope
from tests.faults.stand import stand
from tests.faults.statuses import seen
from tests.faults.suites import SUITES, Suite


@dataclass(frozen=True, slots=True)
class Piece:
    """A suite, or the share of it that the scope names."""

    suite: Suite
    scope: Scope

    @property
    def name(self) -> str:
        """What people call it; a folder may be named so."""
        number, shares = self.scope.share
        return "-".join(self.suite.properties) + (f"-{number + 1}-of-{shares}" if shares > 1 else "")


def cut(wanted: Collection[str], scope: Scope) -> list[Piece]:
    """Return the pieces that have to do with the wanted properties, the longest first.

    What is only a part of a suite stays whole: its shares would cost more than they save.
    """
    part = scope.quick or bool(scope.only)
    found = []
    for suite in SUITES:
        shares = 1 if part else suite.shares
        for number in range(0 if set(wanted).isdisjoint(suite.properties) else shares):
            found.append((suite.seconds / shares, Piece(suite, replace(scope, share=(number, shares)))))
    return [piece for _, piece in sorted(found, key=lambda each: -each[0])]


def play(piece: Piece, folder: Path) -> Iterator[Case]:
    """Play it in ``folder``, and tell of all statuses that were seen meanwhile. Raises whatever a suite raises."""
    with stand(folder) as made:
        made.clean()
        yield from piece.suite.run(made, piece.scope)
        made.proxy.clear()
        yield from seen(made.recorder)

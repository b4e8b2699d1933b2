"""What a suite tells: cases, each of one property, and why it failed if it did."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

#: The name of the case that tells of a suite that broke off or did no harm. It found nothing: nothing was tried.
BROKEN = "the suite itself"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was tried. ``wrong`` is empty where all was well."""

    property: str
    name: str
    wrong: str = ""


def harmless(property_: str, fired: Collection[int]) -> Iterator[Case]:
    """A failure, if so many harms were to be done and none came about: then nothing was tried, whatever was counted."""
    if fired and not any(fired):
        yield Case(property_, BROKEN, f"none of {len(fired)} harms came about")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """How much to try. ``quick``: a small part of every suite, for every change. ``only``: what has it in its name.

    ``share`` is for suites that are cut into pieces: of so many shares of the stories (the second number) this one.
    """

    quick: bool = False
    only: str = ""
    share: tuple[int, int] = (0, 1)

    def wants(self, name: str, few: Collection[str] = ()) -> bool:
        """Whether this is to be tried, where ``few`` are those of a quick run."""
        return self.only in name and (not self.quick or name in few or bool(self.only))

    def chosen(self, names: Iterable[str], few: Collection[str] = ()) -> list[str]:
        """Return this share of those that are to be tried. Every name is in the share of one piece and of no other."""
        number, shares = self.share
        return [name for name in names if self.wants(name, few)][number::shares]

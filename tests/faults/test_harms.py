"""What counts as a case: where the harm that was to be done never came about, nothing was tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.faults import errors, lost
from tests.faults.cases import BROKEN, Case, Scope, harmless
from tests.faults.crash import Run, judged
from tests.faults.rules import Lose, Rule
from tests.faults.stand import Stand

RUN = Run(picture="all", writes=3, made=Counter(), keys=1, told=1, killed=1)


def test_harms_of_which_none_came_about_are_a_failure() -> None:
    """It says that nothing was found, as where a suite breaks off."""
    assert [(case.name, bool(case.wrong)) for case in harmless("P3", [0, 0])] == [(BROKEN, True)]
    assert [list(harmless("P3", fired)) for fired in ([], [0, 1])] == [[], []]


def test_a_run_in_which_nobody_was_killed_is_no_case() -> None:
    assert [case.property for case in judged("x", RUN, RUN)] == ["P1", "P2"]
    assert list(judged("x", RUN, replace(RUN, killed=0))) == []


def test_what_is_wrong_is_told_whoever_was_killed() -> None:
    found = list(judged("x", RUN, replace(RUN, killed=0, keys=2)))
    assert [(case.property, bool(case.wrong)) for case in found] == [("P1", False), ("P2", True)]


@dataclass(slots=True)
class Told:
    """A story that is over."""

    name: str
    team: Any
    wrong: str = ""


class Stage:
    """Stands for a test stand: stories end well at once, and so many of the harms come about."""

    def __init__(self, strikes: int) -> None:
        self._strikes = strikes
        self.stand = cast(
            "Stand",
            SimpleNamespace(restart_receiver=lambda **_: None, proxy=SimpleNamespace(losses=[], rules=[])),
        )

    def together(
        self, stand: Any, wanted: Sequence[tuple[str, Any, Callable[[Any], object]]], **_: Any
    ) -> Iterator[Told]:
        for name, _scenario, harm in wanted:
            team = SimpleNamespace(namespace=name, picture=lambda: "all")
            harm(team)
            yield Told(name, team)

    def strike(self) -> None:
        """Let the rules that were set fire, as far as any are to."""
        for rule in [*self.stand.proxy.losses, *self.stand.proxy.rules][: self._strikes]:
            assert isinstance(rule, Lose | Rule)
            rule.fired = 1


def played(monkeypatch: pytest.MonkeyPatch, module: Any, strikes: int) -> list[Case]:
    """The cases of the suite in ``module``, undisturbed ones aside."""
    stage = Stage(strikes)

    def together(*arguments: Any, **more: Any) -> Iterator[Told]:
        stories = list(stage.together(*arguments, **more))
        stage.strike()
        yield from stories

    monkeypatch.setattr(module, "together", together)
    if module is errors:
        monkeypatch.setattr(errors, "asked", lambda *_: ["one", "two"])
        monkeypatch.setattr(errors, "woken", lambda *_: nullcontext())
        monkeypatch.setattr(errors, "too_soon", lambda *_: "")
        suite = errors.errors
    else:
        monkeypatch.setattr(lost, "events", lambda _: Counter({(False, "secrets"): 2}))
        suite = lost.losses
    cases = list(suite(stage.stand, Scope(quick=True, only="create")))
    return [case for case in cases if not case.name.endswith("undisturbed")]


@pytest.mark.parametrize("module", [lost, errors], ids=["events", "requests"])
def test_only_what_met_its_harm_is_counted(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    cases = played(monkeypatch, module, strikes=3)
    assert (len(cases), [case for case in cases if case.wrong]) == (3, [])


@pytest.mark.parametrize("module", [lost, errors], ids=["events", "requests"])
def test_a_suite_whose_harms_never_came_about_fails(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    assert [case.name for case in played(monkeypatch, module, strikes=0)] == [BROKEN]

"""What holds for every story: a second look writes nothing, and a crash at any write changes nothing in the end."""

from __future__ import annotations

import pytest

from tests.control.picture import picture
from tests.control.scenarios import SCENARIOS
from tests.control.stage import Act, Stage
from tests.control.world import Crash


def play(stage: Stage, acts: tuple[Act, ...]) -> None:
    """Play a story, looking after every step; whoever crashes starts again."""
    for act in acts:
        act(stage)
        try:
            stage.settle()
        except Crash:
            stage.settle()


def crashed(acts: tuple[Act, ...], number: int, when: str) -> Stage:
    """Play a story in which the process crashes once, before or after a certain write."""

    def crash(at: int, done: str) -> None:
        if (at, done) == (number, when):
            raise Crash

    stage = Stage()
    stage.world.fault = crash
    play(stage, acts)
    return stage


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_second_look_at_any_time_writes_nothing(name: str) -> None:
    stage = Stage()
    for act in SCENARIOS[name]:
        act(stage)
        stage.settle()
        before = picture(stage.world)
        assert stage.settle() == []
        assert picture(stage.world) == before


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_any_write_leads_to_the_same_end_without_a_second_secret(name: str) -> None:
    reference = Stage()
    play(reference, SCENARIOS[name])
    end, secrets = picture(reference.world), len(reference.world.watchman.generated)
    assert reference.world.writes > 0
    for number in range(1, reference.world.writes + 1):
        for when in ("before", "after"):
            stage = crashed(SCENARIOS[name], number, when)
            assert picture(stage.world) == end, f"crash {when} write {number}"
            assert len(stage.world.watchman.generated) == secrets, f"crash {when} write {number}"
            assert stage.settle() == [], f"crash {when} write {number}"


@pytest.mark.parametrize("name", SCENARIOS)
def test_lost_cache_entries_lead_to_the_same_end_without_a_second_secret(name: str) -> None:
    reference, stage = Stage(), Stage()
    for act in SCENARIOS[name]:
        for each in (reference, stage):
            act(each)
        stage.world.hidden |= {key for key in stage.world.objects if key[0] in ("Secret", "Ingress", "HTTPRoute")}
        reference.settle()
        stage.settle()
        stage.world.hidden.clear()
        stage.settle()
    assert picture(stage.world) == picture(reference.world)
    assert len(stage.world.watchman.generated) == len(reference.world.watchman.generated)

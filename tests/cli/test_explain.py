"""`hookgate explain` without any place: advice for every reason, and what is made of what receivers say."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hookgate.cli.advice import ADVICE, NEVER_CALLED
from hookgate.cli.explain import Heard, explanation, of_receivers, of_status
from hookgate.receiver.respond import Refusal, Undelivered
from hookgate.receiver.steps import STEPS
from hookgate.scheme.request import Reason

UID = "00000000-0000-4000-8000-000000000001"
NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
MANIFEST = {
    "metadata": {"namespace": "team-a", "name": "push", "uid": UID, "generation": 1},
    "spec": {},
    "status": {
        "observedGeneration": 1,
        "calls": {
            "asOf": "2026-01-01T00:00:00Z",
            "accepted": 5,
            "refused": 2,
            "lastRefused": {"time": "2025-12-31T23:00:00Z", "reason": "stale"},
        },
    },
}


def calls(**changes: Any) -> dict[str, Any]:
    """Return one receiver's answer to /calls."""
    nothing = {"accepted": 0, "refused": {}, "lastAccepted": None, "lastRefused": None, "keys": {}}
    return {"calls": {UID: {**nothing, **changes}}}


def refusals(*reasons: str, **changes: Any) -> dict[str, Any]:
    """Return one receiver's answer to /refusals, a refusal a second."""
    each = {"step": "authenticity", "where": None, "skew": None, **changes}
    return {"refusals": [{"time": NOW + i, "reason": reason, **each} for i, reason in enumerate(reasons)]}


def explained(heard: Heard) -> str:
    """Return the whole text."""
    return explanation(MANIFEST, heard, NOW)


# The table of advice --------------------------------------------------------------------------------------------------


def test_there_is_advice_for_every_reason_and_for_nothing_else() -> None:
    assert set(ADVICE) == {*map(str, Reason), *map(str, Refusal), *map(str, Undelivered)} == set(STEPS)


@pytest.mark.parametrize("reason", ADVICE)
def test_advice_says_what_happened_and_what_to_check(reason: str) -> None:
    advice = ADVICE[reason]
    texts = [each.format(name="push", namespace="team-a") for each in (advice.happened, *advice.check)]
    assert len(texts) >= 2
    assert [each for each in texts if not re.fullmatch(r"[A-Z][^{}]*[.]", each)] == []


def test_a_wrong_secret_and_an_altered_body_are_both_named() -> None:
    advice = ADVICE["wrong-credential"]
    assert re.search("wrong secret.*altered", advice.happened)


def test_commands_that_are_recommended_exist() -> None:
    from hookgate.cli.main import parser

    texts = [each for advice in ADVICE.values() for each in advice.check] + list(NEVER_CALLED)
    named = {command for each in texts for command in re.findall(r"`hookgate ([^`]*)`", each)}
    assert named
    for command in named:
        options = parser().parse_args(command.format(name="push", namespace="team-a").split())
        assert options.command == command.split()[0]


# What is shown --------------------------------------------------------------------------------------------------------


def test_each_refused_call_is_a_row_with_its_step_and_place() -> None:
    heard = of_receivers(
        UID,
        [calls(refused={"stale": 1}, lastRefused={"time": NOW, "reason": "stale"})],
        [refusals("stale", where="header X-Time", skew=-412.4)],
    )
    lines = explained(heard).splitlines()
    assert lines[0] == "team-a/push: 0 accepted, 1 refused, by 1 receiver since the start"
    assert lines[5:7] == [
        "TIME                  STEP          REASON  AT             CLOCK",
        "2026-01-01T00:00:00Z  authenticity  stale   header X-Time  412 s behind",
    ]
    assert "stale (1 of the last 1)" in lines


def test_several_receivers_are_one_story_in_the_order_of_time() -> None:
    told = [
        calls(accepted=2, lastAccepted=NOW, refused={"stale": 6}, lastRefused={"time": NOW, "reason": "stale"}),
        calls(refused={"stale": 6}, lastRefused={"time": NOW + 5, "reason": "inactive"}),
    ]
    heard = of_receivers(UID, told, [refusals(*["stale"] * 6), refusals(*["inactive"] * 6)])
    assert [each.reason for each in heard.refusals] == ["stale", "inactive"] * 5
    assert explained(heard).splitlines()[:3] == [
        "team-a/push: 2 accepted, 12 refused, by 2 receivers since the start",
        "last accepted: 2026-01-01T00:00:00Z",
        "last refused:  2026-01-01T00:00:05Z (inactive)",
    ]


def test_the_commonest_reason_is_spoken_of_first() -> None:
    text = explained(of_receivers(UID, [calls()], [refusals("stale", "inactive", "inactive")]))
    assert text.index("inactive (2 of the last 3)") < text.index("stale (1 of the last 3)")


def test_an_endpoint_that_nobody_called_gets_advice_too() -> None:
    text = explained(of_receivers(UID, [{"calls": {}}], [{"refusals": []}]))
    assert "no call has come in" in text
    assert "`hookgate url push -n team-a`" in text


def test_without_receivers_the_status_tells_the_last_reason() -> None:
    text = explained(of_status(MANIFEST))
    assert text.splitlines()[0] == "team-a/push: 5 accepted, 2 refused, as of 2026-01-01T00:00:00Z"
    assert "stale (the last one)" in text


def test_a_reason_of_a_newer_receiver_is_shown_all_the_same() -> None:
    text = explained(of_receivers(UID, [calls()], [refusals("brand-new")]))
    assert "brand-new (1 of the last 1)\n  This command does not know this reason" in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"time": "now"},
        {"reason": 1},
        {"reason": "\x1b[31mred"},
        {"where": "\x1b]0;title\x07"},
        {"step": None},
        {"skew": "x"},
    ],
)
def test_what_a_terminal_cannot_be_trusted_with_is_not_shown(wrong: dict[str, Any]) -> None:
    answer = refusals("stale")
    answer["refusals"][0].update(wrong)
    assert of_receivers(UID, [calls()], [answer]).refusals == ()


def test_an_endpoint_that_is_not_ready_says_so_first() -> None:
    condition = {"type": "Ready", "status": "False", "reason": "NoReceivers", "message": "No receiver is ready."}
    manifest = {**MANIFEST, "status": {"observedGeneration": 1, "conditions": [condition]}}
    assert "not Ready: team-a/push: No receiver is ready." in explanation(manifest, of_status(manifest), NOW)


def test_calls_that_came_again_are_told_apart_from_refused_ones() -> None:
    assert "no call has come in" not in explained(of_receivers(UID, [calls(repeated=1)], []))
    heard = of_receivers(UID, [calls(accepted=1, lastAccepted=NOW, repeated=2), calls(repeated=1)], [])
    assert "repeated:      3 that the target had taken before" in explained(heard)
    assert "1 accepted, 0 refused" in explained(heard)


def test_a_receiver_that_does_not_tell_of_repeated_calls_is_understood() -> None:
    assert "repeated" not in explained(of_receivers(UID, [calls(accepted=1), calls(repeated="many")], []))

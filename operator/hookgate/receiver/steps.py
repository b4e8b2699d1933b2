"""PURE: at which step of a call a reason belongs. The steps are those of the edge, in its order.

A reason is what receipts, metrics, journal and status tell: a refusal, the scheme's reason for one, or why the answer
of the target is missing. This module may not know calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from hookgate.receiver.respond import Refusal, Undelivered
from hookgate.scheme.request import CONFIGURATION_REASONS, Reason


class Step(StrEnum):
    """Where a call can end, in the order of the checks."""

    STATE = "state"
    ADDRESS = "address"
    REQUEST = "request"
    SIZE = "size"
    LOAD = "load"
    BODY = "body"
    CONFIGURATION = "configuration"
    AUTHENTICITY = "authenticity"
    REPLAY = "replay"
    RATE = "rate"
    TARGET = "target"
    RECEIVER = "receiver"


_REFUSALS: Final[Mapping[Refusal, Step]] = {
    Refusal.UNKNOWN_PATH: Step.STATE,
    Refusal.STARTING: Step.RECEIVER,
    Refusal.GONE: Step.STATE,
    Refusal.INACTIVE: Step.STATE,
    Refusal.UNUSABLE: Step.CONFIGURATION,
    Refusal.MALFORMED: Step.REQUEST,
    Refusal.WRONG_METHOD: Step.REQUEST,
    Refusal.TOO_LARGE: Step.SIZE,
    Refusal.TOO_SLOW: Step.BODY,
    Refusal.UNAUTHENTIC: Step.AUTHENTICITY,
    Refusal.FORBIDDEN: Step.AUTHENTICITY,
    Refusal.ADDRESS: Step.ADDRESS,
    Refusal.OVERLOAD: Step.LOAD,
    Refusal.BUSY: Step.LOAD,
    Refusal.RATE: Step.RATE,
    Refusal.TARGET_DOWN: Step.TARGET,
    Refusal.IN_FLIGHT: Step.REPLAY,
    Refusal.REPLAY_STORE: Step.REPLAY,
    Refusal.TARGET_FAILED: Step.TARGET,
    Refusal.CONFIRMATION_FAILED: Step.TARGET,
    Refusal.TARGET_TIMEOUT: Step.TARGET,
    Refusal.INTERNAL: Step.RECEIVER,
}
#: Every reason that there can be, and its step.
STEPS: Final[Mapping[str, Step]] = MappingProxyType(
    {
        **{refusal.value: step for refusal, step in _REFUSALS.items()},
        **{r.value: Step.CONFIGURATION if r in CONFIGURATION_REASONS else Step.AUTHENTICITY for r in Reason},
        **{failure.value: Step.TARGET for failure in Undelivered},
    }
)


def step_of(reason: str) -> Step:
    """Return the step of a reason. One that is not listed is a defect of ours, told as such."""
    return STEPS.get(reason, Step.RECEIVER)

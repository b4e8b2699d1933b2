"""How an endpoint wants repeated calls to be told and kept from its target. Values only.

`hookgate.scheme.replay` says what a call is recognised by; this module may not know schemes, calls or stores.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReplayMode(StrEnum):
    """By what a repeated call is recognised."""

    #: By what the signature covers, where it covers a timestamp or the delivery id; else not at all.
    AUTO = "Auto"
    #: As AUTO, and where the signature covers neither, by the delivery id: the sender's own repetitions.
    DELIVERY_ID = "DeliveryId"
    #: As AUTO, and where the signature covers neither, by everything that is signed.
    SIGNATURE = "Signature"
    #: Every authentic call is delivered. No "Off", which YAML takes for false.
    OFF = "Disabled"


class Protection(StrEnum):
    """What keeps somebody who overheard a call from having it delivered again, the strongest first."""

    SIGNED_TIMESTAMP = "SignedTimestamp"
    SIGNED_ID = "SignedId"
    SIGNED_CONTENT = "SignedContent"
    #: Repetitions of the sender are recognised; who repeats a call under another id is not.
    DELIVERY_ID = "DeliveryId"
    NONE = "None"

    @property
    def proves(self) -> bool:
        """Tell whether it rests on what the signature covers."""
        return self not in (Protection.DELIVERY_ID, Protection.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPolicy:
    """``window`` is in seconds. ``required``: rather no call than one that cannot be told from a repeated one."""

    mode: ReplayMode = ReplayMode.AUTO
    window: int = 86_400
    required: bool = False


#: What is in force for an endpoint that says nothing.
USUAL = ReplayPolicy()

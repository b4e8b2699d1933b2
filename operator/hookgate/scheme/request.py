"""What a verifier is given and what it answers: one request, one verdict, the machine reasons of a refusal.

These values know neither how a request arrived nor what becomes of it. Nothing in them prints a header's value, a body
or a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why a call was refused: for metrics, status and diagnosis, never for the sender."""

    MISSING_CREDENTIAL = "missing-credential"
    DUPLICATE_CREDENTIAL = "duplicate-credential"
    MALFORMED_CREDENTIAL = "malformed-credential"
    #: What is there does not begin as the scheme says: another version of it, or another scheme.
    WRONG_PREFIX = "wrong-prefix"
    WRONG_CREDENTIAL = "wrong-credential"
    #: The signature is right, its timestamp lies outside the tolerance.
    STALE = "stale"
    #: The token or message is genuine, but for or about somebody else: another issuer, audience, claim or topic.
    FOREIGN_TOKEN = "foreign-token"  # noqa: S105 -- a reason
    #: The body has not the shape that the signed message is built from (a form, a JSON document).
    UNREADABLE_BODY = "unreadable-body"
    #: No current key can be used: a fault of the configuration, not of the sender.
    NO_USABLE_KEY = "no-usable-key"
    #: The scheme signs something that was not declared, such as the public URL: again the configuration's fault.
    MISSING_CONTEXT = "missing-context"


#: Reasons that blame the endpoint's configuration: such a call is answered as unavailable, not as unauthenticated.
CONFIGURATION_REASONS = frozenset({Reason.NO_USABLE_KEY, Reason.MISSING_CONTEXT})


# One of each of these is made for every call. A frozen dataclass's own constructor takes two to twenty times as long as
# a plain one, so these write theirs, and leave it to the type checker that nothing is assigned later.


@dataclass(slots=True, kw_only=True, init=False, repr=False)
class Request:
    """One received call. Header names are lower-case; values, query (without ``?``) and body are as received."""

    method: Final[str]
    headers: Final[Sequence[tuple[bytes, bytes]]]
    query: Final[bytes]
    body: Final[bytes]

    def __init__(
        self, *, method: str, headers: Sequence[tuple[bytes, bytes]], query: bytes = b"", body: bytes = b""
    ) -> None:
        self.method, self.headers, self.query, self.body = method, headers, query, body

    def __repr__(self) -> str:
        return f"Request(method={self.method!r}, ...)"


@dataclass(slots=True, kw_only=True, init=False)
class Verdict:
    """The answer to one request. ``reason`` is None exactly when ``accepted``.

    ``key_id`` names the key that verified. ``delivery_id`` and ``event_type`` are what the scheme reads from the
    request, None where it reads nothing; whether a signature covers them tells `hookgate.scheme.verify.coverage`.
    ``skew`` is the signed timestamp minus now, in seconds, when the scheme has one and the signature matched.
    ``where`` names, for people, the header or member at which a refusal arose, as the descriptor does: never a value.
    ``signed`` is the message that the signature was verified over, None where nothing was signed.
    """

    accepted: Final[bool]
    reason: Final[Reason | None]
    key_id: Final[str | None]
    delivery_id: Final[str | None]
    event_type: Final[str | None]
    skew: Final[float | None]
    where: str | None = field(compare=False)
    signed: bytes | None = field(compare=False, repr=False)

    def __init__(  # noqa: PLR0913 -- as many as there are members
        self,
        *,
        accepted: bool,
        reason: Reason | None = None,
        key_id: str | None = None,
        delivery_id: str | None = None,
        event_type: str | None = None,
        skew: float | None = None,
        where: str | None = None,
        signed: bytes | None = None,
    ) -> None:
        self.accepted, self.reason, self.key_id = accepted, reason, key_id
        self.delivery_id, self.event_type, self.skew, self.where = delivery_id, event_type, skew, where
        self.signed = signed

"""What a verifier is given and what it answers: one request, one verdict, the machine reasons of a refusal.

These values know neither how a request arrived nor what becomes of it. Nothing in them prints a header's value, a body
or a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """Why a call was refused: for metrics, status and diagnosis, never for the sender."""

    MISSING_CREDENTIAL = "missing-credential"
    DUPLICATE_CREDENTIAL = "duplicate-credential"
    MALFORMED_CREDENTIAL = "malformed-credential"
    WRONG_CREDENTIAL = "wrong-credential"
    #: The signature is right, its timestamp lies outside the tolerance.
    STALE = "stale"
    #: The token is genuine, but made for or about somebody else: another issuer, audience or claim.
    FOREIGN_TOKEN = "foreign-token"  # noqa: S105 -- a reason
    #: The body has not the shape that the signed message is built from (a form, a JSON document).
    UNREADABLE_BODY = "unreadable-body"
    #: No current key can be used: a fault of the configuration, not of the sender.
    NO_USABLE_KEY = "no-usable-key"
    #: The scheme signs something that was not declared, such as the public URL: again the configuration's fault.
    MISSING_CONTEXT = "missing-context"


#: Reasons that blame the endpoint's configuration: such a call is answered as unavailable, not as unauthenticated.
CONFIGURATION_REASONS = frozenset({Reason.NO_USABLE_KEY, Reason.MISSING_CONTEXT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One received call. Header names are lower-case; values, query (without ``?``) and body are as received."""

    method: str
    headers: Sequence[tuple[bytes, bytes]] = field(repr=False)
    query: bytes = field(default=b"", repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to one request. ``reason`` is None exactly when ``accepted``.

    ``key_id`` names the key that verified. ``delivery_id`` and ``event_type`` are what the scheme reads from the
    request, None where it reads nothing; whether a signature covers them tells `hookgate.scheme.verify.coverage`.
    ``skew`` is the signed timestamp minus now, in seconds, when the scheme has one and the signature matched.
    ``where`` names, for people, the header or member at which a refusal arose, as the descriptor does: never a value.
    """

    accepted: bool
    reason: Reason | None = None
    key_id: str | None = None
    delivery_id: str | None = None
    event_type: str | None = None
    skew: float | None = None
    where: str | None = field(default=None, compare=False)

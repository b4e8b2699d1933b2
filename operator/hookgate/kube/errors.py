"""What can go wrong between the project and an API server, as two exceptions.

`ApiError` is an answer (or the absence of one) to a request; `ClusterConfigError` means that no request could even be
tried. Neither text ever holds a request or response body: server messages can quote the values of a Secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

UNREACHABLE = "Unreachable"
"""Reason of an `ApiError` with status 0: no answer arrived (connection, TLS, timeout, credentials file)."""

SILENT = "Silent"
"""Reason of an `ApiError` with status 0: a watch that the server had begun said nothing for its time."""

MALFORMED = "Malformed"
"""Reason of an `ApiError` with status 0: what arrived is nothing an API server says (a proxy's page, a torn line)."""

NOT_LEADER = "NotLeader"
"""Reason of an `ApiError` with status 0: the fence of this client forbids writing, so nothing was sent."""

_LONGEST_WAIT_S = 300.0
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


class ClusterConfigError(Exception):
    """No usable way to a cluster: the text names the file or variable and says what to do, never a credential."""


class ApiError(Exception):
    """A request that did not succeed.

    The text is verb, kind, namespace/name, status and reason, and nothing else. ``message`` is the server's own
    sentence: it can quote field values, Secrets included, so it never goes to a log, an Event or a status; code that
    knows what it asked for may look into it. ``fields`` are the paths of the fields that the server objected to.
    """

    def __init__(  # noqa: PLR0913 - the parts of an answer
        self,
        subject: str,
        *,
        status: int,
        reason: str,
        message: str = "",
        fields: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        """``subject`` is the verb, kind and name; ``status`` the HTTP status or 0; ``retry_after`` seconds."""
        super().__init__(f"{subject}: {status} {reason}" if status else f"{subject}: {reason}")
        self.status = status
        self.reason = reason
        self.message = message
        self.fields = fields
        self.retry_after = retry_after

    @property
    def unreachable(self) -> bool:
        """No usable answer: whether a write took effect is unknown."""
        return self.status == 0 and self.reason != NOT_LEADER

    @property
    def not_leader(self) -> bool:
        """Nothing was sent, because this process may not write now."""
        return self.status == 0 and self.reason == NOT_LEADER

    @property
    def not_found(self) -> bool:
        """The object, or the kind itself, does not exist."""
        return self.status == 404

    @property
    def forbidden(self) -> bool:
        """RBAC, admission or a terminating namespace refused."""
        return self.status == 403

    @property
    def already_exists(self) -> bool:
        """A create met an object of that name."""
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def conflict(self) -> bool:
        """A precondition (uid, resourceVersion) did not hold, or another field manager owns a field."""
        return self.status == 409 and not self.already_exists

    @property
    def invalid(self) -> bool:
        """The object was refused as such: the same request cannot succeed later."""
        return self.status in (400, 413, 415, 422)

    @property
    def gone(self) -> bool:
        """A resourceVersion or continue token is too old: list again."""
        return self.status == 410

    @property
    def transient(self) -> bool:
        """The same request may succeed later: no answer, throttled, or the server's fault."""
        return self.unreachable or self.status == 429 or self.status >= 500


def from_reply(subject: str, status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """Build the error for an answer with an error ``status``; header names in ``headers`` are in lower case."""
    return from_status(subject, status, parse_status(body), retry_after=headers.get("retry-after"))


def from_status(subject: str, status: int, document: Mapping[str, Any], retry_after: str | None = None) -> ApiError:
    """Build the error from a Kubernetes Status ``document``, as in an error body or in a watch's ERROR event."""
    reason = document.get("reason")
    if not isinstance(reason, str) or not _REASON.fullmatch(reason):
        reason = _phrase(status)
    details = document.get("details")
    details = details if isinstance(details, dict) else {}
    causes = [cause.get("field") for cause in details.get("causes") or () if isinstance(cause, dict)]
    message = document.get("message")
    return ApiError(
        subject,
        status=status,
        reason=reason,
        message=message if isinstance(message, str) else "",
        fields=tuple(field for field in causes if isinstance(field, str)),
        retry_after=_seconds(retry_after) or _seconds(details.get("retryAfterSeconds")),
    )


def parse_status(body: bytes) -> Mapping[str, Any]:
    """Return the Status object in ``body``, or an empty mapping: proxies answer with anything."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) and document.get("kind") == "Status" else {}


def _phrase(status: int) -> str:
    """The HTTP phrase of ``status`` as one CamelCase word."""
    try:
        return "".join(word.capitalize() for word in re.split(r"\W+", HTTPStatus(status).phrase))
    except ValueError:
        return "Unknown"


def _seconds(value: object) -> float | None:
    """A wait between 0 and five minutes, or None. The date form of Retry-After is not used by API servers."""
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return min(seconds, _LONGEST_WAIT_S) if seconds > 0 else None

"""How an error answer becomes an `ApiError`: reasons, waits, and the names of the outcomes."""

from __future__ import annotations

import json

import pytest

from hookgate.kube.errors import ApiError, from_reply


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (409, {"kind": "Status", "reason": "AlreadyExists"}, "AlreadyExists"),
        (502, "<html>secret</html>", "BadGateway"),
        (507, {"kind": "Status", "reason": "no word\nfor a log"}, "InsufficientStorage"),
        (599, "", "Unknown"),
    ],
)
def test_the_reason_is_the_servers_word_or_the_status_in_words(status: int, body: object, reason: str) -> None:
    """Only a CamelCase word is taken from the server: reasons go into logs and conditions."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    error = from_reply("get Secret ns/a", status, {}, raw)
    assert (error.status, error.reason) == (status, reason)


@pytest.mark.parametrize(
    ("headers", "details", "expected"),
    [
        ({"retry-after": "7"}, None, 7.0),
        ({}, {"retryAfterSeconds": 3}, 3.0),
        ({"retry-after": "99999"}, None, 300.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None, None),
        ({"retry-after": "-1"}, None, None),
        ({"retry-after": "nan"}, None, None),
        ({}, None, None),
    ],
)
def test_retry_after(headers: dict[str, str], details: object, expected: float | None) -> None:
    """Seconds from the header or the Status, at most five minutes, and nothing else."""
    body = json.dumps({"kind": "Status", "reason": "TooManyRequests", "details": details}).encode()
    assert from_reply("list Secret", 429, headers, body).retry_after == expected


def test_each_outcome_has_a_name() -> None:
    """A taken name is no conflict; only what may pass by itself is transient."""

    def kinds(status: int, reason: str) -> set[str]:
        error = ApiError("get Secret", status=status, reason=reason)
        names = ("unreachable", "not_leader", "not_found", "forbidden", "already_exists", "conflict", "gone", "invalid")
        return {name for name in (*names, "transient") if getattr(error, name)}

    assert kinds(409, "Conflict") == {"conflict"}
    assert kinds(409, "AlreadyExists") == {"already_exists"}
    assert kinds(404, "NotFound") == {"not_found"}
    assert kinds(403, "Forbidden") == {"forbidden"}
    assert kinds(410, "Expired") == {"gone"}
    assert kinds(422, "Invalid") == {"invalid"}
    assert kinds(429, "TooManyRequests") == {"transient"}
    assert kinds(500, "InternalError") == {"transient"}
    assert kinds(0, "Unreachable") == {"unreachable", "transient"}
    assert kinds(0, "NotLeader") == {"not_leader"}

"""PURE: from what receivers say about calls to what a status tells of them, and when that is worth a write.

A status is written for calls at most once in `INTERVAL`, and only when there were calls since: the time of the last
write stands in the status itself, so that a restart writes nothing. This module may not know how receivers are asked;
what they say is checked here like any other input.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from hookgate.control.status import rfc3339
from hookgate.control.values import CallReport, Object
from hookgate.model.binding import Key

#: How long an endpoint's status is left alone after calls were told in it, in seconds.
INTERVAL: Final = 300
#: The last use of a key is told no finer than this, in seconds.
_COARSE: Final = 3600
_REASON: Final = re.compile(r"[a-z][a-z-]{0,62}")
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_MOST_KEYS: Final = 16


def read_report(document: Any) -> CallReport | None:
    """Read one receiver's word about one endpoint; None if it is not what a receiver says."""
    try:
        refused, last, keys = document["refused"], document["lastRefused"], document["keys"]
        return CallReport(
            accepted=_count(document["accepted"]),
            refused=sum(_count(each) for each in refused.values()),
            last_accepted=_moment(document["lastAccepted"]),
            last_refused=_moment(last["time"]) if last is not None else None,
            reason=_reason(last["reason"]) if last is not None else "",
            keys={_key_id(key): int(used) for key, used in list(keys.items())[:_MOST_KEYS]},
        )
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def combined(reports: Iterable[CallReport]) -> CallReport | None:
    """Sum up what several receivers say about one endpoint; None where nobody says anything."""
    total: CallReport | None = None
    for report in reports:
        total = report if total is None else _joined(total, report)
    return total


def next_calls(before: Object | None, report: CallReport | None, now: float) -> Object | None:
    """Return ``status.calls`` as it is to be now: as it was, unless there is news and its time has come."""
    if report is None:
        return before
    known = before or {}
    told: dict[str, Any] = {"asOf": rfc3339(now), "accepted": report.accepted, "refused": report.refused}
    accepted = _later(known.get("lastAccepted"), report.last_accepted)
    if accepted:
        told["lastAccepted"] = accepted
    refused = _later((known.get("lastRefused") or {}).get("time"), report.last_refused)
    if refused:
        same = refused == (known.get("lastRefused") or {}).get("time")
        told["lastRefused"] = known["lastRefused"] if same else {"time": refused, "reason": report.reason}
    news = any(told.get(name) != known.get(name) for name in ("lastAccepted", "lastRefused"))
    return told if news and _ripe(known, now) else before


def next_keys(
    before: Sequence[Object], keys: Sequence[Key], report: CallReport | None, *, refresh: bool
) -> tuple[Object, ...]:
    """Return ``status.keys`` for the ``keys`` that verify now: nothing unless one way has an older one, too.

    The last use of a key that is told already changes only with a ``refresh``, for which the calls are told anew.
    """
    if len({key.option for key in keys}) == len(keys):
        return ()
    known = {each.get("id"): each for each in before}
    used = report.keys if report is not None else {}
    told = []
    for key in keys[:_MOST_KEYS]:
        shown: dict[str, Any] = {"id": key.id, "created": rfc3339(key.created)}
        if key.expires is not None:
            shown["expires"] = rfc3339(key.expires)
        last = (known.get(key.id) or {}).get("lastUsed")
        if (refresh or key.id not in known) and key.id in used:
            last = _later(last, used[key.id] // _COARSE * _COARSE)
        if last:
            shown["lastUsed"] = last
        told.append(shown)
    return tuple(told)


def due(manifest: Object, report: CallReport, now: float) -> bool:
    """Tell whether an endpoint's status would tell more of calls than it does."""
    before = (manifest.get("status") or {}).get("calls")
    return next_calls(before, report, now) is not before


def _joined(one: CallReport, other: CallReport) -> CallReport:
    last = max((one, other), key=lambda each: each.last_refused or 0.0)
    accepted = [moment for moment in (one.last_accepted, other.last_accepted) if moment is not None]
    uses = [*one.keys.items(), *other.keys.items()]
    return replace(
        last,
        accepted=one.accepted + other.accepted,
        refused=one.refused + other.refused,
        last_accepted=max(accepted, default=None),
        keys={key: max(used for each, used in uses if each == key) for key, _ in uses},
    )


def _later(before: str | None, moment: float | None) -> str | None:
    """Return the later of two times as text; texts of this form sort as the times do."""
    now = rfc3339(moment) if moment is not None else ""
    return max(before or "", now) or None


def _ripe(calls: Object, now: float) -> bool:
    try:
        since = now - datetime.fromisoformat(str(calls.get("asOf"))).timestamp()
    except ValueError:
        return True
    return not 0 <= since < INTERVAL


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        raise ValueError("not a count")
    return value


def _moment(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or not 0 <= value < 1 << 33:
        raise ValueError("not a time in unix seconds")
    return float(value)


def _reason(value: Any) -> str:
    if not isinstance(value, str) or not _REASON.fullmatch(value):
        raise ValueError("not a reason")
    return value


def _key_id(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("not a key's id")
    return value

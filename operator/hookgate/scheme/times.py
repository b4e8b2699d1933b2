"""Timestamps as senders write them: strict readers and the writers beside them.

A reader answers unix seconds or None and never raises. The text itself is what gets signed; these functions serve the
window only, so a laxer reading could let one signed text mean two moments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from hookgate.scheme.descriptor import Notation

_RFC3339 = re.compile(rb"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)")
_IMF_FIXDATE = re.compile(rb"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _unix(raw: bytes) -> float | None:
    return float(raw) if raw.isdigit() and len(raw) <= 11 else None


def _unix_ms(raw: bytes) -> float | None:
    return int(raw) / 1000 if raw.isdigit() and len(raw) <= 14 else None


def _rfc3339(raw: bytes) -> float | None:
    """Read RFC 3339, section 5.6, upper case, up to nanoseconds (Twitch sends them)."""
    match = _RFC3339.fullmatch(raw)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(group) for group in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    zone = match[8]
    offset = 0 if zone == b"Z" else int(zone[:1] + b"1") * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
    return moment + float(match[7] or b"0") - offset


def _imf_fixdate(raw: bytes) -> float | None:
    """Read RFC 9110, section 5.6.7: fixed width, English names, the right day of the week, GMT."""
    match = _IMF_FIXDATE.fullmatch(raw)
    if match is None or match[2].decode() not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[group]) for group in (1, 3, 4, 5, 6))
    try:
        moment = datetime(year, _MONTHS.index(match[2].decode()) + 1, day, hour, minute, second, tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return moment if _write_imf(moment).encode() == raw else None


def _write_imf(now: float) -> str:
    # Not strftime: its names follow the locale.
    moment = datetime.fromtimestamp(now, UTC)
    date = f"{moment.day:02} {_MONTHS[moment.month - 1]} {moment.year:04}"
    return f"{_DAYS[moment.weekday()]}, {date} {moment.hour:02}:{moment.minute:02}:{moment.second:02} GMT"


READERS: Final[Mapping[Notation, Callable[[bytes], float | None]]] = {
    Notation.UNIX: _unix,
    Notation.UNIX_MS: _unix_ms,
    Notation.RFC3339: _rfc3339,
    Notation.IMF_FIXDATE: _imf_fixdate,
}
WRITERS: Final[Mapping[Notation, Callable[[float], str]]] = {
    Notation.UNIX: lambda now: str(int(now)),
    Notation.UNIX_MS: lambda now: str(int(now * 1000)),
    Notation.RFC3339: lambda now: f"{datetime.fromtimestamp(int(now), UTC):%Y-%m-%dT%H:%M:%SZ}",
    Notation.IMF_FIXDATE: _write_imf,
}

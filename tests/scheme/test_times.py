"""Timestamps: one spelling each, read exactly."""

from __future__ import annotations

import pytest

from hookgate.scheme.descriptor import Notation
from hookgate.scheme.times import READERS, WRITERS


@pytest.mark.parametrize(
    ("notation", "raw", "moment"),
    [
        (Notation.UNIX, b"0", 0.0),
        (Notation.UNIX, b"1700000000", 1_700_000_000.0),
        (Notation.UNIX_MS, b"1700000000123", 1_700_000_000.123),
        (Notation.RFC3339, b"2023-11-14T22:13:20Z", 1_700_000_000.0),
        (Notation.RFC3339, b"2023-11-14T22:13:20.634234626Z", 1_700_000_000.634234626),
        (Notation.RFC3339, b"2023-11-14T14:13:20-08:00", 1_700_000_000.0),
        (Notation.RFC3339, b"2023-11-15T03:43:20+05:30", 1_700_000_000.0),
        (Notation.IMF_FIXDATE, b"Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_000.0),
    ],
)
def test_a_timestamp_is_read_exactly(notation: Notation, raw: bytes, moment: float) -> None:
    assert READERS[notation](raw) == pytest.approx(moment, abs=1e-6)


@pytest.mark.parametrize(
    ("notation", "raw"),
    [
        *((Notation.UNIX, raw) for raw in (b"", b"-1", b"+1", b"1.0", b"1_0", b" 1", b"1 ", b"1e9", b"NaN", b"9" * 12)),
        *((Notation.UNIX, raw) for raw in (b"\xd9\xa1\xd9\xa2", b"0x10", b"1\n")),
        *((Notation.UNIX_MS, raw) for raw in (b"", b"1700000000123.5", b"9" * 15)),
        *(
            (Notation.RFC3339, raw)
            for raw in (b"2023-11-14 22:13:20Z", b"2023-11-14T22:13:20", b"2023-11-14t22:13:20z")
        ),
        *(
            (Notation.RFC3339, raw)
            for raw in (b"2023-02-30T22:13:20Z", b"2023-11-14T24:00:00Z", b"0000-01-01T00:00:00Z")
        ),
        *((Notation.RFC3339, raw) for raw in (b"2023-11-14T22:13:20+24:00", b"2023-11-14T22:13:20.Z", b"2023-11-14")),
        *((Notation.IMF_FIXDATE, raw) for raw in (b"Wed, 14 Nov 2023 22:13:20 GMT", b"Tue, 14 Nov 2023 22:13:20 UTC")),
        *((Notation.IMF_FIXDATE, raw) for raw in (b"Tue, 14 Foo 2023 22:13:20 GMT", b"Tue, 31 Feb 2023 22:13:20 GMT")),
    ],
)
def test_another_spelling_is_not_a_timestamp(notation: Notation, raw: bytes) -> None:
    assert READERS[notation](raw) is None


def test_writers_use_the_spelling_that_readers_take() -> None:
    assert [WRITERS[n](1_700_000_000.5) for n in Notation] == [
        "1700000000",
        "1700000000500",
        "2023-11-14T22:13:20Z",
        "Tue, 14 Nov 2023 22:13:20 GMT",
    ]

"""Strict YAML: what it reads, and that every other text is an InvalidDocument with lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookgate.config.document import InvalidDocument, read_documents


def errors_in(text: str) -> tuple[str, ...]:
    """Return what is wrong with a text that is refused."""
    with pytest.raises(InvalidDocument) as caught:
        read_documents(text)
    return caught.value.errors


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("", []),
        ("# only a comment\n", []),
        ("---\n---\na: 1\n---\n", [{"a": 1}]),
        ("a: 1\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("\ufeffa: 1", [{"a": 1}]),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", [{"a": {"b": 1}, "c": {"b": 1, "d": 2}}]),
    ],
)
def test_documents_are_read(text: str, documents: list[Any]) -> None:
    """Empty documents are left out."""
    assert read_documents(text) == documents


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-05", "2026-11-05"),
        ("2026-11-05T10:00:00Z", "2026-11-05T10:00:00Z"),
        ("1:30", "1:30"),
        ("1:30:45.5", "1:30:45.5"),
        ("17", 17),
        ("0x11", 17),
        ("1.5", 1.5),
        ("yes", True),
        ("~", None),
        ("2026-11", "2026-11"),
    ],
)
def test_plain_values_are_what_an_api_server_reads(text: str, value: Any) -> None:
    """Dates and times of day are text; numbers and booleans are not."""
    assert read_documents(f"a: {text}") == [{"a": value}]


def test_a_key_twice_is_refused_wherever_it_is() -> None:
    """All repeated keys are told, each with its line."""
    assert errors_in("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n---\nd: {e: 1, e: 1}\n") == (
        "line 5: the key 'a' stands twice; keep one",
        "line 4: the key 'c' stands twice; keep one",
        "line 7: the key 'e' stands twice; keep one",
    )


def test_a_merged_key_that_is_overridden_is_refused() -> None:
    """An API server refuses it too."""
    assert errors_in("a: &x {b: 1}\nc:\n  <<: *x\n  b: 2\n") == ("line 4: the key 'b' stands twice; keep one",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [", "line 2: "),
        ("a: 1\n\tb: 2", "line 2: "),
        ("a: 1\nb: *nowhere", "line 2: "),
        ("a: 1\nb: !!python/object:os.system x", "line 2: "),
        ("a: 1\n? [b]\n: 2", "line 2: "),
        ("a: 1\nb: !!bool perhaps", "line "),
        ("a: !!int ''", "line "),
        ("a: !!timestamp never", "line "),
        ("a: " + "9" * 5_000, "line "),
        ("a: " + "[" * 5_000, "line "),
        ("a: \x00", "position 3: "),
    ],
    ids=range(11),
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, line: str) -> None:
    """Syntax errors, unknown tags and unreadable numbers have one error each."""
    (error,) = errors_in(text)
    assert error.startswith(line)


@given(st.text() | st.text(alphabet="a:-[]{}&*!|>%@`'\"\n ,?#<0.~t"))
@settings(max_examples=500, deadline=None)
def test_every_text_is_documents_or_invalid(text: str) -> None:
    """No text can crash whoever reads it."""
    try:
        told: Sequence[Any] = read_documents(text) or ["no document"]
    except InvalidDocument as error:
        told = error.errors
    assert len(told) > 0

"""The small languages, where they give more than yes and no."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookgate.model import grammar
from hookgate.model.grammar import HttpUrl, duration_ms, split_url


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("0s", 0), ("1ms", 1), ("99ms", 99), ("10s", 10_000), ("2m", 120_000), ("720h", 2_592_000_000)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, milliseconds: int) -> None:
    """Units are ms, s, m and h."""
    assert duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "0", "s", "-1s", "+1s", "1.5s", "1h30m", "01s", "1 s", "1S", "1us", "\u0661s", "1s\n"]
)
def test_everything_else_is_no_duration(text: str) -> None:
    """Signs, fractions, sums, spaces and foreign digits are refused."""
    assert duration_ms(text) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://a.example", ("https", "a.example", 443, "/")),
        ("http://a.example?b", ("http", "a.example", 80, "/")),
        ("http://a.example:443/b?c", ("http", "a.example", 443, "/b")),
        ("https://127.0.0.1:8443/b/", ("https", "127.0.0.1", 8443, "/b/")),
    ],
)
def test_a_url_has_parts_that_compare(text: str, parts: tuple[str, str, int, str]) -> None:
    """The port is always told, the path never empty, the query left out."""
    scheme, host, port, path = parts
    assert split_url(text) == HttpUrl(scheme=scheme, host=host, port=port, path=path)


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example@b.example/",
        "https://a.example\\@b.example/",
        "https://a.example/../b",
        "https://a.example/%2e%2e/b",
        "https://A.example/",
        "//a.example/",
        "https://a.example/\n",
        "https://0x7f000001/",
        "https://[::1]/",
    ],
)
def test_a_url_that_two_readers_could_take_apart_differently_is_none(text: str) -> None:
    """Whatever is not the grammar has no parts."""
    assert split_url(text) is None


ALL = [x for x in vars(grammar).values() if isinstance(x, grammar.Grammar)]


@given(text=st.text(max_size=80) | st.text(alphabet="a-./:0\n%?", max_size=80), rule=st.sampled_from(ALL))
def test_a_grammar_answers_every_text_without_repeating_it(text: str, rule: grammar.Grammar) -> None:
    """The answer is None or one of the grammar's own sentences."""
    sentences = [None, f"write at most {rule.longest} characters", *(message for _, message in rule.checks)]
    assert rule.fault(text) in sentences


@pytest.mark.parametrize("rule", ALL, ids=range(len(ALL)))
@pytest.mark.parametrize("unit", ["a", "a.", "a-", "/", "a/", "http://a", "1"])
def test_a_long_text_costs_nothing(unit: str, rule: grammar.Grammar) -> None:
    """The length is judged before any pattern sees the text."""
    assert rule.fault(unit * 100_000) == f"write at most {rule.longest} characters"


@given(st.text(alphabet="abc123.-", min_size=1, max_size=20))
def test_a_host_never_carries_anything_but_a_name(text: str) -> None:
    """Labels are not empty and do not begin or end with a hyphen."""
    labels = text.split(".")
    well_formed = all(label and not label.startswith("-") and not label.endswith("-") for label in labels)
    assert (grammar.HOST.fault(text) is None) == well_formed

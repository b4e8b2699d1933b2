"""Bounded readers of JSON documents and form fields, for the places that a descriptor names.

The bytes may come from anybody, before anything is verified. Both readers are strict, bounded in size and in number of
items, and never raise: what cannot be read is None, and a name that occurs twice is told apart from both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

#: A longer body is not parsed: what a descriptor reads from bodies belongs to small documents.
MAX_PARSED_BYTES: Final = 1_048_576
MAX_CONTAINERS: Final = 20_000
MAX_FIELDS: Final = 1_000
MAX_MATCHES: Final = 1_000

#: Stands where a document has a member twice: readers disagree about which one counts.
AMBIGUOUS: Final = object()


class Number(str):
    """A JSON number as it is written, since the written form is what senders sign."""

    __slots__ = ()


def read_json(body: bytes) -> Any | None:
    """Parse a UTF-8 JSON document (RFC 8259); None when it is none or beyond the bounds.

    Numbers keep their text as `Number`; a member that occurs twice has the value `AMBIGUOUS`.
    """
    if len(body) > MAX_PARSED_BYTES or body.count(b"{") + body.count(b"[") > MAX_CONTAINERS:
        return None
    try:
        text = body.decode("utf-8")
        return json.loads(
            text, object_pairs_hook=_members, parse_int=Number, parse_float=Number, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                members[name] = AMBIGUOUS
            seen.add(name)
    return members


def _no_constant(_name: str) -> None:
    raise ValueError("not JSON")


def at_path(document: Any, path: tuple[str, ...]) -> list[Any]:
    """Return the values at a path: none where it does not exist, several only through ``*``."""
    values = [document]
    for step in path:
        following: list[Any] = []
        for value in values:
            following.extend(_step(value, step))
            if len(following) > MAX_MATCHES:
                return [AMBIGUOUS]
        values = following
    return values


def _step(value: Any, step: str) -> list[Any]:
    if value is AMBIGUOUS:
        return [AMBIGUOUS]
    if isinstance(value, list):
        if step == "*":
            return value
        # An element that is asked for and missing differs from no element at all: ``*`` must find its rest everywhere.
        return [value[int(step)]] if step.isdecimal() and len(step) < 6 and int(step) < len(value) else [None]
    if isinstance(value, Mapping):
        return [value.get(step)]
    return [None]


def read_form(raw: bytes) -> dict[bytes, list[bytes]] | None:
    """Parse ``application/x-www-form-urlencoded`` bytes, decoded; None beyond the bounds.

    Every value of a name is kept, in order: what a second one means is the caller's rule.
    """
    if len(raw) > MAX_PARSED_BYTES or raw.count(b"&") >= MAX_FIELDS:
        return None
    fields: dict[bytes, list[bytes]] = {}
    for pair in raw.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            fields.setdefault(_decoded(name), []).append(_decoded(value))
    return fields


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))

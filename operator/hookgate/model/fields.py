"""Reading a document member by member, collecting every error instead of stopping at the first.

This module may not know what the members mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from hookgate.model.endpoint import FieldError
from hookgate.model.grammar import Grammar, Span, duration_ms

_E = TypeVar("_E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Fields:
    """One mapping of a document, the path to it, and the list that collects errors.

    Every reader keeps its promised type even after an error, so that reading can go on. A null is the same as nothing,
    as it is for an API server. No error repeats a value.
    """

    value: Any
    path: str
    errors: list[FieldError]

    def refuse(self, name: str, message: str) -> None:
        """Add an error at the member ``name``, or at the mapping itself for ""."""
        where = ".".join(part for part in (self.path, name) if part)
        self.errors.append(FieldError(field=where, message=message))

    def has(self, name: str) -> bool:
        """Tell whether the member is there and not null."""
        return isinstance(self.value, Mapping) and self.value.get(name) is not None

    def get(self, name: str, kind: type | tuple[type, ...], called: str, *, required: bool = False) -> Any:
        """Return the member if it is of ``kind``; else None, after an error where that is wrong."""
        if not self.has(name):
            if required:
                self.refuse(name, "add this field; it is required")
            return None
        value = self.value[name]
        if isinstance(value, kind) and not isinstance(value, bool):
            return value
        self.refuse(name, f"write {called}")
        return None

    def child(self, name: str, *, required: bool = False) -> Fields:
        """Return the mapping under ``name``; an empty one if it is missing or none, below which nothing is demanded."""
        value = self.get(name, Mapping, "a mapping", required=required)
        return self._below(name, value)

    def glance(self, name: str) -> Fields:
        """Return what `child` does, without any error: for a second look."""
        return Fields(self.value, self.path, []).child(name)

    def is_mapping(self, name: str) -> bool:
        """Tell whether there is a mapping under ``name``, so that more can be said about it."""
        return self.has(name) and isinstance(self.value[name], Mapping)

    def children(self, name: str, *, most: int, least: int = 0) -> list[Fields]:
        """Return the mappings listed under ``name``."""
        found = []
        for i, item in enumerate(self._items(name, least, most)):
            if not isinstance(item, Mapping):
                self.refuse(f"{name}[{i}]", "write a mapping")
            else:
                found.append(self._below(f"{name}[{i}]", item))
        return found

    def each(self, name: str, read: Callable[[Fields, str], Any], *, least: int, most: int) -> list[Any]:
        """Return what ``read`` makes of each item listed under ``name``; it is given the item as a member."""
        found = []
        for i, item in enumerate(self._items(name, least, most)):
            if item is None:
                self.refuse(f"{name}[{i}]", "write something; nothing is no item")
            else:
                found.append(read(Fields({f"{name}[{i}]": item}, self.path, self.errors), f"{name}[{i}]"))
        return found

    def text(self, name: str, grammar: Grammar | None = None, *, default: str = "", required: bool = False) -> str:
        """Return the string under ``name``."""
        value = self.get(name, str, "a string", required=required)
        if value is None:
            return default
        fault = grammar.fault(value) if grammar else None
        if fault:
            self.refuse(name, fault)
        return str(value)

    def optional_text(self, name: str, grammar: Grammar | None = None) -> str | None:
        """Return the string under ``name``, or None if there is none."""
        return self.text(name, grammar) if self.has(name) else None

    def texts(self, name: str) -> Mapping[str, str]:
        """Return the mapping of strings to strings under ``name``, empty if there is none."""
        value = self.get(name, Mapping, "a mapping") or {}
        if any(not isinstance(x, str) for pair in value.items() for x in pair):
            self.refuse(name, "write strings only; put quotes around numbers and booleans")
            return MappingProxyType({})
        return MappingProxyType(dict(value))

    def number(self, name: str, default: int, *, required: bool = False, low: int = 0, high: int = 2**63 - 1) -> int:
        """Return the whole number under ``name``. 8080.0 is one too: JSON has a single kind of number."""
        value = self.get(name, (int, float), "a whole number", required=required)
        if value is None:
            return default
        if isinstance(value, float) and not value.is_integer():
            self.refuse(name, "write a whole number")
        elif not low <= value <= high:
            self.refuse(name, f"write a number from {low} to {high}")
        else:
            return int(value)
        return default

    def flag(self, name: str) -> bool:
        """Return the boolean under ``name``; false after an error."""
        value = self.value[name] if self.has(name) else False
        if not isinstance(value, bool):
            self.refuse(name, "write true or false")
            return False
        return value

    def duration(self, name: str, span: Span) -> int:
        """Return the duration under ``name`` in milliseconds, the span's default if there is none."""
        text = self.get(name, str, "a string")
        if text is None:
            return span.default
        value = duration_ms(text)
        if value is not None and span.low <= value <= span.high:
            return value
        self.refuse(name, span.message)
        return span.default

    def choice(self, name: str, kind: type[_E], default: _E | None = None) -> _E | None:
        """Return one of the members of ``kind``; the default if there is none (without one it is required).

        None only after an error.
        """
        value = self.get(name, str, "a string", required=default is None)
        if value is None:
            return default
        found = {member.value: member for member in kind}.get(value)
        if found is None:
            self.refuse(name, f"write one of {', '.join(member.value for member in kind)}")
        return found

    def _items(self, name: str, least: int, most: int) -> list[Any]:
        items = self.get(name, (list, tuple), "a list")
        if items is None:
            return []
        if len(items) > most:
            self.refuse(name, f"list at most {most}")
            return []
        if len(items) < least:
            self.refuse(name, f"list at least {least}")
        return list(items)

    def _below(self, name: str, value: Any) -> Fields:
        errors = [] if value is None else self.errors
        return Fields(value or {}, f"{self.path}.{name}".lstrip("."), errors)

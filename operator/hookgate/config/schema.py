"""Checking a document against a JSON Schema, with errors that name the field and say what to do.

No error repeats a value: manifests are pasted by hand, and what lands in the wrong field may be a secret.
This module may not know any particular document.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from hookgate.model.endpoint import FieldError

_DEEPEST = 32
_MOST_NODES = 100_000
_MOST_FAULTS = 100
_LONGEST_NAME = 64


def plain_faults(value: Any) -> list[FieldError]:
    """Return why ``value`` is not a JSON document of bearable size, one error for each place.

    YAML knows more than JSON: dates, sets, keys that are no strings, and aliases that build documents without end.
    """
    budget = iter(range(_MOST_NODES))
    found = list(islice(_plain(value, "", 0, budget), _MOST_FAULTS))
    if next(budget, None) is None:
        found.append(FieldError(field="", message=f"more than {_MOST_NODES} values; make it smaller"))
    return found


def faults(schema: Mapping[str, Any], value: Any) -> list[FieldError]:
    """Return everything in ``value``, a plain document, that ``schema`` refuses, in the order of the fields."""
    found = Draft202012Validator(schema).iter_errors(value)
    return [fault for error in sorted(found, key=_place) for fault in _explain(error)]


def path_of(parts: Iterable[str | int]) -> str:
    """Write the way to a member as it is written in messages: ``hosts[0].name``."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part[:_LONGEST_NAME]}"
    return path.removeprefix(".")


def _place(error: ValidationError) -> list[str]:
    return [f"{part:08}" if isinstance(part, int) else part for part in error.absolute_path]


def _plain(value: Any, path: str, depth: int, budget: Iterator[int]) -> Iterator[FieldError]:
    if next(budget, None) is None:
        return
    if depth > _DEEPEST:
        yield FieldError(field=path, message=f"nested more than {_DEEPEST} levels deep; make it flat")
    elif isinstance(value, dict):
        for key, member in value.items():
            if isinstance(key, str) and not _is_broken(key):
                yield from _plain(member, f"{path}.{key[:_LONGEST_NAME]}".lstrip("."), depth + 1, budget)
            else:
                yield FieldError(field=path, message="a key is no string; put quotes around it")
    elif isinstance(value, list):
        for i, member in enumerate(value):
            yield from _plain(member, f"{path}[{i}]", depth + 1, budget)
    elif isinstance(value, str):
        if _is_broken(value):
            yield FieldError(field=path, message="half of a surrogate pair is no text; write the whole character")
    elif isinstance(value, float) and not math.isfinite(value):
        yield FieldError(field=path, message="not a number that JSON knows; write a finite one")
    elif value is not None and not isinstance(value, (bool, int, float)):
        yield FieldError(field=path, message=f"a {type(value).__name__} is no JSON value; put quotes around it")


def _is_broken(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def _explain(error: ValidationError) -> Iterator[FieldError]:
    where = list(error.absolute_path)
    schema: Any = error.schema
    expected: Any = error.validator_value
    instance: Any = error.instance
    if error.validator == "required":
        # The library reports each missing member on its own, but names it in its message only.
        missing = next(name for name in expected if error.message.startswith(f"{name!r} "))
        yield FieldError(field=path_of([*where, missing]), message="add this field; it is required")
    elif error.validator == "additionalProperties" and expected is False:
        known = schema.get("properties", {})
        for name in instance:
            if name not in known:
                yield FieldError(field=path_of([*where, name]), message=_unknown(known))
    else:
        describe = _MESSAGES.get(str(error.validator), lambda _: "write what the schema describes")
        message = schema.get("x-message") or describe(expected)
        yield FieldError(field=path_of(where), message=message)


def _unknown(known: Mapping[str, Any]) -> str:
    return f"remove this field, or correct its name: there are {', '.join(known)}" if known else "remove this field"


_NAMED = MappingProxyType(
    {
        "object": "a mapping",
        "array": "a list",
        "string": "a string (put quotes around it if it looks like something else)",
        "integer": "a whole number",
        "boolean": "true or false",
    }
)

_MESSAGES: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "type": lambda kind: f"write {_NAMED.get(kind, kind)}",
        "enum": lambda values: f"write one of {', '.join(map(str, values))}",
        "const": lambda value: f"write {value}",
        "minimum": lambda bound: f"write a number of at least {bound}",
        "maximum": lambda bound: f"write a number of at most {bound}",
        "minLength": lambda _: "write something; it must not be empty",
        "maxLength": lambda bound: f"write at most {bound} characters",
        "minItems": lambda bound: f"list at least {bound}",
        "maxItems": lambda bound: f"list at most {bound}",
        "maxProperties": lambda bound: f"give at most {bound}",
        "uniqueItems": lambda _: "list each only once",
    }
)

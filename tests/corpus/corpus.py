"""Reads endpoints.yaml, whose head says what a case is."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One manifest and the judgement on it. ``text`` is how it is written, as JSON unless ``is_yaml``."""

    name: str
    valid: bool
    field: str
    text: str
    is_yaml: bool


def cases() -> list[Case]:
    """Returns the corpus."""
    corpus = yaml.load(Path(__file__).with_name("endpoints.yaml").read_text("utf-8"), _Loader)
    return [_case(corpus["base"], raw) for raw in corpus["cases"]]


def _case(base: Any, raw: dict[str, Any]) -> Case:
    left = raw.keys() - {"name", "valid", "field", "set", "remove", "object", "yaml"}
    assert not left, f"{raw['name']}: {left}"
    assert raw["valid"] != ("field" in raw), raw["name"]
    text = raw.get("yaml") or json.dumps(_object(base, raw))
    return Case(name=raw["name"], valid=raw["valid"], field=raw.get("field", ""), text=text, is_yaml="yaml" in raw)


def _object(base: Any, raw: dict[str, Any]) -> Any:
    made = copy.deepcopy(raw.get("object", base))
    for path, value in raw.get("set", {}).items():
        holder, name = _holder(made, path)
        holder[name] = copy.deepcopy(value)
    for path in raw.get("remove", ()):
        holder, name = _holder(made, path)
        del holder[name]
    return made


def _holder(made: Any, path: str) -> tuple[Any, str]:
    *way, name = re.split(r"\.", path)
    for step in way:
        made = made[step]
    return made, name


class _Loader(yaml.SafeLoader):
    """Knows ``!repeat [text, times, text behind, text before]``."""


def _repeat(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> str:
    text, times, behind, before = [*loader.construct_sequence(node), "", ""][:4]
    return f"{before}{text * times}{behind}"


_Loader.add_constructor("!repeat", _repeat)

"""Reading YAML strictly: no key twice, no silent dates, every syntax error with its line.

A key that stands twice is the classic way to review one value and run another. Plain dates stay text, as they do
in an API server's YAML. This module may not know what a document means.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml


class InvalidDocument(ValueError):  # noqa: N818 -- what it is, not what went wrong in here
    """Text that is no YAML, or ambiguous YAML. ``errors`` is never empty; each begins with its line."""

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


def read_documents(text: str) -> list[Any]:
    """Return the YAML documents of ``text``, empty ones left out. Raises `InvalidDocument` with every error found.

    Line numbers count from 1. The texts repeat keys but never values.
    """
    try:
        loader = _StrictLoader(text)
    except yaml.reader.ReaderError as error:
        raise InvalidDocument(f"position {error.position}: a character that YAML does not allow; remove it") from None
    documents = []
    try:
        while loader.check_node():
            documents.append(loader.construct_document(loader.get_node()))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        loader.errors.append(f"line {mark.line + 1 if mark else '?'}: {error.problem or 'no YAML'}")
    except RecursionError:
        loader.errors.append("line ?: nested too deeply; make it flat")
    except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError):
        # PyYAML lets the errors of its converters through, such as KeyError for "!!bool perhaps".
        loader.errors.append(f"line {loader.line + 1}: a value that its type cannot hold; put quotes around it")
    finally:
        loader.dispose()
    if loader.errors:
        raise InvalidDocument(*loader.errors)
    return [document for document in documents if document is not None]


class _StrictLoader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.errors: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        # Merge keys (<<) are resolved first: an API server refuses a merged key that is overridden, too.
        self.flatten_mapping(node)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    line = key.start_mark.line + 1
                    self.errors.append(f"line {line}: the key {key.value[:64]!r} stands twice; keep one")
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _without_clocks(tag: str, pattern: re.Pattern[str]) -> tuple[str, re.Pattern[str]]:
    return tag, re.compile(rf"(?!.*:)(?:{pattern.pattern})", re.VERBOSE)


# YAML 1.1 turns 2026-11-05 into a date and 1:30 into ninety; in manifests both are text.
_StrictLoader.yaml_implicit_resolvers = {
    first: [
        _without_clocks(tag, pattern) if tag.endswith((":int", ":float")) else (tag, pattern)
        for tag, pattern in resolvers
        if not tag.endswith(":timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

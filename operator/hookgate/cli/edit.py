"""Changing ``spec.state`` in a manifest file and nothing else: no comment, no line ending, no other document.

The place is found by the YAML parser's own marks, one piece of text is exchanged, and the result is read again: only
if it differs from before in that one member is it written. It may not know why the state changes.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from hookgate.cli.exits import Exit, Stop
from hookgate.config.document import InvalidDocument, read_documents
from hookgate.control.cluster import Request
from hookgate.model.endpoint import KIND

#: Where an object stands: the number of its document and, within a List, of its item.
_Spot = tuple[int, int | None]


class CannotEdit(Exception):  # noqa: N818 -- what it says
    """The change cannot be made without touching anything else; the text says why."""


def planned(path: Path, request: Request, state: str) -> Callable[[], None]:
    """Return what writes the change. Raises `Stop` with the change to make by hand where it cannot be made safely."""
    try:
        before = path.read_bytes()
        after = changed(before.decode("utf-8"), request, state).encode()
        if not os.access(path, os.W_OK) or not os.access(path.resolve().parent, os.W_OK):
            raise CannotEdit("the file cannot be written")
    except (OSError, UnicodeDecodeError, CannotEdit) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8" if isinstance(error, ValueError) else error
        raise Stop(
            Exit.NOT_CHANGED,
            f"{path}: not changed ({why}); change it by hand, in the {KIND} {request}:\n\nspec:\n  state: {state}",
        ) from None

    def write() -> None:
        if path.read_bytes() != before:
            raise Stop(Exit.NOT_CHANGED, f"{path}: changed in the meantime; try again")
        if after != before:
            _replace(path.resolve(), after)

    return write


def changed(text: str, request: Request, state: str) -> str:
    """Return ``text`` with another ``spec.state`` for one endpoint. Raises `CannotEdit`."""
    try:
        documents = read_documents(text)
        spot = _find(documents, request)
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise CannotEdit("it uses YAML aliases")
        result = _exchanged(text, _spec_node(text, spot), state)
        wanted = copy.deepcopy(documents)
        _object_at(wanted, spot)["spec"]["state"] = state
        if read_documents(result) != wanted:
            raise CannotEdit("its layout is unusual")
    except (InvalidDocument, yaml.YAMLError):
        raise CannotEdit("it is not in order") from None
    return result


def _find(documents: list[Any], request: Request) -> _Spot:
    """Return where the endpoint stands, which must be one place."""
    spots = [spot for spot, each in _objects(documents) if _is(each, request)]
    if len(spots) != 1:
        raise CannotEdit("the endpoint stands there twice" if spots else "the endpoint does not stand there any more")
    return spots[0]


def _objects(documents: list[Any]) -> Iterator[tuple[_Spot, Any]]:
    for i, document in enumerate(documents):
        items = document.get("items") if isinstance(document, dict) and document.get("kind") == "List" else None
        if isinstance(items, list):
            yield from (((i, k), item) for k, item in enumerate(items))
        else:
            yield (i, None), document


def _is(document: Any, request: Request) -> bool:
    if not isinstance(document, dict) or document.get("kind") != KIND:
        return False
    meta = document.get("metadata")
    return (
        isinstance(meta, dict)
        and isinstance(document.get("spec"), dict)
        and meta.get("name") == request.name
        and (meta.get("namespace") or "default") == request.namespace
    )


def _object_at(documents: list[Any], spot: _Spot) -> Any:
    document = documents[spot[0]]
    return document if spot[1] is None else document["items"][spot[1]]


def _spec_node(text: str, spot: _Spot) -> yaml.MappingNode:
    roots = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if not _is_null(node)]
    node = roots[spot[0]]
    if spot[1] is not None:
        items = _member(node, "items")
        assert isinstance(items, yaml.SequenceNode), "the spot was found in a list"
        node = items.value[spot[1]]
    spec = _member(node, "spec")
    assert isinstance(spec, yaml.MappingNode), "the spot has a spec"
    return spec


def _is_null(node: yaml.Node | None) -> bool:
    return node is None or node.tag == "tag:yaml.org,2002:null"


def _member(node: yaml.Node, name: str) -> yaml.Node | None:
    assert isinstance(node, yaml.MappingNode), "only mappings are asked for members"
    return next((value for key, value in node.value if key.value == name), None)


def _exchanged(text: str, spec: yaml.MappingNode, state: str) -> str:
    found = _member(spec, "state")
    if isinstance(found, yaml.ScalarNode):
        quote = found.style if found.style in ("'", '"') else ""
        return text[: found.start_mark.index] + f"{quote}{state}{quote}" + text[found.end_mark.index :]
    if found is not None or not spec.value:
        raise CannotEdit("its layout is unusual")
    first = spec.value[0][0]
    if spec.flow_style:
        quote = first.style if first.style in ("'", '"') else ""
        at = first.start_mark.index
        return f"{text[:at]}{quote}state{quote}: {quote}{state}{quote}, {text[at:]}"
    at = first.start_mark.index - first.start_mark.column
    newline = "\r\n" if "\r\n" in text else "\n"
    return f"{text[:at]}{' ' * first.start_mark.column}state: {state}{newline}{text[at:]}"


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.hookgate")
    try:
        draft.write_bytes(content)
        draft.chmod(path.stat().st_mode & 0o7777)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise Stop(Exit.NOT_CHANGED, f"{path}: not changed ({error.strerror})") from None

"""Reading what a descriptor declares from a request, and nothing else: bounded, strict, never raising.

A place is compiled into a reader once. Reading answers the bytes, None for what is absent, or the reason to refuse:
a value that occurs twice is never chosen from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from hookgate.scheme.body import AMBIGUOUS, at_path, read_form, read_json
from hookgate.scheme.descriptor import Origin, Place
from hookgate.scheme.request import Reason, Request

_UNREAD: Final = object()
#: Names and types beyond this length are not passed on.
MAX_NOTE: Final = 256

CONTENT_TYPE: Final = b"content-type"
_FORM_TYPE: Final = b"application/x-www-form-urlencoded"


class Declared:
    """The headers that one descriptor reads: each may stand in a request once."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: set[bytes] = set()

    def of(self, header: str) -> bytes:
        """Declare a header; its name as requests have it."""
        name = header.lower().encode()
        self._names.add(name)
        return name

    @property
    def names(self) -> tuple[str, ...]:
        """The lower-case names of all of them."""
        return tuple(name.decode() for name in self._names)

    def find(self, headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
        """Return a request's headers by name; None when a declared one occurs twice, since choosing would be a guess.

        All of them, as making a dictionary of a whole list costs less than looking for some of its items.
        """
        found = dict(headers)
        if len(found) < len(headers) and self._repeat(headers):
            return None
        return found

    def _repeat(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        read = [name for name, _ in headers if name in self._names]
        return len(set(read)) < len(read)


class Inputs:
    """One request and its headers by name. Body and query are parsed at most once, when something asks."""

    __slots__ = ("_form", "_json", "_query", "body", "found", "request")

    def __init__(self, request: Request, found: dict[bytes, bytes]) -> None:
        self.request = request
        self.body = request.body
        self.found = found
        self._json: Any = _UNREAD
        self._form: Any = _UNREAD
        self._query: Any = _UNREAD

    def json(self) -> Any | None:
        """Return the body's JSON document, None if it is none."""
        if self._json is _UNREAD:
            self._json = read_json(self.request.body)
        return self._json

    def form(self) -> dict[bytes, list[bytes]] | None:
        """Return the body's form fields, None if it is no form or says that it is something else."""
        if self._form is _UNREAD:
            claimed = self.found.get(CONTENT_TYPE)
            is_form = claimed is None or claimed.partition(b";")[0].strip().lower() == _FORM_TYPE
            self._form = read_form(self.request.body) if is_form else None
        return self._form  # type: ignore[no-any-return]

    def query(self) -> dict[bytes, list[bytes]] | None:
        """Return the query's fields, None beyond the bounds."""
        if self._query is _UNREAD:
            self._query = read_form(self.request.query)
        return self._query  # type: ignore[no-any-return]


Reader = Callable[[Inputs], bytes | Reason | None]


def compile_reader(place: Place, declared: Declared) -> Reader:
    """Return the reader of a place in headers, body or query. Several headers and list items are read elsewhere."""
    match place.origin:
        case Origin.HEADER:
            header = declared.of(place.name)
            return lambda inputs: inputs.found.get(header)
        case Origin.JSON:
            path = tuple(place.name.split("."))
            return lambda inputs: _json_text(inputs.json(), path)
        case Origin.FORM:
            declared.of("content-type")
            name = place.name.encode()
            return lambda inputs: _single(inputs.form(), name)
        case Origin.QUERY:
            name = place.name.encode()
            return lambda inputs: _single(inputs.query(), name)
        case _:
            raise AssertionError(f"{place.origin} is not read by itself")


def compile_note(place: Place | None, declared: Declared) -> Callable[[Inputs], str | None]:
    """Return the reader of a delivery id or an event type: None where it is absent, too long or not printable text."""
    if place is None:
        return lambda _inputs: None
    read = compile_reader(place, declared)

    def note(inputs: Inputs) -> str | None:
        value = read(inputs)
        return as_note(value) if isinstance(value, bytes) else None

    return note


def as_note(value: bytes) -> str | None:
    """Return a value as the text that is passed on; None where it is empty, too long or not printable."""
    if len(value) > MAX_NOTE:
        return None
    text = value.decode("utf-8", "replace")
    return text if text and text.isprintable() and "\N{REPLACEMENT CHARACTER}" not in text else None


def _json_text(document: Any, path: tuple[str, ...]) -> bytes | Reason | None:
    if document is None:
        return Reason.UNREADABLE_BODY
    values = at_path(document, path)
    if all(value is None for value in values):
        return None
    if any(value is AMBIGUOUS for value in values):
        return Reason.DUPLICATE_CREDENTIAL
    if not all(isinstance(value, str) for value in values):
        return Reason.MALFORMED_CREDENTIAL
    if len(set(values)) > 1:
        return Reason.DUPLICATE_CREDENTIAL
    try:
        return str(values[0]).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate, written as an escape
        return Reason.MALFORMED_CREDENTIAL


def _single(fields: dict[bytes, list[bytes]] | None, name: bytes) -> bytes | Reason | None:
    if fields is None:
        return Reason.UNREADABLE_BODY
    values = fields.get(name)
    if values is None:
        return None
    return values[0] if len(values) == 1 else Reason.DUPLICATE_CREDENTIAL

"""Documents of one scheme or of several, of which each is enough: for the time in which a sender changes its scheme.

    type: anyOf
    options: [DOCUMENT, DOCUMENT]       two to four documents of single schemes

A key belongs to one option, by its position: what proves one scheme must not be tried under another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hookgate.scheme.descriptor import InvalidDescriptor, Origin, SchemeType
from hookgate.scheme.grammar import parse

ANY_OF: Final = "anyOf"
MAX_OPTIONS: Final = 4


def ways(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the documents of single schemes in a document. Raises `InvalidDescriptor` for a shape that is neither."""
    if document.get("type") != ANY_OF:
        return (document,)
    options = document.get("options")
    if document.keys() != {"type", "options"} or not isinstance(options, list | tuple):
        raise InvalidDescriptor("options", "type anyOf has a list of options and nothing else")
    if not 0 < len(options) <= MAX_OPTIONS:
        raise InvalidDescriptor("options", f"must be a list of 1 to {MAX_OPTIONS} documents")
    for option in options:
        if not isinstance(option, Mapping) or option.get("type") in (ANY_OF, "none"):
            raise InvalidDescriptor("options", "an option is a document that authenticates somebody by itself")
    return tuple(options)


def is_jwt(document: Mapping[str, Any]) -> bool:
    """Tell whether `hookgate.scheme.jwt` reads this document of a single scheme, not `hookgate.scheme.grammar`."""
    return document.get("type") == SchemeType.JWT.value


def credential_in_query(document: Mapping[str, Any]) -> bool:
    """Tell whether a sender's secret itself may stand in the query. A signature there is no secret."""
    return any(_in_query(way) for way in ways(document))


def _in_query(document: Mapping[str, Any]) -> bool:
    if is_jwt(document):
        return False
    descriptor = parse(document)
    return not descriptor.signs and descriptor.source is not None and descriptor.source.origin is Origin.QUERY

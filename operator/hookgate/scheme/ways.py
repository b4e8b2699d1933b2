"""Documents of one scheme or of several, of which each is enough: for the time in which a sender changes its scheme.

    type: anyOf
    options: [DOCUMENT, DOCUMENT]       two to four documents of single schemes

A key belongs to one option, by its position: what proves one scheme must not be tried under another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hookgate.model.binding import Key
from hookgate.scheme.descriptor import InvalidDescriptor, Origin, SchemeType, SuccessResponse
from hookgate.scheme.grammar import parse, read_common

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


def success_responses(document: Mapping[str, Any], keys: Sequence[Key]) -> Mapping[str | None, SuccessResponse]:
    """Return what senders want to hear once a call was taken, by the id of the key that verified it.

    None stands for a call that no key verified, which type none has. Empty where the target's own answer will do.
    """
    found = [read_common(way, SchemeType(way["type"]))["success"] for way in ways(document)]
    if len(found) == 1:
        return {} if found[0] is None else dict.fromkeys((None, *(key.id for key in keys)), found[0])
    return {key.id: found[key.option] for key in keys if found[key.option] is not None}


def _in_query(document: Mapping[str, Any]) -> bool:
    if is_jwt(document):
        return False
    descriptor = parse(document)
    return not descriptor.signs and descriptor.source is not None and descriptor.source.origin is Origin.QUERY

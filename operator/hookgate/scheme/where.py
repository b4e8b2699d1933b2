"""Where in a request a refusal arose, in the descriptor's own words: names of headers and members, never a value.

For the owner of an endpoint, who has to find out what a sender does differently. The texts are made once, from what the
descriptor declares; nothing of a request gets into them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from hookgate.scheme.descriptor import Descriptor, Origin, PartKind, Place
from hookgate.scheme.request import Reason, Verdict

_LONGEST: Final = 200
_PARTS: Final = {
    PartKind.HEADER: Origin.HEADER,
    PartKind.JSON: Origin.JSON,
    PartKind.JSON_OR_EMPTY: Origin.JSON,
    PartKind.FORM: Origin.FORM,
}


@lru_cache(maxsize=256)  # most endpoints share their places with many others
def refusals(where: str | None) -> Mapping[Reason, Verdict]:
    """Return the refused verdict of every reason, each saying where it arose."""
    return MappingProxyType({reason: Verdict(accepted=False, reason=reason, where=where) for reason in Reason})


def place_text(place: Place | None, source: Place | None) -> str | None:
    """Name a place. ``source`` is where the credential stands, which may hold the timestamp, too."""
    if place is None:
        return None
    match place.origin:
        case Origin.HEADER:
            return _short(f"header {place.name}")
        case Origin.ANY_HEADER:
            return _short("header " + " or ".join(place.headers))
        case Origin.NUMBERED:
            return _short(f"headers {place.name}1, {place.name}2, ...")
        case Origin.JSON:
            return _short(f"JSON member {place.name}")
        case Origin.FORM:
            return _short(f"form field {place.name}")
        case Origin.QUERY:
            return _short(f"query parameter {place.name}")
        case Origin.KV | Origin.INDEX:
            return place_text(source, None)


def message_text(descriptor: Descriptor) -> str | None:
    """Name the places that the signed message is built from, apart from body, method, URL and timestamp."""
    places = [Place(origin=_PARTS[p.kind], name=p.text) for p in descriptor.message if p.kind in _PARTS]
    texts = [text for place in places if (text := place_text(place, None)) is not None]
    if descriptor.has(PartKind.SORTED_FORM):
        texts.append("the form in the body")
    return _short(" or ".join(dict.fromkeys(texts))) if texts else None


def headers_text(names: Iterable[str]) -> str | None:
    """Name the headers of which one may stand only once."""
    told = sorted(names)
    return _short("header " + " or ".join(told)) if told else None


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."

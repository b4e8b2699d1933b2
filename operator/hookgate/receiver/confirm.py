"""A subscription that a sender wants to be confirmed: the one call that a receiver makes beside deliveries.

Only where an endpoint asks for it and the platform allows it, only after the call that brings the question has been
verified, and only to a place that follows from what the endpoint itself names: nothing that was sent chooses where the
receiver connects to. It may not know how bytes travel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hookgate.model.binding import Key
from hookgate.receiver.forward import Headers, Target, parse_target
from hookgate.scheme.grammar import parse
from hookgate.scheme.sns import confirmation, host_of
from hookgate.scheme.ways import is_jwt, ways

FORM: Final[Headers] = ((b"content-type", b"application/x-www-form-urlencoded"), (b"user-agent", b"hookgate"))
_TIMEOUT_MS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to post where. The body holds a token and does not print."""

    target: Target
    body: bytes = field(repr=False)


#: Takes an authentic body and the id of the key that verified it; None: it asks for nothing.
Confirm = Callable[[bytes, str | None], Question | None]


def compile_confirmation(document: Mapping[str, Any], keys: Sequence[Key]) -> Confirm | None:
    """Return what finds the question in an authentic body, None where the endpoint wants nothing to be confirmed.

    Raises `hookgate.scheme.verify.InvalidDescriptor`. The places are made here, before any call.
    """
    topics: dict[str | None, frozenset[str]] = {}
    found = ways(document)
    for option, way in enumerate(found):
        rule = None if is_jwt(way) else parse(way).sns
        if rule is not None and rule.confirm:
            topics |= {key.id: rule.topics for key in keys if len(found) == 1 or key.option == option}
    if not topics:
        return None
    hosts = {host_of(topic) for each in topics.values() for topic in each}
    places = {host: parse_target(f"https://{host}/", _TIMEOUT_MS) for host in hosts}

    def find(body: bytes, key_id: str | None) -> Question | None:
        asked = confirmation(body, topics.get(key_id, frozenset()))
        return None if asked is None else Question(target=places[asked.host], body=asked.form)

    return find

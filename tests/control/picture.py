"""A world as text: every object in it, decoded, with random values masked by order of appearance.

Two worlds that differ in nothing but their random values have the same picture.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from hookgate.control.objects import secret_data
from hookgate.model import binding as contract
from tests.control.world import World

#: What is random or the server's to choose, by the name that stands for it.
_RANDOM = re.compile(
    r"(?P<uid>00000000-0000-4000-8000-[0-9]{12})"
    r"|\b(?:(?P<hex64>[0-9a-f]{64})|(?P<hex32>[0-9a-f]{32})|(?P<hex16>[0-9a-f]{16})|(?P<path>[a-z2-7]{32}))\b"
    r"|(?P<whsec>whsec_[A-Za-z0-9+/]{43}=)"
)
_SERVED = ("uid", "resourceVersion", "creationTimestamp", "managedFields")


def objects(world: World) -> list[dict[str, Any]]:
    """Return the objects of a world, apart from Services, with their data decoded."""
    shown = [_shown(obj) for obj in world.of_kind("HTTPRoute", "Ingress", "Secret", "WebhookEndpoint")]
    found: list[dict[str, Any]] = json.loads(json.dumps(shown))  # plain and unshared
    return found


def picture(world: World) -> str:
    """Return a world as text, to compare it with another one's."""
    return masked(json.dumps(objects(world), sort_keys=True, indent=1))


def masked(text: str) -> str:
    """Return ``text`` with random values replaced by their kind and a number, equal ones by the same."""
    seen: dict[str, str] = {}
    counts: dict[str, int] = {}

    def name(match: re.Match[str]) -> str:
        value, kind = match[0], str(match.lastgroup)
        if value not in seen:
            counts[kind] = counts.get(kind, 0) + 1
            seen[value] = f"{kind}-{counts[kind]}"
        return seen[value]

    return _RANDOM.sub(name, text)


def _shown(obj: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVED}
    shown = {**obj, "metadata": metadata}
    if obj["kind"] != "Secret":
        return shown
    data: dict[str, Any] = {key: value.decode("latin-1") for key, value in secret_data(obj).items()}
    if contract.DATA_KEY in data:
        data[contract.DATA_KEY] = _decoded(data[contract.DATA_KEY])
    return {**shown, "data": data}


def _decoded(raw: str) -> Any:
    try:
        document = json.loads(raw)
        document.pop("edition", None)  # how often it was changed is a matter of the way, not of the end
        for key in (*document["keys"], *document.get("forwardKeys", ())):
            key["value"] = base64.b64decode(key["value"]).decode("latin-1")
    except (ValueError, KeyError, TypeError):
        return raw
    return document

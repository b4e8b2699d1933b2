"""What there is of one team's endpoints, as text without random values and times: runs that ended alike look alike."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any

_RANDOM = re.compile(
    r"(?P<uid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|\b(?:(?P<hex64>[0-9a-f]{64})|(?P<hex32>[0-9a-f]{32})|(?P<hex16>[0-9a-f]{16})|(?P<path>[a-z2-7]{32}))\b"
    r"|(?P<whsec>whsec_[A-Za-z0-9+/]{43}=)"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"
    r"|(?<=\"created\": )(?P<created>\d+)|(?<=\"expires\": )(?P<expires>\d+)"
)
_SERVED = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "deletionTimestamp")


def picture(objects: Iterable[dict[str, Any]], team: str) -> str:
    """Return the objects as text, ordered by kind and name, with equal random values masked by equal words."""
    shown = sorted((_shown(obj) for obj in objects), key=_place)
    return masked(json.dumps(shown, sort_keys=True, indent=1).replace(team, "TEAM"))


def masked(text: str) -> str:
    """Return ``text`` with what is random or a time replaced by its kind and, where it names something, a number."""
    seen: dict[str, str] = {}
    counts: dict[str, int] = {}

    def name(match: re.Match[str]) -> str:
        value, kind = match[0], str(match.lastgroup)
        if kind in ("time", "created", "expires"):
            return f'"{kind}"' if kind != "time" else kind
        if value not in seen:
            counts[kind] = counts.get(kind, 0) + 1
            seen[value] = f"{kind}-{counts[kind]}"
        return seen[value]

    return _RANDOM.sub(name, text)


def difference(one: str, other: str) -> str:
    """Return the lines by which two pictures differ, at most a few."""
    import difflib

    lines = list(difflib.unified_diff(one.splitlines(), other.splitlines(), lineterm="", n=0))
    return "; ".join(line.strip() for line in lines[2:14])


def _place(obj: dict[str, Any]) -> tuple[str, str, str]:
    """Where an object stands in the picture, whatever its random name is."""
    metadata = obj["metadata"]
    role = (metadata.get("labels") or {}).get("hookgate.dev/role", "")
    return obj["kind"], role, masked(metadata["name"])


def _shown(obj: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVED}
    shown = {**obj, "metadata": metadata}
    if obj["kind"] == "Secret":
        shown["data"] = {k: base64.b64decode(v).decode("latin-1") for k, v in (obj.get("data") or {}).items()}
        if "binding" in shown["data"]:
            shown["data"]["binding"] = _decoded(shown["data"]["binding"])
    if obj["kind"] == "WebhookEndpoint":
        order = {c["type"]: c for c in (obj.get("status") or {}).get("conditions") or ()}
        shown["status"] = {**(obj.get("status") or {}), "conditions": order}
    return shown


def _decoded(raw: str) -> Any:
    try:
        document = json.loads(raw)
        document.pop("edition", None)  # how often it was changed is a matter of the way, not of the end
        for key in (*document["keys"], *document.get("forwardKeys", ())):
            key["value"] = base64.b64decode(key["value"]).decode("latin-1")
    except (ValueError, KeyError, TypeError):
        return raw
    return document

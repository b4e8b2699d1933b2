"""PURE: which other objects an endpoint names, read defensively, since its spec may be invalid.

Used before and outside of parsing: to know what to observe for an endpoint, and whom to wake when a Secret or Service
changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hookgate.control.values import Object
from hookgate.model.endpoint import default_secret_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of the connection Secret, of the Secrets that are referred to, and of the target Service."""

    connection: str
    referenced: frozenset[str]
    service: str | None


def names_of(manifest: Object) -> Names:
    """Return what an endpoint names; members of a wrong type count as not given."""
    spec = _mapping(manifest.get("spec"))
    auth = _mapping(spec.get("auth"))
    secrets = [_mapping(_mapping(way).get("secret")) for way in (auth, *_list(auth.get("anyOf")))]
    refs = [ref for secret in secrets for ref in (secret.get("ref"), *_list(secret.get("previousRefs")))]
    connection = _text(spec.get("secretName")) or default_secret_name(str(manifest["metadata"]["name"]))
    return Names(
        connection=connection,
        referenced=frozenset(name for ref in refs if (name := _text(_mapping(ref).get("name")))),
        service=_text(_mapping(_mapping(spec.get("target")).get("service")).get("name")),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

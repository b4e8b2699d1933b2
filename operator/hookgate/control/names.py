"""PURE: which other objects an endpoint names, read defensively, since its spec may be invalid.

Used before and outside of parsing: to know what to observe for an endpoint, and whom to wake when a Secret or Service
changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hookgate.control.values import Object
from hookgate.model import grammar
from hookgate.model.endpoint import KeySet, default_secret_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of the connection Secret, of the Secrets that are referred to, of the target Service, of key sets."""

    connection: str
    referenced: frozenset[str]
    service: str | None
    key_sets: frozenset[KeySet] = frozenset()


def names_of(manifest: Object) -> Names:
    """Return what an endpoint names; members of a wrong type count as not given."""
    spec = _mapping(manifest.get("spec"))
    auth = _mapping(spec.get("auth"))
    ways = [_mapping(way) for way in (auth, *_list(auth.get("anyOf")))]
    secrets = [_mapping(way.get("secret")) for way in ways]
    refs = [ref for secret in secrets for ref in (secret.get("ref"), *_list(secret.get("previousRefs")))]
    target = _mapping(spec.get("target"))
    refs.append(target.get("ca"))
    connection = _text(spec.get("secretName")) or default_secret_name(str(manifest["metadata"]["name"]))
    return Names(
        connection=connection,
        referenced=frozenset(name for ref in refs if (name := _text(_mapping(ref).get("name")))),
        service=_text(_mapping(target.get("service")).get("name")),
        key_sets=frozenset(found for way in ways if (found := _key_set(way)) is not None),
    )


def _key_set(way: dict[str, Any]) -> KeySet | None:
    """Return the key set that one way needs to have fetched; only what is an https URL is a name of one."""
    jwt = _mapping(way.get("jwt"))
    issuer, url = _text(jwt.get("issuer")), _text(_mapping(jwt.get("jwks")).get("url"))
    if way.get("type") != "jwt" or issuer is None or _mapping(way.get("secret")).get("ref") is not None:
        return None
    if any(each is not None and grammar.ISSUER.fault(each) is not None for each in (issuer, url)):
        return None
    return KeySet(issuer=issuer, url=url)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

"""PURE: what an endpoint and its Secrets tell a command: URL, secret, readiness.

No exception text repeats a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookgate.cli.exits import Exit, Stop
from hookgate.control.keys import told_key, value_in
from hookgate.control.objects import owned_by, secret_data, uid_of
from hookgate.model.endpoint import InvalidSpec, SecretKeyRef, WebhookEndpoint
from hookgate.model.parse import parse_endpoint
from hookgate.model.sensitive import Sensitive

Object = Mapping[str, Any]


def parsed(manifest: Object) -> WebhookEndpoint:
    """Return the endpoint. Raises `Stop`."""
    try:
        return parse_endpoint(manifest)
    except InvalidSpec as error:
        raise Stop(Exit.REFUSED, f"{named(manifest)}: {error}") from None


def named(manifest: Object) -> str:
    """Return namespace and name as they stand in messages."""
    return f"{manifest['metadata'].get('namespace') or 'default'}/{manifest['metadata']['name']}"


def url_of(manifest: Object, connection: Object | None) -> str:
    """Return the URL from the status, or, where that does not tell it, from the connection Secret. Raises `Stop`."""
    url = (manifest.get("status") or {}).get("url")
    if not url and connection is not None and owned_by(connection, uid_of(manifest)):
        url = secret_data(connection).get("url", b"").decode("utf-8", "replace")
    if not url:
        raise Stop(
            Exit.REFUSED,
            f"{named(manifest)}: has no URL; it is made at the first activation: hookgate activate "
            f"{manifest['metadata']['name']}",
        )
    return str(url)


def secret_place(manifest: Object) -> SecretKeyRef:
    """Return which Secret and key hold the endpoint's current secret; of several ways, that of the first."""
    endpoint = parsed(manifest)
    first = endpoint.spec.auth.ways[0]
    return first.secret.ref or SecretKeyRef(name=endpoint.spec.secret_name, key=told_key(first.type))


def secret_value(manifest: Object, holder: Object | None) -> Sensitive:
    """Return the endpoint's secret from the Secret that holds it. Raises `Stop`."""
    place = secret_place(manifest)
    kind = parsed(manifest).spec.auth.ways[0].type
    value = value_in(secret_data(holder), place.key, kind) if holder is not None else None
    if not value:
        raise Stop(Exit.REFUSED, f"{named(manifest)}: Secret {place.name} has no key {place.key}; see `hookgate get`")
    return Sensitive(stripped(value))


def stripped(value: bytes) -> bytes:
    """Return a secret without the one newline that editors leave."""
    return value[:-2] if value.endswith(b"\r\n") else value.removesuffix(b"\n")

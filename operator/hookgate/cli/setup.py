"""PURE: what to enter where, so that a sender known by name calls an endpoint and is believed."""

from __future__ import annotations

from typing import Any

from hookgate.scheme.descriptor import Descriptor, Origin, PartKind, SchemeType
from hookgate.scheme.grammar import parse
from hookgate.scheme.presets import Preset

#: A topic as its owner writes it.
_TOPIC = "arn:aws:sns:REGION:ACCOUNT:TOPIC"


def declared(preset: Preset) -> dict[str, Any]:
    """Return ``spec.auth`` of an endpoint for this sender, with what its owner has to fill in in capitals."""
    auth: dict[str, Any] = {"type": preset.type, "provider": preset.name}
    if parse(preset.scheme).has(PartKind.SNS_LINES):
        auth[preset.type] = {"sns": {"topics": [_TOPIC]}}
    if preset.issued:
        auth["secret"] = {"ref": {"name": "SECRET", "key": "KEY"}}
    return auth


def steps(preset: Preset) -> list[str]:
    """Return what is to be done, in its order."""
    descriptor = parse(preset.scheme)
    told = [_key(descriptor)] if preset.issued else []
    told.append(f"At the sender: {preset.where or 'where it asks for the URL of a webhook'}.")
    told.append("URL: what `hookgate url NAME` prints (status.url), whole and unchanged.")
    if preset.form:
        told.append(_generated(descriptor))
    if any(rule.verify_token is not None for rule in descriptor.handshake):
        told.append("Verify token: the key verify-token of the connection Secret.")
    if descriptor.needs_url:
        told.append("The sender signs the URL that it calls: enter exactly the one above, without a query of your own.")
    return told


def _key(descriptor: Descriptor) -> str:
    kind = "public key or certificate" if descriptor.type is SchemeType.SIGNATURE else "secret"
    return (
        f"Copy the sender's {kind} into a Secret of the endpoint's namespace, labelled hookgate.dev/webhook: "
        '"true", and name it in auth.secret.ref. If it comes only with the webhook, make the endpoint first: its URL '
        "is there before the key is."
    )


def _generated(descriptor: Descriptor) -> str:
    source = "what `hookgate secret NAME` prints (the connection Secret)"
    if descriptor.type is not SchemeType.TOKEN or descriptor.source is None:
        return f"Secret: {source}."
    if descriptor.source.origin is Origin.QUERY:
        return f"Token: append ?{descriptor.source.name}= and {source} to the URL."
    if descriptor.source.origin is Origin.HEADER:
        prefix = f'"{descriptor.prefix}" and ' if descriptor.prefix else ""
        return f"Token, as header {descriptor.source.name}: {prefix}{source}."
    return f"Token, which comes back in {descriptor.source.name}: {source}."

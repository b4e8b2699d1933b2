"""Small builders that the tests of schemes share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hookgate.model.binding import Key
from hookgate.model.sensitive import Sensitive
from hookgate.scheme.presets import Preset, Presets
from hookgate.scheme.request import Request, Verdict
from hookgate.scheme.verify import compile_verifier


def key(value: bytes, name: str = "k1", expires: int | None = None) -> Key:
    return Key(id=name, value=Sensitive(value), created=0, expires=expires)


def preset(name: str) -> Preset:
    found = Presets.builtin().get(name)
    assert found is not None, name
    return found


#: What an endpoint has to say beside the name of its provider.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    name: {"sns": {"topics": ["arn:aws:sns:eu-west-1:123456789012:orders"]}} for name in ("aws-sns", "aws-sns-v1")
}


def scheme(name: str) -> dict[str, Any]:
    """The document that an endpoint of that provider comes to, with what only its owner knows."""
    return {**preset(name).scheme, **SETTINGS.get(name, {})}


def wire(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Header names as a receiver sees them: lower-case bytes."""
    return [(name.lower().encode(), value.encode()) for name, value in headers]


def judge(
    document: Mapping[str, Any],
    headers: Iterable[tuple[str, str]] | Mapping[str, str] = (),
    *keys: Key,
    body: bytes = b"",
    query: bytes = b"",
    now: float = 1_700_000_000.0,
    url: str | None = "https://hooks.example.com/h/abcdefghijklmnopqrstuvwxyz234567",
    method: str = "POST",
) -> Verdict:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    request = Request(method=method, headers=wire(pairs), query=query, body=body)
    return compile_verifier(document, keys, url=url)(request, now)

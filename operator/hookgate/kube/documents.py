"""Objects as the bytes of a request: JSON, and JSON that YAML parsers take too. It may not know what they mean."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hookgate.kube.resources import Resource

#: A backslash that stands for itself, or (as the group) a character as the escapes of its two surrogates.
_PAIR = re.compile(rb"\\\\|(\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})")


def body(resource: Resource, obj: Mapping[str, Any]) -> bytes:
    """``obj`` as JSON, with its type, and without managedFields, which apply refuses and nobody else may set."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    typed = {"apiVersion": resource.api_version, "kind": resource.kind, **obj, "metadata": metadata}
    return json.dumps(typed).encode()


def as_yaml(document: bytes) -> bytes:
    """Make a JSON object one that YAML parsers take, and read quickly.

    They know no escapes in two halves, as of emojis. To them the first brace may begin a key as long as its line goes
    on, and they keep all that they read up to there.
    """
    plain = _PAIR.sub(lambda found: json.loads(f'"{found[1].decode()}"').encode() if found[1] else found[0], document)
    return b"{\n" + plain[1:]

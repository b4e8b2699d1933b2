"""Secrets as senders expect them: made from entropy that the caller brings, and checked before they are used.

The form belongs to the scheme: a sender that decodes base64 cannot take hexadecimal. Randomness is the caller's.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from hookgate.scheme.descriptor import Descriptor, KeyForm, SchemeType
from hookgate.scheme.grammar import parse
from hookgate.scheme.jwt import check_key_set
from hookgate.scheme.keys import Unusable, secret_bytes
from hookgate.scheme.ways import is_jwt

ENTROPY_BYTES: Final = 32

#: Every form a secret can be generated in. The text is what the sender's settings page takes.
FORMS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "hex32": lambda entropy: entropy.hex().encode(),
    "hex16": lambda entropy: entropy[:16].hex().encode(),
    "base64-32": base64.b64encode,
    "whsec-32": lambda entropy: b"whsec_" + base64.b64encode(entropy),
    "basic-hex32": lambda entropy: b"hookgate:" + entropy.hex().encode(),
}

_FORM_OF_KEY: Final[Mapping[KeyForm, str]] = {
    KeyForm.UTF8: "hex32",
    KeyForm.HEX: "hex32",
    KeyForm.DIGEST_SHA1: "hex32",
    KeyForm.BASE64: "base64-32",
    KeyForm.WHSEC: "whsec-32",
}


def generate(form: str, entropy: bytes) -> bytes:
    """Return the text to give to the sender. ``entropy`` is 32 random bytes; ``form`` is one of `FORMS`.

    Raises ValueError for anything else, without repeating the entropy.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"entropy: {ENTROPY_BYTES} bytes are needed")
    if form not in FORMS:
        raise ValueError(f"form: {form!r} is not generated; known: {', '.join(sorted(FORMS))}")
    return FORMS[form](entropy)


def default_form(descriptor: Descriptor) -> str:
    """Return the form that fits the descriptor's key; "" where none is generated: no key, or a public one."""
    match descriptor.type:
        case SchemeType.NONE | SchemeType.SIGNATURE:
            return ""
        case SchemeType.BASIC:
            return "basic-hex32"
        case _:
            return _FORM_OF_KEY[descriptor.key]


def check_key(document: Mapping[str, Any], value: bytes) -> str | None:
    """Return None for a usable key, else one sentence saying what is wrong with it, never the value.

    A single trailing newline counts as part of the value: whoever reads the secret strips it. Raises
    `InvalidDescriptor` for a document that is no descriptor.
    """
    if is_jwt(document):
        return check_key_set(document, value)
    descriptor = parse(document)
    if descriptor.type is SchemeType.NONE:
        return None
    result = _public(descriptor, value) if descriptor.type is SchemeType.SIGNATURE else secret_bytes(descriptor, value)
    return result.problem if isinstance(result, Unusable) else None


def _public(descriptor: Descriptor, value: bytes) -> object:
    from hookgate.scheme.asymmetric import compile_check  # noqa: PLC0415 -- many MiB that few schemes need

    return compile_check(descriptor, value)

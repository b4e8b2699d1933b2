"""Signature bytes and their written forms. Decoders are strict: no two texts mean the same bytes, hex case aside."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Final

from hookgate.scheme.descriptor import Encoding


def from_hex(text: bytes) -> bytes | None:
    """Decode hexadecimal of either case; None for anything else."""
    try:
        return binascii.unhexlify(text)
    except ValueError:
        return None


def from_base64(text: bytes) -> bytes | None:
    """Decode canonical, padded base64 (RFC 4648, section 4); None for anything else.

    Bytes with a second spelling would let one signature pass as two, so unused bits must be zero.
    """
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return decoded if binascii.b2a_base64(decoded, newline=False) == text else None


def from_base64url(text: bytes) -> bytes | None:
    """Decode canonical base64url (RFC 4648, section 5), padded or not; None for anything else."""
    if b"+" in text or b"/" in text:
        return None
    bare = text.rstrip(b"=")
    padded = bare + b"=" * (-len(bare) % 4)
    return from_base64(padded.translate(_FROM_URLSAFE)) if text in (bare, padded) else None


_FROM_URLSAFE: Final = bytes.maketrans(b"-_", b"+/")

DECODERS: Final[Mapping[Encoding, Callable[[bytes], bytes | None]]] = {
    Encoding.HEX: from_hex,
    Encoding.BASE64: from_base64,
    Encoding.BASE64URL: from_base64url,
}
ENCODERS: Final[Mapping[Encoding, Callable[[bytes], bytes]]] = {
    Encoding.HEX: binascii.hexlify,
    Encoding.BASE64: base64.b64encode,
    Encoding.BASE64URL: lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"="),
}

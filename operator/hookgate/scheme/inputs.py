"""Reading what a descriptor declares from a request, and nothing else: bounded, strict, never raising.

Everything here runs on bytes that anybody may have sent. A value that is absent, ambiguous or beyond a bound is told
apart by the result, never by an exception.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hookgate.scheme.descriptor import Encoding, Origin, Place


class Slots:
    """The headers that one descriptor reads, numbered, so that a request's headers are walked once.

    Slot 0 belongs to what is not declared and is always None.
    """

    __slots__ = ("_by_name",)

    def __init__(self) -> None:
        self._by_name: dict[bytes, int] = {}

    def of(self, place: Place | None) -> int:
        """Return the slot of a header, the same for every use of the same name."""
        if place is None or place.origin is not Origin.HEADER:
            return 0
        return self._by_name.setdefault(place.name.lower().encode(), len(self._by_name) + 1)

    def find(self, headers: Sequence[tuple[bytes, bytes]]) -> list[bytes | None] | None:
        """Return the values by slot; None when a declared header occurs twice, since choosing one would be a guess."""
        by_name = self._by_name
        found: list[bytes | None] = [None] * (len(by_name) + 1)
        for name, value in headers:
            if name in by_name:
                slot = by_name[name]
                if found[slot] is not None:
                    return None
                found[slot] = value
        return found


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

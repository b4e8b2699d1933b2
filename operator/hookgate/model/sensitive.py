"""Bytes that never print themselves: the only carrier of secrets inside the project.

It may not know what its bytes mean. Everything that could put them into a log, an exception text, a pickle or a
format string answers with a fixed mask instead; ``reveal`` is the one, greppable way to the bytes.
"""

from __future__ import annotations

import hmac
from typing import NoReturn, final

_MASK = "Sensitive(***)"


@final
class Sensitive:
    """Secret bytes. Equality takes constant time; the value is unhashable, unpicklable and never printed."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        """Take ``value`` as it is; decoding text is the caller's decision."""
        if not isinstance(value, bytes):
            raise TypeError("Sensitive takes bytes: encode text explicitly")
        self._value = value

    def reveal(self) -> bytes:
        """Return the bytes, for computing with them or for writing them where they belong."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sensitive):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash would be a stable fingerprint of the secret

    def __repr__(self) -> str:
        return _MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return _MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("Sensitive is not serialised: reveal() it where its bytes belong")

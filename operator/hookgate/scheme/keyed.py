"""HMAC (RFC 2104) with the key worked in beforehand: a call then costs the hashing of its message and little else.

The two hash states that a key leads to are copied for each message. The standard library's one-shot function looks the
algorithm up and works the key in every time, and its keyed object is a wrapper in Python; either costs twice as much
for a message of 1 kB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

#: Takes a message; returns its MAC.
Mac = Callable[[bytes], bytes]

_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


def compile_mac(key: bytes, algorithm: str) -> Mac:
    """Return the MAC of one key. ``algorithm`` is a hash function by its name in `hashlib`."""
    empty = hashlib.new(algorithm)
    if len(key) > empty.block_size:
        key = hashlib.new(algorithm, key).digest()
    padded = key.ljust(empty.block_size, b"\0")
    inner = hashlib.new(algorithm, padded.translate(_INNER))
    outer = hashlib.new(algorithm, padded.translate(_OUTER))

    def mac(message: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        return second.digest()

    return mac

"""From a secret's text to a key: which texts a scheme can use, and what is wrong with the others.

Whether a text is decoded is the scheme's statement, never a guess: a Stripe secret looks like a Standard Webhooks one
and must be used as it stands. No message of this module repeats a value.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Final

from hookgate.scheme.descriptor import Descriptor, KeyForm, SchemeType

_WHSEC: Final = (b"whsec_", b"whpk_")
_BASE64_TEXT = re.compile(rb"[A-Za-z0-9+/_-]*={0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A key that cannot verify anything. ``problem`` is a sentence for the owner of the secret."""

    problem: str


def secret_bytes(descriptor: Descriptor, value: bytes) -> bytes | Unusable:
    """Return the bytes that an HMAC is keyed with, or that a token or ``user:password`` is compared with."""
    if not value.strip():
        return Unusable(problem="The secret is empty or white space only.")
    if descriptor.type is SchemeType.BASIC:
        user, colon, password = value.partition(b":")
        if not (user and colon and password):
            return Unusable(problem="The secret is not of the form username:password.")
        return value
    if descriptor.type is not SchemeType.HMAC:
        return value
    key = decode(descriptor.key, value)
    if isinstance(key, bytes) and not key.strip(b"\0"):
        # HMAC fills keys up with zero bytes (RFC 2104, 2), so this one signs as an empty one does.
        return Unusable(problem="The secret is nothing but zero bytes, which is as good as none.")
    return key


def decode(form: KeyForm, value: bytes) -> bytes | Unusable:
    """Turn a secret's text into bytes by the scheme's rule. Padding of base64 may be missing."""
    match form:
        case KeyForm.UTF8:
            return value
        case KeyForm.DIGEST_SHA1:
            return hashlib.sha1(value, usedforsecurity=False).digest()
        case KeyForm.HEX:
            return _hex(value)
        case KeyForm.BASE64:
            return _base64(value)
        case KeyForm.WHSEC:
            for prefix in _WHSEC:
                value = value.removeprefix(prefix)
            return _base64(value)
        case KeyForm.PEM:
            return value


def _hex(value: bytes) -> bytes | Unusable:
    try:
        return binascii.unhexlify(value)
    except ValueError:
        return Unusable(problem="The secret is not hexadecimal: an even number of the characters 0-9 and a-f.")


def _base64(value: bytes) -> bytes | Unusable:
    """Both alphabets are read, since exported keys come in either; which one was used does not change the key."""
    if not _BASE64_TEXT.fullmatch(value):
        return Unusable(problem="The secret is not base64.")
    text = value.rstrip(b"=")
    try:
        decoded = urlsafe_b64decode(text.translate(_TO_URLSAFE) + b"=" * (-len(text) % 4))
    except ValueError:
        return Unusable(problem="The secret is not base64: its length is impossible.")
    return decoded or Unusable(problem="The secret is empty after decoding.")


_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")

"""Public keys that check signatures, and private ones that make them, behind two plain functions.

The algorithm is the descriptor's word; a key of another kind is unusable rather than a reason to switch. No message
repeats key material.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from hookgate.scheme.descriptor import Algorithm, Descriptor, KeyForm
from hookgate.scheme.keys import Unusable, decode

#: Takes the message and a signature; never raises.
Check = Callable[[bytes, bytes], bool]

_ED25519_BYTES: Final = 32
_MIN_RSA_BITS: Final = 2048
_MAX_RSA_BITS: Final = 8192
_KEY_ERRORS: Final = (ValueError, TypeError, UnsupportedAlgorithm)


def compile_check(descriptor: Descriptor, value: bytes) -> Check | Unusable:
    """Return the check by a public key: raw or SPKI in the key's form, PEM, or a certificate."""
    public = _load(descriptor, value)
    match descriptor.algorithm, public:
        case _, Unusable():
            return public
        case Algorithm.ED25519, ed25519.Ed25519PublicKey():
            return _guarded(lambda message, signature: public.verify(signature, message))
        case Algorithm.ECDSA_P256, ec.EllipticCurvePublicKey() if isinstance(public.curve, ec.SECP256R1):
            return _guarded(lambda message, signature: public.verify(signature, message, ec.ECDSA(SHA256())))
        case Algorithm.RSA_PKCS1 | Algorithm.RSA_PKCS1_SHA1, rsa.RSAPublicKey() if _fits(public):
            digest = _rsa_digest(descriptor)
            return _guarded(lambda message, signature: public.verify(signature, message, padding.PKCS1v15(), digest))
        case _:
            return Unusable(problem=f"The key is not one for {descriptor.algorithm}.")


def make_signature(descriptor: Descriptor, private: bytes, message: bytes) -> bytes | Unusable:
    """Sign with a private key in PEM (PKCS #8), for trying an endpoint out."""
    try:
        key = load_pem_private_key(private, password=None)
    except _KEY_ERRORS:
        return Unusable(problem="Signing needs the private key in PEM, without a password.")
    match descriptor.algorithm, key:
        case Algorithm.ED25519, ed25519.Ed25519PrivateKey():
            return key.sign(message)
        case Algorithm.ECDSA_P256, ec.EllipticCurvePrivateKey():
            return key.sign(message, ec.ECDSA(SHA256()))
        case Algorithm.RSA_PKCS1 | Algorithm.RSA_PKCS1_SHA1, rsa.RSAPrivateKey():
            return key.sign(message, padding.PKCS1v15(), _rsa_digest(descriptor))
        case _:
            return Unusable(problem=f"The key is not one for {descriptor.algorithm}.")


def _fits(public: rsa.RSAPublicKey) -> bool:
    return _MIN_RSA_BITS <= public.key_size <= _MAX_RSA_BITS


def _rsa_digest(descriptor: Descriptor) -> SHA1 | SHA256:
    """Some senders still sign with SHA-1; the descriptor has to ask for it by name."""
    return SHA1() if descriptor.algorithm is Algorithm.RSA_PKCS1_SHA1 else SHA256()  # noqa: S303


def _guarded(verify: Callable[[bytes, bytes], None]) -> Check:
    def check(message: bytes, signature: bytes) -> bool:
        try:
            verify(message, signature)
        except (InvalidSignature, ValueError):
            return False
        return True

    return check


def _load(descriptor: Descriptor, value: bytes) -> PublicKeyTypes | Unusable:
    if not value.strip():
        return Unusable(problem="The public key is empty or white space only.")
    if descriptor.key is KeyForm.PEM or value.lstrip().startswith(b"-----BEGIN "):
        return _load_pem(value)
    raw = decode(descriptor.key, value)
    if isinstance(raw, Unusable):
        return raw
    try:
        if descriptor.algorithm is Algorithm.ED25519 and len(raw) == _ED25519_BYTES:
            return ed25519.Ed25519PublicKey.from_public_bytes(raw)
        return load_der_public_key(raw)
    except _KEY_ERRORS:
        return Unusable(problem=f"The text decodes, but to no public key for {descriptor.algorithm}.")


def _load_pem(value: bytes) -> PublicKeyTypes | Unusable:
    try:
        if b"-----BEGIN CERTIFICATE-----" in value:
            return x509.load_pem_x509_certificate(value).public_key()
        return load_pem_public_key(value)
    except _KEY_ERRORS:
        return Unusable(problem="The key is no public key or certificate in PEM.")

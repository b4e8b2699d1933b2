"""Corners of the grammar that no built-in preset reaches: they are for the platform's own rows."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
from typing import Any
from urllib.parse import quote_plus

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from hookgate.scheme.generate import check_key
from hookgate.scheme.request import Reason
from hookgate.scheme.sign import sign
from tests.scheme.kit import judge, key, preset
from tests.scheme.senders import BODY, NOW, TEXT, URL, b64, hexed

RSA: dict[str, Any] = {"type": "signature", "header": "X-S", "algorithm": "rsa-pkcs1-sha256"}


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_rsa_by_public_key(rsa_key: rsa.RSAPrivateKey) -> None:
    signature = base64.b64encode(rsa_key.sign(BODY, padding.PKCS1v15(), SHA256())).decode()
    public = key(pem(rsa_key.public_key()))
    assert judge(RSA, {"X-S": signature}, public, body=BODY).accepted
    assert judge(RSA, {"X-S": signature}, public, body=BODY + b" ").reason is Reason.WRONG_CREDENTIAL


def test_rsa_by_certificate(rsa_key: rsa.RSAPrivateKey) -> None:
    """The certificate only carries the key: whoever stores it in the secret vouches for it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sender")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, rsa_key.public_key(), 1, start, start + datetime.timedelta(days=1))
    certificate = builder.sign(rsa_key, SHA256()).public_bytes(Encoding.PEM)
    signature = base64.b64encode(rsa_key.sign(BODY, padding.PKCS1v15(), SHA256())).decode()
    assert judge(RSA, {"X-S": signature}, key(certificate), body=BODY).accepted


def test_rsa_as_signed_here(rsa_key: rsa.RSAPrivateKey) -> None:
    private = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made = sign(RSA, private, body=BODY, now=NOW)
    assert judge(RSA, made.headers, key(pem(rsa_key.public_key())), body=made.body).accepted


def test_weak_or_foreign_keys_are_unusable(rsa_key: rsa.RSAPrivateKey) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    p384 = ec.generate_private_key(ec.SECP384R1())
    ecdsa = {**RSA, "algorithm": "ecdsa-p256-sha256"}
    assert check_key(RSA, pem(rsa_key.public_key())) is None
    assert check_key(RSA, pem(short.public_key())) == "The key is not one for rsa-pkcs1-sha256."
    assert check_key(ecdsa, pem(p384.public_key())) == "The key is not one for ecdsa-p256-sha256."
    assert check_key(ecdsa, pem(rsa_key.public_key())) == "The key is not one for ecdsa-p256-sha256."


def test_a_signed_field_of_a_form_with_a_derived_key() -> None:
    """As Braintree does: pairs of public key and signature in one field, over another, keyed with a hash."""
    document = {
        "type": "hmac",
        "source": {"form": "bt_signature"},
        "prefix": "public2|",
        "format": {"list": {"separator": "&"}},
        "algorithm": "sha1",
        "key": "digest-sha1",
        "message": [{"form": "bt_payload"}],
    }
    payload = "PHhtbD4=\n"
    mac = hmac.new(hashlib.sha1(TEXT).digest(), payload.encode(), hashlib.sha1).hexdigest()
    pairs = f"public1|{'0' * 40}&public2|{mac}"
    body = f"bt_signature={quote_plus(pairs)}&bt_payload={quote_plus(payload)}".encode()
    assert judge(document, (), key(TEXT), body=body).accepted
    assert judge(document, (), key(TEXT), body=body + b"&bt_payload=x").reason is Reason.DUPLICATE_CREDENTIAL


def test_a_signature_in_the_query() -> None:
    document = {"type": "hmac", "source": {"query": "sig"}, "encoding": "base64url"}
    signature = b64(BODY).replace("+", "-").replace("/", "_").rstrip("=")
    assert judge(document, (), key(TEXT), body=BODY, query=b"sig=" + signature.encode()).accepted


def test_a_checksum_of_the_body_as_a_part() -> None:
    """As PayPal does: the id, the time, the webhook's own id and the CRC of the body, joined with bars."""
    document = {
        "type": "hmac",
        "header": "X-S",
        "timestamp": {"header": "X-Time", "format": "rfc3339"},
        "message": [{"header": "X-Id"}, {"literal": "|"}, "timestamp", {"literal": "|WH-1|"}, "bodyCrc32"],
    }
    headers = {"X-S": hexed(b"i|2023-11-14T22:13:20Z|WH-1|907060870"), "X-Id": "i", "X-Time": "2023-11-14T22:13:20Z"}
    assert judge(document, headers, key(TEXT), body=b"hello").accepted
    assert judge(document, headers, key(TEXT), body=b"hellp").reason is Reason.WRONG_CREDENTIAL


def test_a_signed_method() -> None:
    document = {"type": "hmac", "header": "X-S", "message": ["method", {"literal": " "}, "body"]}
    headers = {"X-S": hexed(b"POST " + BODY)}
    assert judge(document, headers, key(TEXT), body=BODY).accepted
    assert judge(document, headers, key(TEXT), body=BODY, method="PUT").reason is Reason.WRONG_CREDENTIAL


def test_the_query_that_a_sender_adds_is_signed_with_what_the_scheme_adds() -> None:
    row = preset("twilio-json")
    made = sign(row.scheme, TEXT, body=BODY, now=NOW, url=URL + "?tenant=7")
    assert made.query == b"tenant=7&bodySHA256=" + hashlib.sha256(BODY).hexdigest().encode()
    assert judge(row.scheme, made.headers, key(TEXT), body=made.body, query=made.query).accepted


def test_basic_credentials_as_signed_here() -> None:
    made = sign({"type": "basic"}, b"user:pass", body=BODY, now=NOW)
    assert made.headers == [("Authorization", "Basic dXNlcjpwYXNz")]
    assert judge({"type": "basic"}, made.headers, key(b"user:pass"), body=BODY).accepted

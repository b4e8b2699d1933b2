"""An identity provider for tests: keys, key sets, and tokens, genuine or forged by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

ISSUER = "https://issuer.example"
NOW = 1_700_000_000
CLAIMS: Mapping[str, Any] = {
    "iss": ISSUER,
    "aud": "hooks",
    "sub": "push@project.example",
    "iat": NOW - 10,
    "nbf": NOW - 10,
    "exp": NOW + 300,
}
RULES: Mapping[str, Any] = {
    "type": "jwt",
    "issuer": ISSUER,
    "audiences": ["hooks", "https://hooks.example.com"],
    "claims": [{"name": "sub", "equals": "push@project.example"}],
}


@cache
def rsa(kid: str = "rsa-1") -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid})


@cache
def curve(name: str = "P-256", kid: str = "ec-1") -> ECKey:
    return ECKey.generate_key(name, {"kid": kid})


def public(key: RSAKey | ECKey, **members: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **members}


def key_set(*keys: RSAKey | ECKey | Mapping[str, Any]) -> bytes:
    listed = [public(key) if isinstance(key, RSAKey | ECKey) else dict(key) for key in keys or (rsa(),)]
    return json.dumps({"keys": listed}).encode()


def token(
    key: RSAKey | ECKey | None = None, alg: str = "RS256", header: Mapping[str, Any] | None = None, **claims: Any
) -> str:
    """Return a genuine token; a claim that is None is left out."""
    signer = key or rsa()
    kept = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    head = {"alg": alg, "kid": signer.kid, **(header or {})}
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    return jws.serialize_compact(head, json.dumps(kept), signer, registry=registry)


def raw_token(header: Any, payload: Any, signature: bytes = b"x") -> str:
    """Return three parts, whatever is in them."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    return ".".join(unpadded(part) for part in (*parts, signature))


def hmac_token(header: Mapping[str, Any], secret: bytes, payload: Mapping[str, Any] = CLAIMS) -> str:
    """Return a token that is signed with a shared secret."""
    signed = raw_token(header, payload).rpartition(".")[0]
    return f"{signed}.{unpadded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

"""Senders that a manifest describes by itself: what a preset does not know, or a sender does in another way."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from hookgate.config.manifest import load_endpoint
from hookgate.model.parse import parse_endpoint
from hookgate.scheme.presets import Presets, Resolved, resolve
from hookgate.scheme.request import Reason
from tests.scheme.kit import judge, key
from tests.scheme.senders import BODY, NOW, TEXT, certificate, hexed, rsa_key


def described(**auth: Any) -> dict[str, Any]:
    """The document that a manifest with this ``auth`` comes to."""
    manifest = {
        "apiVersion": "hookgate.dev/v1alpha1",
        "kind": "WebhookEndpoint",
        "metadata": {"name": "a"},
        "spec": {"auth": auth, "target": {"service": {"name": "ci", "port": 8080}}},
    }
    found = resolve(parse_endpoint(load_endpoint(manifest)).spec.auth, Presets.builtin())
    assert isinstance(found, Resolved), found
    return dict(found.document)


PAYPAL = {
    "header": "PayPal-Transmission-Sig",
    "algorithm": "rsa-pkcs1-sha256",
    "timestamp": {"header": "PayPal-Transmission-Time", "format": "rfc3339"},
    "message": [
        {"header": "PayPal-Transmission-Id"},
        {"literal": "|"},
        {"part": "timestamp"},
        {"literal": "|1JE4291016473214C|"},
        {"part": "bodyCrc32"},
    ],
    "bodyAuthenticated": False,
    "deliveryId": {"header": "PayPal-Transmission-Id"},
    "eventType": {"json": "event_type"},
}


def test_paypal_with_the_webhooks_id_and_its_certificate() -> None:
    """A checksum is no hash: whoever has one signature can send it with another body of the same checksum."""
    document = described(type="signature", signature=PAYPAL, secret={"ref": {"name": "paypal"}})
    time = "2023-11-14T22:13:20Z"
    signed = f"69cd13f0-d67a|{time}|1JE4291016473214C|{binascii.crc32(BODY)}".encode()
    signature = base64.b64encode(rsa_key().sign(signed, padding.PKCS1v15(), SHA256())).decode()
    headers = {
        "PayPal-Transmission-Id": "69cd13f0-d67a",
        "PayPal-Transmission-Time": time,
        "PayPal-Transmission-Sig": signature,
        "PayPal-Cert-Url": "https://evil.example/cert",
        "PayPal-Auth-Algo": "none",
    }
    verdict = judge(document, headers, key(certificate()), body=BODY, now=NOW)
    assert (verdict.accepted, verdict.delivery_id) == (True, "69cd13f0-d67a")
    assert judge(document, headers, key(certificate()), body=BODY + b" ", now=NOW).reason is Reason.WRONG_CREDENTIAL
    assert judge(document, headers, key(certificate()), body=BODY, now=NOW + 301).reason is Reason.STALE


def test_grafana_with_a_timestamp() -> None:
    """It signs one where a header for it was chosen."""
    message = [{"part": "timestamp"}, {"literal": ":"}, {"part": "body"}]
    timed = {"timestamp": {"header": "X-Grafana-Time"}, "message": message}
    document = described(type="hmac", provider="grafana", hmac=timed)
    headers = {"X-Grafana-Alerting-Signature": hexed(b"%d:" % NOW + BODY), "X-Grafana-Time": str(NOW)}
    assert judge(document, headers, key(TEXT), body=BODY, now=NOW).accepted
    assert not judge(document, {**headers, "X-Grafana-Time": str(NOW + 1)}, key(TEXT), body=BODY, now=NOW).accepted


@pytest.mark.parametrize("provider", ["gitea", "forgejo", "gogs"])
def test_gitea_by_the_signature_that_it_sends_beside_its_own(provider: str) -> None:
    document = described(type="hmac", provider=provider, hmac={"header": "X-Hub-Signature-256", "prefix": "sha256="})
    assert judge(document, {"X-Hub-Signature-256": "sha256=" + hexed(BODY)}, key(TEXT), body=BODY).accepted


def test_github_of_before_by_the_older_of_its_two_signatures() -> None:
    document = described(
        type="hmac", provider="github", hmac={"header": "X-Hub-Signature", "algorithm": "sha1", "prefix": "sha1="}
    )
    headers = {"X-Hub-Signature": "sha1=" + hexed(BODY, algorithm="sha1")}
    assert judge(document, headers, key(TEXT), body=BODY).accepted


def test_gitlab_while_a_hook_has_an_old_token_and_a_signing_token() -> None:
    """Either is enough, each with its own key."""
    signing = {"type": "hmac", "provider": "gitlab-signing"}
    token = {"type": "token", "provider": "gitlab", "secret": {"ref": {"name": "old"}}}
    document = described(type="anyOf", anyOf=[signing, token])
    new, old = key(b"whsec_" + base64.b64encode(bytes(32)), "k1"), replace(key(TEXT, "k2"), option=1)
    verdict = judge(document, {"X-Gitlab-Token": TEXT.decode()}, new, old, body=BODY)
    assert (verdict.accepted, verdict.key_id) == (True, "k2")

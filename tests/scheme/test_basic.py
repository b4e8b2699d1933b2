"""The two kinds of credential that most senders use, and endpoints without any."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import pytest

from hookgate.model.binding import Key
from hookgate.model.endpoint import AuthSpec, AuthType
from hookgate.model.sensitive import Sensitive
from hookgate.scheme.generate import check_key, generate
from hookgate.scheme.presets import Presets, Resolved, Unresolvable, resolve
from hookgate.scheme.request import Reason, Request, Verdict
from hookgate.scheme.sign import sign
from hookgate.scheme.verify import compile_verifier, credential_headers

GITHUB = {
    "type": "hmac",
    "header": "X-Hub-Signature-256",
    "prefix": "sha256=",
    "deliveryId": {"header": "X-GitHub-Delivery"},
}
SECRET = b"It's a Secret to Everybody"
BODY = b"Hello, World!"
SIGNATURE = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def key(value: bytes, name: str = "k1", expires: int | None = None) -> Key:
    return Key(id=name, value=Sensitive(value), created=0, expires=expires)


def verdict(document: Mapping[str, Any], headers: list[tuple[bytes, bytes]], *keys: Key, body: bytes = BODY) -> Verdict:
    request = Request(method="POST", headers=headers, body=body)
    return compile_verifier(document, keys)(request, 1000.0)


def test_github_vector_is_accepted() -> None:
    headers = [(b"x-hub-signature-256", SIGNATURE), (b"x-github-delivery", b"72d3162e")]
    assert verdict(GITHUB, headers, key(SECRET)) == Verdict(accepted=True, key_id="k1", delivery_id="72d3162e")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], Reason.MISSING_CREDENTIAL),
        ([(b"x-hub-signature-256", SIGNATURE)] * 2, Reason.DUPLICATE_CREDENTIAL),
        ([(b"x-hub-signature-256", SIGNATURE[7:])], Reason.WRONG_PREFIX),
        ([(b"x-hub-signature-256", SIGNATURE.replace(b"sha256", b"SHA256"))], Reason.WRONG_PREFIX),
        ([(b"x-hub-signature-256", SIGNATURE[:-1] + b"8")], Reason.WRONG_CREDENTIAL),
        ([(b"x-hub-signature-256", SIGNATURE[:-1] + b"\xff")], Reason.MALFORMED_CREDENTIAL),
        ([(b"x-hub-signature-256", b"")], Reason.WRONG_PREFIX),
    ],
)
def test_refusals_of_a_signed_call_name_their_reason(headers: list[tuple[bytes, bytes]], reason: Reason) -> None:
    assert verdict(GITHUB, headers, key(SECRET)) == Verdict(accepted=False, reason=reason)


def test_a_key_stops_verifying_the_second_it_expires() -> None:
    headers = [(b"x-hub-signature-256", SIGNATURE)]
    verify = compile_verifier(GITHUB, [key(SECRET, expires=1000)])
    request = Request(method="POST", headers=headers, body=BODY)
    assert verify(request, 999.9).accepted
    assert verify(request, 1000.0) == Verdict(accepted=False, reason=Reason.NO_USABLE_KEY)


def test_no_key_at_all_refuses_every_call() -> None:
    empty = hmac.new(b"", BODY, hashlib.sha256).hexdigest().encode()
    assert verdict(GITHUB, [(b"x-hub-signature-256", b"sha256=" + empty)]).reason is Reason.NO_USABLE_KEY
    assert verdict(GITHUB, [(b"x-hub-signature-256", b"sha256=" + empty)], key(b"\n")).reason is Reason.NO_USABLE_KEY


def test_token_is_compared_whole() -> None:
    document = {"type": "token", "header": "Authorization", "prefix": "Bearer "}
    keys = [key(b"new", "k2"), key(b"old", "k1")]
    assert verdict(document, [(b"authorization", b"Bearer old")], *keys) == Verdict(accepted=True, key_id="k1")
    assert verdict(document, [(b"authorization", b"Bearer ol")], *keys).reason is Reason.WRONG_CREDENTIAL
    assert verdict(document, [(b"authorization", b"bearer old")], *keys).reason is Reason.WRONG_PREFIX
    assert verdict(document, [(b"authorization", "Bearer öld".encode())], *keys).reason is Reason.WRONG_CREDENTIAL
    assert verdict(document, [], *keys).reason is Reason.MISSING_CREDENTIAL


def test_type_none_accepts_without_a_key() -> None:
    assert verdict({"type": "none"}, []) == Verdict(accepted=True)


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_a_signed_call_passes_its_own_verifier(provider: str) -> None:
    preset = Presets.builtin().get(provider)
    assert preset is not None
    secret = generate(preset.form, bytes(range(32)))
    signed = sign(preset.scheme, secret, body=BODY, now=1000.0)
    headers = [(n.lower().encode(), v.encode()) for n, v in signed.headers]
    assert verdict(preset.scheme, headers, key(secret)).accepted


def test_preset_fills_what_the_user_leaves_out_and_the_user_wins() -> None:
    auth = AuthSpec(
        type=AuthType.HMAC, provider="github", settings={"header": "X-Mine", "algorithm": "sha1", "prefix": "sha1="}
    )
    resolved = resolve(auth, Presets.builtin())
    assert isinstance(resolved, Resolved)
    assert dict(resolved.document) == {
        "type": "hmac",
        "header": "X-Mine",
        "algorithm": "sha1",
        "encoding": "hex",
        "prefix": "sha1=",
        "message": ["body"],
        "deliveryId": {"header": "X-GitHub-Delivery"},
        "eventType": {"header": "X-GitHub-Event"},
    }
    assert (resolved.header, resolved.form, resolved.generates) == ("X-Mine", "hex32", True)


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        (AuthSpec(type=AuthType.HMAC, provider="nobody"), "UnknownProvider"),
        (AuthSpec(type=AuthType.TOKEN, provider="github"), "ProviderTypeMismatch"),
        (AuthSpec(type=AuthType.HMAC), "IncompleteAuth"),
        (AuthSpec(type=AuthType.TOKEN), "IncompleteAuth"),
        (AuthSpec(type=AuthType.HMAC, provider="github", settings={"algorithm": "sha1"}), "InvalidAuth"),
        (AuthSpec(type=AuthType.HMAC, settings={"header": "X Y"}), "InvalidAuth"),
    ],
)
def test_unresolvable_auth_says_why(auth: AuthSpec, reason: str) -> None:
    result = resolve(auth, Presets.builtin())
    assert isinstance(result, Unresolvable)
    assert result.reason == reason
    assert result.field.startswith("spec.auth.")


def test_unknown_provider_lists_those_that_exist() -> None:
    result = resolve(AuthSpec(type=AuthType.HMAC, provider="nobody"), Presets.builtin())
    assert isinstance(result, Unresolvable)
    assert "github, gitlab" in result.message


def test_generated_secret_is_64_hex_characters() -> None:
    assert generate("hex32", bytes(range(32))) == bytes(range(32)).hex().encode()
    assert check_key(GITHUB, generate("hex32", bytes(32))) is None


@pytest.mark.parametrize("value", [b"", b" ", b"\n", b"\t\r\n"])
def test_blank_secret_is_unusable(value: bytes) -> None:
    assert check_key(GITHUB, value) == "The secret is empty or white space only."


def test_tokens_are_taken_away_before_forwarding_and_signatures_pass() -> None:
    assert credential_headers({"type": "token", "header": "X-Gitlab-Token"}) == {b"x-gitlab-token", b"authorization"}
    assert credential_headers(GITHUB) == {b"authorization"}
    assert credential_headers({"type": "none"}) == frozenset()

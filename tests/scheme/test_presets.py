"""Presets join what a user gives, belong to the platform too, and carry the form of the secret."""

from __future__ import annotations

import base64
import json

import pytest

from hookgate.model.endpoint import AuthSpec, AuthType
from hookgate.scheme.descriptor import InvalidDescriptor
from hookgate.scheme.generate import FORMS, check_key, default_form, generate
from hookgate.scheme.grammar import parse
from hookgate.scheme.presets import InvalidPreset, Presets, Resolved, Unresolvable, resolve
from tests.scheme.kit import SETTINGS, preset, scheme

ACME = {"scheme": {"type": "hmac", "header": "X-Acme", "message": [{"header": "X-Acme-Id"}, "body"]}}


def resolved(auth: AuthSpec, presets: Presets | None = None) -> Resolved:
    result = resolve(auth, presets or Presets.builtin())
    assert isinstance(result, Resolved), result
    return result


@pytest.mark.parametrize("name", [n for n in Presets.builtin().names if preset(n).type in set(AuthType)])
def test_every_preset_resolves_to_a_complete_document(name: str) -> None:
    result = resolved(AuthSpec(type=AuthType(preset(name).type), provider=name, settings=SETTINGS.get(name, {})))
    assert parse(json.loads(json.dumps(dict(result.document)))) == parse(scheme(name))


def test_a_user_field_wins_over_a_preset() -> None:
    result = resolved(AuthSpec(type=AuthType.HMAC, provider="stripe", settings={"header": "Acme-Signature"}))
    assert result.document["header"] == "Acme-Signature"
    assert result.document["format"] == preset("stripe").scheme["format"]


def test_a_user_header_replaces_a_preset_source() -> None:
    result = resolved(AuthSpec(type=AuthType.HMAC, provider="docusign", settings={"header": "X-Mine"}))
    assert (result.header, "source" in result.document) == ("X-Mine", False)


def test_a_field_left_empty_is_not_given() -> None:
    result = resolved(AuthSpec(type=AuthType.HMAC, provider="github", settings={"prefix": None}))
    assert result.document["prefix"] == "sha256="


def test_a_resolved_document_changes_no_preset() -> None:
    result = resolved(AuthSpec(type=AuthType.HMAC, provider="github"))
    result.document["deliveryId"]["header"] = "X-Changed"
    assert preset("github").scheme["deliveryId"] == {"header": "X-GitHub-Delivery"}


@pytest.mark.parametrize(
    ("provider", "type_", "header", "form", "generates"),
    [
        ("github", AuthType.HMAC, "X-Hub-Signature-256", "hex32", True),
        ("gitlab-signing", AuthType.HMAC, "webhook-signature", "whsec-32", True),
        ("slack", AuthType.HMAC, "X-Slack-Signature", "", False),
        ("docusign", AuthType.HMAC, "X-DocuSign-Signature-1", "", False),
        ("box", AuthType.HMAC, "Box-Signature-Primary", "", False),
        ("mailgun", AuthType.HMAC, "", "", False),
        ("microsoft-graph", AuthType.TOKEN, "", "hex32", True),
        ("telegram", AuthType.TOKEN, "X-Telegram-Bot-Api-Secret-Token", "hex32", True),
    ],
)
def test_header_and_form_follow_the_preset(
    provider: str, type_: AuthType, header: str, form: str, generates: bool
) -> None:
    result = resolved(AuthSpec(type=type_, provider=provider))
    assert (result.header, result.form, result.generates) == (header, form, generates)


def test_type_none_has_neither_header_nor_secret() -> None:
    result = resolved(AuthSpec(type=AuthType.NONE))
    assert (dict(result.document), result.header, result.form, result.generates) == ({"type": "none"}, "", "", False)


def test_a_key_rule_of_the_users_own_decides_the_form() -> None:
    result = resolved(AuthSpec(type=AuthType.HMAC, provider="github", settings={"key": "base64"}))
    assert result.form == "base64-32"


def test_generated_secrets_are_usable_by_the_scheme_that_asked() -> None:
    for name in Presets.builtin().names:
        row = preset(name)
        if row.form:
            assert check_key(row.scheme, generate(row.form, bytes(range(32)))) is None


def test_forms_keep_all_the_entropy_that_they_name() -> None:
    entropy = bytes(range(32))
    assert base64.b64decode(generate("whsec-32", entropy).removeprefix(b"whsec_")) == entropy
    assert base64.b64decode(generate("base64-32", entropy)) == entropy
    assert generate("hex16", entropy) == entropy[:16].hex().encode()
    assert generate("basic-hex32", entropy) == b"hookgate:" + entropy.hex().encode()
    assert default_form(parse({"type": "basic"})) in FORMS


@pytest.mark.parametrize(("form", "size"), [("hex32", 31), ("hex32", 0), ("issued", 32), ("", 32)])
def test_other_entropy_or_forms_are_refused(form: str, size: int) -> None:
    with pytest.raises(ValueError, match=r"^(entropy|form): "):
        generate(form, bytes(size))


@pytest.mark.parametrize(
    ("document", "value", "problem"),
    [
        ({"type": "hmac", "header": "X", "key": "base64"}, b"%%%", "The secret is not base64."),
        ({"type": "hmac", "header": "X", "key": "base64"}, b"a", "The secret is not base64: its length is impossible."),
        ({"type": "hmac", "header": "X", "key": "whsec"}, b"whsec_", "The secret is empty after decoding."),
        (
            {"type": "hmac", "header": "X", "key": "hex"},
            b"abc",
            "The secret is not hexadecimal: an even number of the characters 0-9 and a-f.",
        ),
        ({"type": "basic"}, b"user", "The secret is not of the form username:password."),
        (
            {"type": "signature", "header": "X", "algorithm": "ed25519"},
            b"-----BEGIN PUBLIC KEY-----",
            "The key is no public key or certificate in PEM.",
        ),
        (
            {"type": "signature", "header": "X", "algorithm": "ed25519", "key": "hex"},
            b"00",
            "The text decodes, but to no public key for ed25519.",
        ),
    ],
)
def test_an_unusable_key_is_explained_without_its_value(document: dict[str, str], value: bytes, problem: str) -> None:
    assert check_key(document, value) == problem


def test_the_platform_adds_and_replaces_presets() -> None:
    presets = Presets.builtin().with_platform({"acme": ACME, "github": ACME})
    assert presets.get("acme") is not None
    assert resolved(AuthSpec(type=AuthType.HMAC, provider="github"), presets).header == "X-Acme"
    assert "acme" not in Presets.builtin().names


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({}, "acme"),
        ({"scheme": []}, "acme"),
        ({**ACME, "shceme": {}}, "acme.shceme"),
        ({**ACME, "verified": True}, "acme.verified"),
        ({**ACME, "secret": "long"}, "acme.secret"),
        ({"scheme": {"type": "hmac", "header": "X", "algorithm": "md5"}}, "acme.scheme.algorithm"),
    ],
)
def test_an_invalid_row_of_the_platform_names_its_field(row: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidPreset) as caught:
        Presets.builtin().with_platform({"acme": row, "fine": ACME})
    assert [error.field for error in caught.value.errors] == [field]


def test_a_key_check_needs_a_descriptor() -> None:
    with pytest.raises(InvalidDescriptor):
        check_key({"type": "magic"}, b"x")


def test_a_provider_of_another_type_says_which() -> None:
    result = resolve(AuthSpec(type=AuthType.HMAC, provider="gitlab"), Presets.builtin())
    assert result == Unresolvable(
        reason="ProviderTypeMismatch",
        message="Provider gitlab is of type token, not hmac: set the type to token.",
        field="spec.auth.provider",
    )

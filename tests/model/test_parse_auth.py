"""spec.auth: what values it becomes. Which manifests are refused, and why, is in tests/corpus."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.config.manifest import load_endpoint
from hookgate.model.endpoint import AuthSpec, AuthType, KeySet, SecretKeyRef, SecretPolicy
from hookgate.model.parse import parse_endpoint
from hookgate.scheme.grammar import parse
from hookgate.scheme.presets import Presets, Resolved, Unresolvable, resolve
from tests.scheme.kit import scheme

JWT = {"issuer": "https://issuer.example", "audiences": ["hooks"], "claims": [{"name": "sub", "equals": "a"}]}


def auth_of(**auth: Any) -> AuthSpec:
    manifest = {
        "apiVersion": "hookgate.dev/v1alpha1",
        "kind": "WebhookEndpoint",
        "metadata": {"name": "push"},
        "spec": {"auth": auth, "target": {"service": {"name": "ci", "port": 8080}}},
    }
    return parse_endpoint(load_endpoint(manifest)).spec.auth


def spelled_out(document: dict[str, Any]) -> dict[str, Any]:
    """Write a preset's scheme as a user writes it, in the longer forms."""
    settings = {name: value for name, value in document.items() if name != "type"}
    if "message" in settings:
        settings["message"] = [{"part": part} if isinstance(part, str) else part for part in settings["message"]]
    if "handshake" in settings:
        settings["handshake"] = [{**rule, "answer": answered(rule["answer"])} for rule in settings["handshake"]]
    return settings


def answered(answer: Any) -> dict[str, Any]:
    """An answer of a handshake in its longer form."""
    if isinstance(answer, str):
        return {answer: {}}
    if "json" in answer:
        members = answer["json"].items()
        return {"json": [{"name": n, **({"part": m} if isinstance(m, str) else m)} for n, m in members]}
    if "webhookOrigin" in answer:
        return {"webhookOrigin": {name: v for name, v in answer["webhookOrigin"].items() if v != "*"}}
    return dict(answer)


@pytest.mark.parametrize("name", Presets.builtin().names)
def test_whatever_a_preset_says_a_user_can_say(name: str) -> None:
    """Spelled out in a manifest, every preset comes to the same scheme."""
    preset = Presets.builtin().get(name)
    assert preset is not None
    key = {"secret": {"ref": {"name": "a"}}} if preset.type == "signature" else {}
    resolved = resolve(auth_of(type=preset.type, **{preset.type: spelled_out(scheme(name))}, **key), Presets({}))
    assert isinstance(resolved, Resolved), resolved
    assert parse(resolved.document) == parse(scheme(name))


def test_a_signature_without_the_body_has_to_be_said() -> None:
    """Who leaves the body out by mistake would take one signature with any body."""
    unsigned = {"header": "X-S", "message": [{"header": "X-Id"}]}
    refused = resolve(auth_of(type="hmac", hmac=unsigned), Presets({}))
    assert isinstance(refused, Unresolvable)
    assert (refused.reason, refused.field) == ("BodyNotSigned", "spec.auth.hmac.message")
    assert "bodyAuthenticated: false" in refused.message
    assert isinstance(
        resolve(auth_of(type="hmac", hmac={**unsigned, "bodyAuthenticated": False}), Presets({})), Resolved
    )


def test_what_a_preset_says_about_its_body_ends_with_its_message() -> None:
    own = auth_of(
        type="hmac", provider="mailgun", hmac={"header": "X-S", "message": [{"part": "body"}], "timestamp": None}
    )
    assert isinstance(resolve(own, Presets.builtin()), Resolved)
    other = auth_of(type="hmac", provider="mailgun", hmac={"message": [{"part": "timestamp"}]})
    assert isinstance(resolve(other, Presets.builtin()), Unresolvable)


def test_settings_pass_as_they_are_given() -> None:
    """What a user writes is what the interpreter reads; nulls mean nothing."""
    given = {
        "source": {"header": "X-S"},
        "format": {"kvList": {"separator": ";", "key": "v1"}},
        "timestamp": {"kv": "t", "tolerance": 60.0, "enforce": False, "format": None},
        "message": [{"part": "timestamp"}, {"literal": "."}, {"part": "body"}],
        "prefix": None,
    }
    settings = dict(auth_of(type="hmac", hmac=given).settings)
    assert settings == {
        "source": {"header": "X-S"},
        "format": {"kvList": {"separator": ";", "key": "v1"}},
        "timestamp": {"kv": "t", "tolerance": 60, "enforce": False},
        "message": [{"part": "timestamp"}, {"literal": "."}, {"part": "body"}],
    }
    assert isinstance(settings["timestamp"]["tolerance"], int)


def test_a_public_key_is_no_setting_of_the_scheme() -> None:
    auth = auth_of(type="signature", provider="discord", signature={"publicKey": "00", "encoding": "hex"})
    assert (auth.public_key, dict(auth.settings), auth.generates) == ("00", {"encoding": "hex"}, False)


def test_the_keys_of_a_tokens_issuer_come_from_one_place() -> None:
    discovered = auth_of(type="jwt", jwt=JWT)
    named = auth_of(type="jwt", jwt={**JWT, "jwks": {"url": "https://issuer.example/keys"}})
    held = auth_of(type="jwt", jwt=JWT, secret={"ref": {"name": "a"}})
    assert discovered.key_set == KeySet(issuer="https://issuer.example")
    assert named.key_set == KeySet(issuer="https://issuer.example", url="https://issuer.example/keys")
    assert held.key_set is None


def test_several_ways_are_read_one_by_one() -> None:
    old = {"type": "token", "token": {"header": "X-T"}, "secret": {"ref": {"name": "old"}}}
    auth = auth_of(type="anyOf", anyOf=[{"type": "basic", "secret": {"rotate": "1"}}, old])
    assert auth.type is AuthType.ANY_OF
    assert auth.ways == (
        AuthSpec(type=AuthType.BASIC, secret=SecretPolicy(rotate="1"), path="spec.auth.anyOf[0]"),
        AuthSpec(
            type=AuthType.TOKEN,
            settings={"header": "X-T"},
            secret=SecretPolicy(ref=SecretKeyRef(name="old", key="secret")),
            path="spec.auth.anyOf[1]",
        ),
    )
    assert auth.generated == auth.ways[0]


def test_one_way_is_its_own() -> None:
    auth = auth_of(type="basic")
    assert (auth.ways, auth.generated) == ((auth,), auth)

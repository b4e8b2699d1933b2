"""Several ways, each enough by itself: for the time in which a sender changes from one to another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hookgate.model.binding import Key
from hookgate.model.endpoint import AuthSpec, AuthType, SecretKeyRef, SecretPolicy
from hookgate.scheme.presets import Presets, Resolved, Unresolvable, resolve
from hookgate.scheme.request import Reason, Verdict
from hookgate.scheme.sign import sign
from hookgate.scheme.verify import InvalidDescriptor, coverage, credential_headers
from hookgate.scheme.ways import credential_in_query, ways
from tests.scheme.kit import judge, key, preset
from tests.scheme.senders import BODY, NOW, TEXT, hexed

HMAC: dict[str, Any] = {"type": "hmac", "header": "X-S"}
TOKEN: dict[str, Any] = {"type": "token", "header": "X-T"}
BOTH: dict[str, Any] = {"type": "anyOf", "options": [HMAC, TOKEN]}
SIGNED, BEARING = {"X-S": hexed(BODY)}, {"X-T": "token"}


def of(option: int, held: Key) -> Key:
    return replace(held, option=option)


KEYS = (of(0, key(TEXT, "signing")), of(1, key(b"token", "bearing")))


@pytest.mark.parametrize(
    ("headers", "key_id"), [(SIGNED, "signing"), (BEARING, "bearing"), (SIGNED | BEARING, "signing")]
)
def test_each_way_is_enough_and_the_first_that_verifies_counts(headers: dict[str, str], key_id: str) -> None:
    assert judge(BOTH, headers, *KEYS, body=BODY) == Verdict(accepted=True, key_id=key_id)


def test_a_key_proves_its_own_way_only() -> None:
    """The token would else be a signing key for whoever has seen it on its way."""
    forged = {"X-S": hexed(BODY, b"token")}
    assert judge(BOTH, forged, *KEYS, body=BODY).reason is Reason.WRONG_CREDENTIAL
    assert judge(BOTH, {"X-T": TEXT.decode()}, *KEYS, body=BODY).reason is Reason.WRONG_CREDENTIAL


def test_a_key_of_no_way_proves_nothing() -> None:
    assert judge(BOTH, SIGNED, of(2, key(TEXT)), body=BODY).reason is Reason.NO_USABLE_KEY


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, Reason.MISSING_CREDENTIAL),
        ({"X-S": "zz"}, Reason.MALFORMED_CREDENTIAL),
        ({"X-S": "zz", "X-T": "wrong"}, Reason.WRONG_CREDENTIAL),
        ({"X-S": "00"}, Reason.WRONG_CREDENTIAL),
    ],
)
def test_a_refusal_tells_what_came_closest(headers: dict[str, str], reason: Reason) -> None:
    assert judge(BOTH, headers, *KEYS, body=BODY).reason is reason


def test_a_way_without_a_usable_key_makes_a_refusal_our_fault() -> None:
    """Its sender may be authentic and has to be asked to try again."""
    assert judge(BOTH, {"X-T": "wrong"}, KEYS[1], body=BODY).reason is Reason.NO_USABLE_KEY
    assert judge(BOTH, BEARING, KEYS[1], body=BODY).accepted


def test_the_credentials_of_every_way_are_kept_from_the_target() -> None:
    assert credential_headers(BOTH) == {b"authorization", b"x-t"}
    assert credential_in_query(BOTH) is False
    assert (
        credential_in_query({"type": "anyOf", "options": [HMAC, {"type": "token", "source": {"query": "t"}}]}) is True
    )


def test_a_signature_in_the_query_is_no_secret() -> None:
    assert credential_in_query({"type": "hmac", "source": {"query": "sig"}}) is False


def test_only_what_every_way_covers_is_covered() -> None:
    standard = dict(preset("standard-webhooks").scheme)
    assert coverage(standard).delivery_id is True
    assert coverage({"type": "anyOf", "options": [standard, TOKEN]}).delivery_id is False


def test_a_call_is_signed_the_first_way() -> None:
    signed = sign(BOTH, TEXT, body=BODY, now=NOW)
    assert signed.headers == [("X-S", hexed(BODY))]


@pytest.mark.parametrize(
    "document",
    [
        {"type": "anyOf"},
        {"type": "anyOf", "options": []},
        {"type": "anyOf", "options": {"a": HMAC}},
        {"type": "anyOf", "options": [HMAC] * 5},
        {"type": "anyOf", "options": [HMAC, {"type": "none"}]},
        {"type": "anyOf", "options": [HMAC, BOTH]},
        {"type": "anyOf", "options": [HMAC, "hmac"]},
        {"type": "anyOf", "options": [HMAC], "header": "X-S"},
    ],
)
def test_other_shapes_are_no_descriptor(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidDescriptor, match=r"^options: "):
        ways(document)


def test_resolving_tells_the_ways_and_the_generated_one() -> None:
    old = AuthSpec(type=AuthType.TOKEN, provider="gitlab", secret=SecretPolicy(ref=SecretKeyRef(name="a", key="b")))
    new = AuthSpec(type=AuthType.HMAC, provider="gitlab-signing")
    resolved = resolve(AuthSpec(type=AuthType.ANY_OF, options=(old, new)), Presets.builtin())
    assert isinstance(resolved, Resolved)
    assert [option["header"] for option in resolved.document["options"]] == ["X-Gitlab-Token", "webhook-signature"]
    assert (resolved.form, resolved.header, resolved.generates) == ("whsec-32", "webhook-signature", True)
    assert [each.form for each in resolved.ways] == ["hex32", "whsec-32"]


def test_resolving_names_the_way_at_fault() -> None:
    known = AuthSpec(type=AuthType.HMAC, provider="github")
    unknown = AuthSpec(type=AuthType.HMAC, provider="nobody", path="spec.auth.anyOf[1]")
    resolved = resolve(AuthSpec(type=AuthType.ANY_OF, options=(known, unknown)), Presets.builtin())
    assert isinstance(resolved, Unresolvable)
    assert (resolved.reason, resolved.field) == ("UnknownProvider", "spec.auth.anyOf[1].provider")


@pytest.mark.parametrize(
    ("auth", "form", "header", "generates"),
    [
        (AuthSpec(type=AuthType.BASIC), "basic-hex32", "Authorization", True),
        (AuthSpec(type=AuthType.SIGNATURE, provider="discord"), "", "X-Signature-Ed25519", False),
    ],
)
def test_every_type_resolves(auth: AuthSpec, form: str, header: str, generates: bool) -> None:
    resolved = resolve(auth, Presets.builtin())
    assert isinstance(resolved, Resolved)
    assert (resolved.form, resolved.header, resolved.generates) == (form, header, generates)

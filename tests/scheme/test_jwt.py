"""Tokens of an identity provider: whose are taken, and every way to pass off another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from hookgate.scheme.request import Reason, Request, Verdict
from hookgate.scheme.verify import compile_verifier, coverage
from tests.scheme.kit import judge, key
from tests.scheme.tokens import (
    CLAIMS,
    NOW,
    RULES,
    curve,
    hmac_token,
    key_set,
    public,
    raw_token,
    rsa,
    token,
    unpadded,
)


def verdict(
    given_token: str, *, rules: Mapping[str, Any] = RULES, keys: bytes | None = None, now: float = NOW
) -> Verdict:
    return judge(rules, {"Authorization": f"Bearer {given_token}"}, key(keys or key_set(), "set"), now=now)


def reason(given_token: str, **how: Any) -> Reason | None:
    return verdict(given_token, **how).reason


# What is taken -------------------------------------------------------------------------------------------------------


def test_a_token_that_fits_every_rule_is_taken() -> None:
    assert verdict(token()) == Verdict(accepted=True, key_id="set")


@pytest.mark.parametrize(
    ("alg", "signer"),
    [
        ("RS512", rsa()),
        ("PS256", rsa()),
        ("ES256", curve()),
        ("ES384", curve("P-384", "ec-3")),
        ("ES512", curve("P-521", "ec-5")),
    ],
)
def test_every_algorithm_that_is_allowed_verifies(alg: str, signer: Any) -> None:
    rules = {**RULES, "algorithms": [alg]}
    assert verdict(token(signer, alg), rules=rules, keys=key_set(signer)).accepted
    assert verdict(token(signer, alg), keys=key_set(signer, rsa("other"))).reason is Reason.MALFORMED_CREDENTIAL


@pytest.mark.parametrize("audience", ["hooks", ["hooks"], ["elsewhere", "https://hooks.example.com"]])
def test_one_of_the_audiences_is_enough(audience: object) -> None:
    assert verdict(token(aud=audience)).accepted


def test_a_claim_may_have_one_of_several_values() -> None:
    rules = {**RULES, "claims": [{"name": "email", "oneOf": ["a@x.example", "b@x.example"]}]}
    assert verdict(token(email="b@x.example"), rules=rules).accepted
    assert reason(token(email="c@x.example"), rules=rules) is Reason.FOREIGN_TOKEN


@pytest.mark.parametrize(("value", "spelt"), [(True, "true"), (False, "false"), (42, "42"), ("true", "true")])
def test_a_claim_is_compared_as_it_is_spelt(value: object, spelt: str) -> None:
    rules = {**RULES, "claims": [{"name": "email_verified", "equals": spelt}]}
    assert verdict(token(email_verified=value), rules=rules).accepted


def test_every_current_key_set_verifies_and_names_itself() -> None:
    held = [key(key_set(rsa("new")), "new"), key(key_set(rsa("old")), "old")]
    assert judge(RULES, {"Authorization": f"Bearer {token(rsa('old'))}"}, *held, now=NOW).key_id == "old"


def test_the_bearer_scheme_has_no_case_and_another_header_no_prefix() -> None:
    assert judge(RULES, {"Authorization": f"bearer {token()}"}, key(key_set()), now=NOW).accepted
    rules = {**RULES, "header": "X-Token"}
    assert judge(rules, {"X-Token": token()}, key(key_set()), now=NOW).accepted


def test_delivery_and_event_are_read_and_never_covered() -> None:
    rules = {**RULES, "deliveryId": {"json": "message.messageId"}, "eventType": {"header": "X-Event"}}
    headers = {"Authorization": f"Bearer {token()}", "X-Event": "push"}
    found = judge(rules, headers, key(key_set(), "set"), body=b'{"message":{"messageId":"7"}}', now=NOW)
    assert found == Verdict(accepted=True, key_id="set", delivery_id="7", event_type="push")
    assert coverage(rules).delivery_id is False


# A valid token for somebody else ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://issuer.example/"},
        {"iss": "https://ISSUER.example"},
        {"iss": None},
        {"iss": ["https://issuer.example"]},
        {"aud": "elsewhere"},
        {"aud": "hooks2"},
        {"aud": None},
        {"aud": []},
        {"aud": {"hooks": True}},
        {"aud": [["hooks"]]},
        {"sub": "pull@project.example"},
        {"sub": "push@project.example "},
        {"sub": "PUSH@project.example"},
        {"sub": ""},
        {"sub": None},
        {"sub": ["push@project.example"]},
        {"sub": {"push@project.example": 1}},
    ],
)
def test_a_genuine_token_about_somebody_else_is_refused(claims: dict[str, Any]) -> None:
    assert reason(token(**claims)) is Reason.FOREIGN_TOKEN


def test_all_claims_have_to_hold() -> None:
    rules = {**RULES, "claims": [*RULES["claims"], {"name": "ref", "equals": "refs/heads/main"}]}
    assert verdict(token(ref="refs/heads/main"), rules=rules).accepted
    assert reason(token(ref="refs/heads/evil"), rules=rules) is Reason.FOREIGN_TOKEN
    assert reason(token(), rules=rules) is Reason.FOREIGN_TOKEN


# Time ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": NOW - 59}, None),
        ({"exp": NOW - 60}, Reason.STALE),
        ({"nbf": NOW + 60}, None),
        ({"nbf": NOW + 61}, Reason.STALE),
        ({"iat": NOW + 61}, Reason.STALE),
        ({"nbf": None, "iat": None}, None),
        ({"exp": float(NOW + 5)}, None),
        ({"exp": None}, Reason.MALFORMED_CREDENTIAL),
        ({"exp": str(NOW + 300)}, Reason.MALFORMED_CREDENTIAL),
        ({"exp": True}, Reason.MALFORMED_CREDENTIAL),
        ({"exp": -1}, Reason.MALFORMED_CREDENTIAL),
        ({"exp": 10**20}, Reason.MALFORMED_CREDENTIAL),
        ({"exp": 1e20}, Reason.MALFORMED_CREDENTIAL),
        ({"nbf": "soon"}, Reason.MALFORMED_CREDENTIAL),
        ({"iat": [NOW]}, Reason.MALFORMED_CREDENTIAL),
    ],
)
def test_a_token_has_its_time(claims: dict[str, Any], expected: Reason | None) -> None:
    assert reason(token(**claims)) is expected


# Confusion -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, ["RS256"], 256])
def test_an_unsigned_token_is_refused(alg: object) -> None:
    assert reason(raw_token({"alg": alg, "kid": "rsa-1"}, CLAIMS, b"")) is Reason.MALFORMED_CREDENTIAL
    assert reason(raw_token({"alg": alg, "kid": "rsa-1"}, CLAIMS)) is Reason.MALFORMED_CREDENTIAL


@pytest.mark.parametrize("secret", [rsa().as_pem(private=False), key_set(), public(rsa())["n"].encode(), b""])
def test_a_public_key_is_no_shared_secret(secret: bytes) -> None:
    forged = hmac_token({"alg": "HS256", "kid": "rsa-1"}, secret)
    assert reason(forged) is Reason.MALFORMED_CREDENTIAL
    relabelled = hmac_token({"alg": "RS256", "kid": "rsa-1"}, secret)
    assert reason(relabelled) is Reason.WRONG_CREDENTIAL


def test_a_symmetric_key_in_the_set_is_never_used() -> None:
    shared = {"kty": "oct", "kid": "rsa-1", "k": unpadded(b"secret"), "alg": "HS256"}
    forged = hmac_token({"alg": "HS256", "kid": "rsa-1"}, b"secret")
    assert reason(forged, keys=key_set(shared, rsa("other"))) is Reason.MALFORMED_CREDENTIAL
    assert reason(forged, keys=key_set(shared)) is Reason.NO_USABLE_KEY


@pytest.mark.parametrize(
    "brought",
    [
        {"jwk": public(rsa("mine"))},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False},
        {"zip": "DEF"},
    ],
)
def test_a_token_that_brings_its_own_key_or_rules_is_refused(brought: dict[str, Any]) -> None:
    """Signed by the attacker's key, and even by the right one."""
    mine = raw_token({"alg": "RS256", "kid": "mine", **brought}, CLAIMS)
    assert reason(mine) is Reason.MALFORMED_CREDENTIAL
    genuine = {name: value for name, value in brought.items() if name not in ("crit", "b64")}
    if genuine:
        assert reason(token(header=genuine)) is Reason.MALFORMED_CREDENTIAL


def test_a_key_of_the_attackers_under_the_right_name_proves_nothing() -> None:
    assert reason(token(RSAKey.generate_key(2048, {"kid": "rsa-1"}))) is Reason.WRONG_CREDENTIAL


@pytest.mark.parametrize("kid", ["RSA-1", "rsa-1 ", "../rsa-1", "rsa-1\x00", "", "' or 1=1", "/dev/null"])
def test_the_key_id_is_exact(kid: str) -> None:
    assert reason(token(header={"kid": kid})) is Reason.WRONG_CREDENTIAL


@pytest.mark.parametrize("kid", [None, 1, ["rsa-1"], {"a": 1}])
def test_a_token_without_a_key_id_is_refused(kid: object) -> None:
    assert reason(raw_token({"alg": "RS256", "kid": kid}, CLAIMS)) is Reason.MALFORMED_CREDENTIAL


def test_a_key_id_that_stands_twice_names_no_key() -> None:
    other = RSAKey.generate_key(2048, {"kid": "rsa-1"})
    assert reason(token(), keys=key_set(rsa(), other, rsa("third"))) is Reason.WRONG_CREDENTIAL


def test_an_algorithm_takes_keys_of_its_kind_only() -> None:
    rules = {**RULES, "algorithms": ["RS256", "ES256"]}
    both = key_set(rsa(), curve())
    assert verdict(token(curve(), "ES256"), rules=rules, keys=both).accepted
    crossed = token(curve(), "ES256", header={"kid": "rsa-1"})
    assert reason(crossed, rules=rules, keys=both) is Reason.WRONG_CREDENTIAL


@pytest.mark.parametrize("members", [{"alg": "RS512"}, {"use": "enc"}])
def test_a_key_made_for_something_else_is_not_used(members: dict[str, str]) -> None:
    assert reason(token(), keys=key_set(public(rsa(), **members))) is Reason.NO_USABLE_KEY


def test_a_short_key_is_not_used() -> None:
    short = {**public(rsa()), "n": unpadded(b"\xff" * 128)}
    assert reason(token(), keys=key_set(short)) is Reason.NO_USABLE_KEY


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda t: t + "=",
        lambda t: t + ".",
        lambda t: t + ".x",
        lambda t: " " + t,
        lambda t: t.replace(".", "..", 1),
        lambda t: t.rpartition(".")[0] + ".",
        lambda t: "." + t.partition(".")[2],
        lambda t: t + "A" * 20_000,
        lambda _: "",
        lambda _: "..",
        lambda _: "a.b.c",
    ],
)
def test_a_token_has_one_spelling(spoilt: Any) -> None:
    assert reason(spoilt(token())) is Reason.MALFORMED_CREDENTIAL


def test_a_changed_payload_is_noticed() -> None:
    head, _, signature = token().split(".")
    payload = unpadded(json.dumps({**CLAIMS, "admin": True}).encode())
    assert reason(f"{head}.{payload}.{signature}") is Reason.WRONG_CREDENTIAL


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (b'{"alg":"RS256","alg":"RS256","kid":"rsa-1"}', dict(CLAIMS)),
        ({"alg": "RS256", "kid": "rsa-1"}, b'{"sub":"a","sub":"push@project.example"}'),
        ([], dict(CLAIMS)),
        ({"alg": "RS256", "kid": "rsa-1"}, []),
        (b"\xff", dict(CLAIMS)),
        (b"{" * 5000, dict(CLAIMS)),
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(header: Any, payload: Any) -> None:
    assert reason(raw_token(header, payload)) is Reason.MALFORMED_CREDENTIAL


def test_a_token_may_not_come_twice() -> None:
    pairs = [("Authorization", f"Bearer {token()}"), ("Authorization", f"Bearer {token()}")]
    assert judge(RULES, pairs, key(key_set()), now=NOW).reason is Reason.DUPLICATE_CREDENTIAL


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, Reason.MISSING_CREDENTIAL),
        ({"Authorization": ""}, Reason.WRONG_PREFIX),
        ({"Authorization": "Basic YTpi"}, Reason.WRONG_PREFIX),
        ({"Authorization": "Bearer"}, Reason.WRONG_PREFIX),
    ],
)
def test_no_token_is_no_credential(headers: dict[str, str], expected: Reason) -> None:
    assert judge(RULES, headers, key(key_set()), now=NOW).reason is expected


def test_without_a_key_set_nothing_is_taken() -> None:
    assert judge(RULES, {"Authorization": f"Bearer {token()}"}, now=NOW).reason is Reason.NO_USABLE_KEY


@given(st.binary(max_size=200))
def test_any_bytes_at_all_get_a_verdict(value: bytes) -> None:
    verify = compile_verifier(RULES, [key(key_set())])
    request = Request(method="POST", headers=[(b"authorization", b"Bearer " + value)])
    assert verify(request, NOW).accepted is False

"""Mistakes that receivers of webhooks have made, one test each: here they are refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest

from hookgate.scheme.request import Reason, Verdict
from hookgate.scheme.verify import InvalidDescriptor, compile_verifier, coverage, credential_headers
from tests.scheme.kit import judge, key, preset
from tests.scheme.senders import BODY, FORM, NOW, SENDERS, TEXT, URL, Call, b64, hexed

GITHUB: dict[str, Any] = {"type": "hmac", "header": "X-Hub-Signature-256", "prefix": "sha256="}
SIGNED = {"X-Hub-Signature-256": "sha256=" + hexed(BODY)}


def of(name: str, call: Call, *keys: bytes, now: float = NOW, extra: tuple[tuple[str, str], ...] = ()) -> Verdict:
    headers = [*call.headers.items(), *call.other.items(), *extra]
    held = [key(value, f"k{n}") for n, value in enumerate(keys or (call.secret,))]
    return judge(preset(name).scheme, headers, *held, body=call.body, query=call.query, now=now)


@pytest.mark.parametrize("blank", [b"", b"\n", b" \t\r\n"])
def test_an_empty_secret_does_not_mean_allow(blank: bytes) -> None:
    forged = {"X-Hub-Signature-256": "sha256=" + hmac.new(blank, BODY, hashlib.sha256).hexdigest()}
    assert judge(GITHUB, forged, key(blank), body=BODY).reason is Reason.NO_USABLE_KEY
    assert judge({"type": "token", "header": "X-T"}, {"X-T": blank.decode()}, key(blank)).reason is Reason.NO_USABLE_KEY


@pytest.mark.parametrize(
    ("form", "zeros"), [("utf8", b"\0"), ("utf8", b"\0" * 200), ("hex", b"00"), ("base64", b"AAAA")]
)
def test_zero_bytes_are_no_secret(form: str, zeros: bytes) -> None:
    """HMAC fills keys up with zero bytes, so whoever signs without a key would sign as this one does."""
    forged = {"X-Hub-Signature-256": "sha256=" + hmac.new(b"", BODY, hashlib.sha256).hexdigest()}
    assert judge({**GITHUB, "key": form}, forged, key(zeros), body=BODY).reason is Reason.NO_USABLE_KEY


def test_an_empty_list_of_secrets_does_not_mean_allow() -> None:
    assert judge(GITHUB, SIGNED, body=BODY).reason is Reason.NO_USABLE_KEY
    assert judge({"type": "token", "header": "X-T"}, {"X-T": ""}).reason is Reason.NO_USABLE_KEY


def test_an_unsigned_call_is_refused_whatever_else_it_carries() -> None:
    assert judge(GITHUB, {"X-GitHub-Event": "push"}, key(TEXT), body=BODY).reason is Reason.MISSING_CREDENTIAL


def test_an_empty_token_never_matches() -> None:
    assert judge({"type": "token", "header": "X-T"}, {"X-T": ""}, key(TEXT)).reason is Reason.MALFORMED_CREDENTIAL


def test_one_malformed_key_does_not_disable_the_others() -> None:
    call = SENDERS["teams"]()
    verdict = of("teams", call, b"!!! not base64", b"", call.secret)
    assert verdict == Verdict(accepted=True, key_id="k2", delivery_id="evt_1", event_type="thing.made")


def test_only_malformed_keys_refuse_every_call_as_a_fault_of_configuration() -> None:
    assert of("teams", SENDERS["teams"](), b"!!! not base64").reason is Reason.NO_USABLE_KEY


def test_every_current_key_verifies_and_names_itself() -> None:
    call = SENDERS["github"]()
    assert of("github", call, b"new", TEXT).key_id == "k1"
    assert of("github", call, TEXT, b"old").key_id == "k0"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("github", "X-Hub-Signature-256"),
        ("github", "X-GitHub-Delivery"),
        ("github", "X-GitHub-Event"),
        ("slack", "X-Slack-Request-Timestamp"),
        ("standard-webhooks", "webhook-id"),
        ("docusign", "X-DocuSign-Signature-12"),
        ("gitlab", "X-Gitlab-Token"),
    ],
)
def test_a_header_that_the_scheme_reads_may_not_come_twice(name: str, header: str) -> None:
    """Not the first and not the last: proxies and targets disagree about which one counts."""
    call = SENDERS[name]()
    value = call.headers.get(header, "x")
    extra = ((header, value),) if header in call.headers else ((header, "x"), (header.upper(), "y"))
    assert of(name, call, extra=extra).reason is Reason.DUPLICATE_CREDENTIAL


def test_a_timestamp_may_not_come_twice_in_a_list() -> None:
    header = f"t={NOW},t={NOW + 1},v1={hexed(b'%d.' % NOW + BODY)}"
    assert of("stripe", Call(headers={"Stripe-Signature": header})).reason is Reason.DUPLICATE_CREDENTIAL


def test_several_signatures_in_a_list_mean_several_keys() -> None:
    header = f"t={NOW},v1={'0' * 64},v1={hexed(b'%d.' % NOW + BODY)},v1=zz"
    assert of("stripe", Call(headers={"Stripe-Signature": header})).accepted


def test_other_versions_in_a_list_are_not_read() -> None:
    header = f"t={NOW},v0={hexed(b'%d.' % NOW + BODY)}"
    assert of("stripe", Call(headers={"Stripe-Signature": header})).reason is Reason.MALFORMED_CREDENTIAL


def test_a_body_field_that_occurs_twice_is_not_chosen_from() -> None:
    call = SENDERS["mailgun"]()
    twice = call.body.replace(b'"token": "', b'"token": "x", "token": "')
    assert of("mailgun", replace(call, body=twice)).reason is Reason.DUPLICATE_CREDENTIAL


def test_a_batch_signed_in_one_of_its_items_is_refused() -> None:
    call = SENDERS["adyen"]()
    document = json.loads(call.body)
    document["notificationItems"].append({"NotificationRequestItem": {"eventCode": "REFUND"}})
    assert not of("adyen", replace(call, body=json.dumps(document).encode())).accepted


def test_a_list_of_changes_is_refused_when_one_lacks_the_state() -> None:
    changes = [{"clientState": TEXT.decode()}, {"resource": "b"}]
    body = json.dumps({"value": changes}).encode()
    assert not of("microsoft-graph", Call(headers={}, body=body)).accepted


def test_a_list_of_changes_is_refused_when_one_has_another_state() -> None:
    changes = [{"clientState": TEXT.decode()}, {"clientState": "another"}]
    body = json.dumps({"value": changes}).encode()
    assert of("microsoft-graph", Call(headers={}, body=body)).reason is Reason.DUPLICATE_CREDENTIAL


def test_the_algorithm_is_the_descriptors_and_never_the_headers() -> None:
    sha1 = {"X-Hub-Signature-256": "sha1=" + hexed(BODY, algorithm="sha1")}
    assert judge(GITHUB, sha1, key(TEXT), body=BODY).reason is Reason.WRONG_PREFIX
    relabelled = {"X-Hub-Signature-256": "sha256=" + hexed(BODY, algorithm="sha1")}
    assert judge(GITHUB, relabelled, key(TEXT), body=BODY).reason is Reason.WRONG_CREDENTIAL


def test_a_prefix_that_names_another_algorithm_is_no_descriptor() -> None:
    with pytest.raises(InvalidDescriptor, match=r"^prefix: "):
        compile_verifier({**GITHUB, "algorithm": "sha1"}, [])


@pytest.mark.parametrize("prefix", ["SHA256=", "Sha256=", "", "sha256", " sha256=", "sha256= "])
def test_the_prefix_is_case_sensitive_and_required(prefix: str) -> None:
    wrong = {"X-Hub-Signature-256": prefix + hexed(BODY)}
    assert judge(GITHUB, wrong, key(TEXT), body=BODY).reason is (
        Reason.MALFORMED_CREDENTIAL if prefix == "sha256= " else Reason.WRONG_PREFIX
    )


def test_hex_digits_have_no_case_and_header_names_neither() -> None:
    assert judge(GITHUB, {"x-HUB-signature-256": "sha256=" + hexed(BODY).upper()}, key(TEXT), body=BODY).accepted


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda text: text.rstrip("="),
        lambda text: text + "=",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text[:10] + "\n" + text[10:],
        lambda text: text.replace("+", "-").replace("/", "_") + "-",
        lambda text: text[:-2] + chr(ord(text[-2]) + 1) + "=",
        lambda text: text + text,
    ],
)
def test_base64_has_one_spelling(spoilt: Any) -> None:
    """Another spelling of the same bytes would pass as another delivery."""
    header = {"X-Shopify-Hmac-Sha256": spoilt(b64(BODY))}
    assert judge(preset("shopify").scheme, header, key(TEXT), body=BODY).reason is Reason.MALFORMED_CREDENTIAL


@pytest.mark.parametrize("name", ["stripe", "zendesk"])
def test_a_secret_that_looks_encoded_is_used_as_it_stands(name: str) -> None:
    call = SENDERS[name]()
    secret = b"whsec_" + base64.b64encode(TEXT) if name == "stripe" else call.secret
    if name == "stripe":
        call = Call(headers={"Stripe-Signature": f"t={NOW},v1={hexed(b'%d.' % NOW + BODY, secret)}"})
    assert of(name, call, secret).accepted
    assert not of(name, call, base64.b64decode(secret.removeprefix(b"whsec_"))).accepted


@pytest.mark.parametrize("name", ["standard-webhooks", "teams", "airtable"])
def test_a_secret_that_is_encoded_is_decoded(name: str) -> None:
    call = SENDERS[name]()
    assert of(name, call).accepted
    assert of(name, call, call.secret.rstrip(b"=")).accepted


def test_a_signature_that_can_be_moved_to_another_body_says_so() -> None:
    call = SENDERS["mailgun"]()
    moved = replace(call, body=call.body.replace(b"opened", b"forged"))
    assert of("mailgun", moved).delivery_id == of("mailgun", call).delivery_id == "t" * 50
    covered = coverage(preset("mailgun").scheme)
    assert (covered.body, covered.delivery_id, covered.event_type) == (False, True, False)


@pytest.mark.parametrize(
    ("name", "delivery", "event"),
    [
        ("github", False, False),
        ("standard-webhooks", True, True),
        ("twitch", True, False),
        ("stripe", True, True),
        ("gitlab", False, False),
    ],
)
def test_routing_on_what_no_signature_covers_can_be_told(name: str, delivery: bool, event: bool) -> None:
    covered = coverage(preset(name).scheme)
    assert (covered.delivery_id, covered.event_type) == (delivery, event)


def test_the_declared_url_counts_and_never_the_host_header() -> None:
    call = SENDERS["square"]()
    evil = "https://evil.example/h/x"
    forged = Call(headers={"x-square-hmacsha256-signature": b64(evil.encode() + BODY)}, body=BODY)
    hosts = (("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https"))
    assert of("square", call, extra=hosts).accepted
    assert of("square", forged, extra=hosts).reason is Reason.WRONG_CREDENTIAL


def test_an_unknown_url_is_a_fault_of_configuration_and_no_forgery() -> None:
    call = SENDERS["square"]()
    verify = judge(preset("square").scheme, call.headers, key(TEXT), body=BODY, url=None)
    assert verify == Verdict(accepted=False, reason=Reason.MISSING_CONTEXT)


def test_freshness_is_judged_only_after_the_signature_matched() -> None:
    call = SENDERS["slack"]()
    assert of("slack", call, now=NOW + 301).reason is Reason.STALE
    assert of("slack", call, b"another", now=NOW + 301).reason is Reason.WRONG_CREDENTIAL


@pytest.mark.parametrize(("age", "accepted"), [(300, True), (300.5, False), (-300, True), (-300.5, False)])
def test_the_tolerance_is_symmetric_and_exact(age: float, accepted: bool) -> None:
    assert of("slack", SENDERS["slack"](), now=NOW + age).accepted is accepted


def test_skew_is_told_in_seconds() -> None:
    assert of("slack", SENDERS["slack"](), now=NOW + 12.5).skew == -12.5


@pytest.mark.parametrize(
    "time",
    ["1700000000.0", "1_700_000_000", "+1700000000", " 1700000000", "1700000000 ", "1.7e9", "NaN", "", "-1", "१७"],
)
def test_a_signed_timestamp_of_another_spelling_is_refused(time: str) -> None:
    headers = {"X-Slack-Signature": "v0=" + hexed(f"v0:{time}:".encode() + BODY), "X-Slack-Request-Timestamp": time}
    assert of("slack", Call(headers=headers)).reason is Reason.MALFORMED_CREDENTIAL


def test_the_raw_timestamp_is_signed_not_its_value() -> None:
    time = f"0{NOW}"
    headers = {"X-Slack-Signature": "v0=" + hexed(f"v0:{NOW}:".encode() + BODY), "X-Slack-Request-Timestamp": time}
    assert of("slack", Call(headers=headers)).reason is Reason.WRONG_CREDENTIAL


def test_a_sender_that_promises_no_freshness_is_not_refused_for_age() -> None:
    assert of("sendgrid", SENDERS["sendgrid"](), now=NOW + 86_400).accepted


def test_forms_are_signed_decoded_and_forwarded_raw() -> None:
    """The order of the fields is not signed; every name and value is."""
    call = SENDERS["twilio"]()
    fields = call.body.split(b"&")
    assert of("twilio", replace(call, body=b"&".join(reversed(fields)))).accepted
    assert not of("twilio", replace(call, body=call.body + b"&extra=1")).accepted


def test_the_same_form_field_twice_is_refused() -> None:
    call = SENDERS["twilio"]()
    assert of("twilio", replace(call, body=FORM + b"&Digits=1234")).reason is Reason.DUPLICATE_CREDENTIAL


def test_a_form_is_not_read_from_a_body_that_claims_to_be_something_else() -> None:
    call = replace(SENDERS["twilio"](), other={"Content-Type": "application/json"})
    assert of("twilio", call).reason is Reason.UNREADABLE_BODY


def test_a_digest_of_the_body_in_the_signed_query_is_required_and_checked() -> None:
    call = SENDERS["twilio-json"]()
    unsigned = Call(headers={"X-Twilio-Signature": b64(URL.encode(), algorithm="sha1")}, body=BODY)
    assert of("twilio-json", unsigned).reason is Reason.MISSING_CREDENTIAL
    assert of("twilio-json", replace(call, body=b"{}")).reason is Reason.WRONG_CREDENTIAL


def test_credentials_do_not_reach_the_target() -> None:
    assert credential_headers(preset("gitlab").scheme) == {b"x-gitlab-token", b"authorization"}
    assert credential_headers({"type": "basic"}) == {b"authorization"}
    assert b"authorization" in credential_headers(preset("teams").scheme)


def test_basic_credentials_are_compared_whole() -> None:
    held = key(b"hook:pass:word")
    header = {"Authorization": "basic " + base64.b64encode(b"hook:pass:word").decode()}
    assert judge({"type": "basic"}, header, held).accepted
    other = {"Authorization": "Basic " + base64.b64encode(b"hook:pass").decode()}
    assert judge({"type": "basic"}, other, held).reason is Reason.WRONG_CREDENTIAL
    assert judge({"type": "basic"}, {"Authorization": "Basic !"}, held).reason is Reason.MALFORMED_CREDENTIAL
    assert judge({"type": "basic"}, header, key(b"no-colon")).reason is Reason.NO_USABLE_KEY


def test_an_asymmetric_key_of_another_kind_is_unusable() -> None:
    call = SENDERS["sendgrid"]()
    assert of("discord", SENDERS["discord"](), call.secret).reason is Reason.NO_USABLE_KEY
    assert of("sendgrid", call, SENDERS["discord"]().secret).reason is Reason.NO_USABLE_KEY


def test_nothing_of_a_request_or_a_verdict_prints() -> None:
    from hookgate.scheme.request import Request

    request = Request(method="POST", headers=[(b"x", b"canary")], query=b"canary", body=b"canary")
    assert "canary" not in repr(request)

"""Messages of Amazon SNS: signed by one key for everybody, so that the topic is what proves whose they are."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from hookgate.model.endpoint import AuthSpec, AuthType
from hookgate.scheme.descriptor import InvalidDescriptor
from hookgate.scheme.grammar import parse
from hookgate.scheme.presets import Presets, Unresolvable, resolve
from hookgate.scheme.request import Reason, Verdict
from hookgate.scheme.sns import confirmation, host_of
from hookgate.scheme.verify import coverage
from tests.scheme.kit import judge, key, preset, scheme
from tests.scheme.senders import SNS_MEMBERS, certificate, sns_message

TOPIC = SNS_MEMBERS["TopicArn"]
TOPICS = frozenset({TOPIC})
QUESTION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
    "Token": "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92",
    "TopicArn": TOPIC,
    "Message": "You have chosen to subscribe to the topic.",
    "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
    "Timestamp": "2023-11-14T22:13:20.000Z",
}


def judged(body: bytes, name: str = "aws-sns", **settings: Any) -> Verdict:
    return judge({**scheme(name), **settings}, {}, key(certificate()), body=body)


@pytest.mark.parametrize("members", [SNS_MEMBERS, QUESTION, {**QUESTION, "Type": "UnsubscribeConfirmation"}])
def test_each_kind_of_message_is_verified_by_its_own_members(members: dict[str, str]) -> None:
    verdict = judged(sns_message(SHA256(), members))
    assert (verdict.accepted, verdict.delivery_id, verdict.event_type) == (True, members["MessageId"], members["Type"])


def test_a_message_without_a_subject_is_signed_without_it() -> None:
    members = {name: value for name, value in SNS_MEMBERS.items() if name != "Subject"}
    assert judged(sns_message(SHA256(), members)).accepted


@pytest.mark.parametrize("name", sorted({*SNS_MEMBERS, *QUESTION}))
def test_each_signed_member_matters(name: str) -> None:
    members = SNS_MEMBERS if name in SNS_MEMBERS else QUESTION
    document = json.loads(sns_message(SHA256(), members))
    assert not judged(json.dumps({**document, name: members[name] + "x"}).encode()).accepted
    assert not judged(json.dumps({n: v for n, v in document.items() if n != name}).encode()).accepted


def test_a_message_of_somebody_elses_topic_is_refused_however_genuine() -> None:
    """Everybody with an account can have one signed."""
    foreign = sns_message(SHA256(), {**SNS_MEMBERS, "TopicArn": "arn:aws:sns:eu-west-1:999999999999:orders"})
    verdict = judged(foreign)
    assert (verdict.reason, verdict.where) == (Reason.FOREIGN_TOKEN, "JSON member TopicArn")


def test_no_topic_is_anybodys() -> None:
    assert judge(preset("aws-sns").scheme, {}, key(certificate()), body=sns_message(SHA256(), SNS_MEMBERS)).reason is (
        Reason.FOREIGN_TOKEN
    )
    resolved = resolve(AuthSpec(type=AuthType.SIGNATURE, provider="aws-sns"), Presets.builtin())
    assert isinstance(resolved, Unresolvable)
    assert (resolved.reason, resolved.field) == ("IncompleteAuth", "spec.auth.signature.sns.topics")


def test_the_hash_function_is_the_endpoints_word_and_not_the_messages() -> None:
    """SHA-1 only where it was asked for by name; SignatureVersion is not signed."""
    assert not judged(sns_message(SHA1(), SNS_MEMBERS)).accepted
    assert not judged(sns_message(SHA256(), SNS_MEMBERS), "aws-sns-v1").accepted
    assert judged(sns_message(SHA1(), SNS_MEMBERS), "aws-sns-v1").accepted


@pytest.mark.parametrize("name", ["MessageId", "TopicArn", "Timestamp", "Token", "SubscribeURL"])
def test_a_line_ends_in_prose_only(name: str) -> None:
    """Else one signed text could be read as two messages."""
    members = QUESTION if name in ("Token", "SubscribeURL") else SNS_MEMBERS
    assert judged(sns_message(SHA256(), {**members, name: "a\nb"})).reason is Reason.MALFORMED_CREDENTIAL


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", Reason.MISSING_CREDENTIAL),
        (b"no json", Reason.UNREADABLE_BODY),
        (b'{"Signature": "aGk="}', Reason.MALFORMED_CREDENTIAL),
        (b'{"Signature": "aGk=", "Timestamp": "x", "Type": ["Notification"]}', Reason.MALFORMED_CREDENTIAL),
        (b'{"Signature": "aGk=", "Timestamp": "x", "Type": "Other"}', Reason.MALFORMED_CREDENTIAL),
        (b'{"Signature": "aGk=", "Timestamp": "x", "Type": "Notification", "Message": 1}', Reason.MALFORMED_CREDENTIAL),
    ],
)
def test_what_is_no_message_is_refused(body: bytes, reason: Reason) -> None:
    assert judged(body).reason is reason


def test_a_member_that_stands_twice_is_not_chosen_from() -> None:
    body = sns_message(SHA256(), SNS_MEMBERS).replace(b'"Message": ', b'"Message": "other", "Message": ', 1)
    assert not judged(body).accepted


def test_id_and_type_are_signed_and_the_rest_of_the_body_is_not() -> None:
    covered = coverage(scheme("aws-sns"))
    assert (covered.body, covered.delivery_id, covered.event_type) == (False, True, True)


@pytest.mark.parametrize(
    ("topic", "host"),
    [
        (TOPIC, "sns.eu-west-1.amazonaws.com"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:a.fifo", "sns.us-gov-west-1.amazonaws.com"),
        ("arn:aws-cn:sns:cn-north-1:123456789012:a", "sns.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_host_of_a_confirmation_follows_from_the_endpoints_own_topic(topic: str, host: str) -> None:
    asked = confirmation(sns_message(SHA256(), {**QUESTION, "TopicArn": topic}), frozenset({topic}))
    assert asked is not None
    assert (asked.host, host_of(topic)) == (host, host)
    assert {name: value[0] for name, value in parse_qs(asked.form.decode()).items()} == {
        "Action": "ConfirmSubscription",
        "Version": "2010-03-31",
        "TopicArn": topic,
        "Token": QUESTION["Token"],
    }


def test_the_url_that_a_question_brings_along_is_not_looked_at() -> None:
    evil = {**QUESTION, "SubscribeURL": "http://169.254.169.254/latest/meta-data"}
    here, there = (confirmation(sns_message(SHA256(), each), TOPICS) for each in (QUESTION, evil))
    assert here == there


@pytest.mark.parametrize(
    "changes",
    [
        {"Type": "Notification"},
        {"Type": "UnsubscribeConfirmation"},
        {"TopicArn": "arn:aws:sns:eu-west-1:999999999999:orders"},
        {"Token": ""},
        {"Token": "a&Action=Publish"},
        {"Token": "a" * 513},
    ],
)
def test_nothing_else_is_confirmed(changes: dict[str, str]) -> None:
    assert confirmation(sns_message(SHA256(), {**QUESTION, **changes}), TOPICS) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sns": {}}, "sns.topics"),
        ({"sns": {"topics": []}}, "sns.topics"),
        ({"sns": {"topics": ["*"]}}, "sns.topics[0]"),
        ({"sns": {"topics": [TOPIC, "arn:aws:sns:evil.example/#:123456789012:a"]}}, "sns.topics[1]"),
        ({"sns": {"topics": ["arn:aws-iso:sns:us-iso-east-1:123456789012:a"]}}, "sns.topics[0]"),
        ({"sns": {"topics": [TOPIC], "confirm": "yes"}}, "sns.confirm"),
        ({"sns": {"topics": [TOPIC], "url": "https://a.example"}}, "sns"),
        ({"message": ["snsLines", "body"], "sns": None}, "message"),
        ({"message": ["method"], "sns": {"topics": [TOPIC]}}, "sns"),
        ({"type": "hmac", "algorithm": "sha256", "key": "utf8", "sns": None}, "message"),
    ],
)
def test_an_invalid_rule_names_its_member(changes: dict[str, Any], field: str) -> None:
    document = {name: value for name, value in {**scheme("aws-sns"), **changes}.items() if value is not None}
    with pytest.raises(InvalidDescriptor) as caught:
        parse(document)
    assert caught.value.error.field == field

"""Amazon SNS: the lines that it signs, and the one call that confirms a subscription.

Its key signs for every account there is, so a message counts only if it is about a topic that the endpoint names. What
a subscription is confirmed with is built from that topic and the message's token; the URL that a message brings along
is never looked at. Source: Amazon SNS, "Verifying the signatures of Amazon SNS messages" and "ConfirmSubscription".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from hookgate.scheme.body import read_json
from hookgate.scheme.descriptor import SNS_NOTIFICATION, SNS_SUBSCRIPTION
from hookgate.scheme.request import Reason

CONFIRMATION: Final = "SubscriptionConfirmation"

_SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "Notification": SNS_NOTIFICATION,
    CONFIRMATION: SNS_SUBSCRIPTION,
    "UnsubscribeConfirmation": SNS_SUBSCRIPTION,
}
#: What a message may lack.
_OPTIONAL: Final = "Subject"
#: Where a line may end inside. Anywhere else it would let one text be read as two messages.
_PROSE: Final = ("Message", "Subject")

_TOPIC = re.compile(
    r"arn:(?P<partition>aws(?:-[a-z]+)*):sns:(?P<region>[a-z0-9-]{3,32}):[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?"
)
_DOMAINS: Final = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
_TOKEN = re.compile(r"[A-Za-z0-9]{1,512}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A call that confirms a subscription: ``POST https://HOST/`` with a form."""

    host: str
    form: bytes


def is_topic(text: str) -> bool:
    """Tell whether a text is the ARN of a topic whose host is known."""
    match = _TOPIC.fullmatch(text)
    return match is not None and match["partition"] in _DOMAINS


def host_of(topic: str) -> str:
    """Return the host of SNS in the topic's region."""
    match = _TOPIC.fullmatch(topic)
    assert match is not None, "the grammar takes nothing else"
    return f"sns.{match['region']}.{_DOMAINS[match['partition']]}"


def signed_lines(document: Any) -> bytes | Reason:
    """Return what SNS signs of a message: names and values, each on a line of its own."""
    if not isinstance(document, Mapping):
        return Reason.UNREADABLE_BODY
    kind = document.get("Type")
    names = _SIGNED.get(kind) if isinstance(kind, str) else None
    if names is None:
        return Reason.MALFORMED_CREDENTIAL
    lines: list[str] = []
    for name in names:
        value = document.get(name)
        if value is None and name == _OPTIONAL:
            continue
        if not isinstance(value, str) or ("\n" in value and name not in _PROSE):
            return Reason.MALFORMED_CREDENTIAL
        lines.extend((name, value))
    try:
        return "".join(f"{line}\n" for line in lines).encode()
    except UnicodeEncodeError:  # a lone surrogate, written as an escape
        return Reason.MALFORMED_CREDENTIAL


def confirmation(body: bytes, topics: frozenset[str]) -> Confirmation | None:
    """Return the call that confirms the subscription of which an authentic ``body`` tells; None: it tells of none."""
    document = read_json(body)
    if not isinstance(document, Mapping) or document.get("Type") != CONFIRMATION:
        return None
    topic, token = document.get("TopicArn"), document.get("Token")
    if topic not in topics or not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return None
    form = {"Action": "ConfirmSubscription", "Version": "2010-03-31", "TopicArn": topic, "Token": token}
    return Confirmation(host=host_of(topic), form=urlencode(form).encode())

"""A sender that nobody foresaw needs a descriptor and no code: in hookgate.yaml, or in the endpoint itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from hookgate.config.load import parse_config
from hookgate.config.manifest import load_endpoint
from hookgate.model.parse import parse_endpoint
from hookgate.scheme.presets import Presets, Resolved, resolve
from hookgate.scheme.request import Reason
from hookgate.scheme.sign import sign
from hookgate.scheme.verify import coverage
from tests.scheme.acme import BODY, NEW, OLD, SCHEME, signed
from tests.scheme.kit import judge, key

NOW = 1_700_000_000.0
URL = "https://hooks.example.com/h/abcdefghijklmnopqrstuvwxyz234567"
CONFIGURATION = yaml.safe_dump(
    {
        "apiVersion": "config.hookgate.dev/v1alpha1",
        "kind": "HookgateConfiguration",
        "providers": {"acme": {"docs": "https://acme.example/webhooks", "scheme": {"type": "hmac", **SCHEME}}},
    }
)


def resolved(auth: Mapping[str, Any], configuration: str | None = None) -> Mapping[str, Any]:
    """The document that a manifest with this ``auth`` comes to."""
    target = {"service": {"name": "ci", "port": 8080}}
    manifest = {
        "apiVersion": "hookgate.dev/v1alpha1",
        "kind": "WebhookEndpoint",
        "metadata": {"name": "acme"},
        "spec": {"auth": dict(auth), "target": target},
    }
    presets = Presets.builtin()
    if configuration is not None:
        presets = presets.with_platform(parse_config(configuration, source="hookgate.yaml").providers)
    found = resolve(parse_endpoint(load_endpoint(manifest)).spec.auth, presets)
    assert isinstance(found, Resolved), found
    return found.document


WAYS = {
    "hookgate.yaml": resolved({"type": "hmac", "provider": "acme"}, CONFIGURATION),
    "spec.auth.hmac": resolved({"type": "hmac", "hmac": SCHEME}),
}
each_way = pytest.mark.parametrize("document", WAYS.values(), ids=WAYS.keys())


@each_way
def test_its_call_is_accepted_and_read(document: Mapping[str, Any]) -> None:
    verdict = judge(document, signed(URL, NOW, NEW), key(NEW), body=BODY, now=NOW, url=URL)
    assert (verdict.accepted, verdict.delivery_id, verdict.event_type) == (True, "d-1", "anvil.dropped")
    assert coverage(document).body


@each_way
@pytest.mark.parametrize("theirs", [(OLD,), (OLD, NEW), (NEW, OLD), (NEW,)])
@pytest.mark.parametrize("ours", [(OLD,), (NEW, OLD), (NEW,)])
def test_a_rotation_needs_one_secret_in_common_and_no_order(
    document: Mapping[str, Any], theirs: tuple[bytes, ...], ours: tuple[bytes, ...]
) -> None:
    keys = [key(value, name=f"k{n}") for n, value in enumerate(ours)]
    verdict = judge(document, signed(URL, NOW, *theirs), *keys, body=BODY, now=NOW, url=URL)
    assert verdict.accepted == bool(set(theirs) & set(ours))


@each_way
@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({"body": BODY + b" "}, Reason.WRONG_CREDENTIAL),
        ({"method": "PUT"}, Reason.WRONG_CREDENTIAL),
        ({"url": URL + "x"}, Reason.WRONG_CREDENTIAL),
        ({"query": b"more=1"}, Reason.WRONG_CREDENTIAL),
        ({"now": NOW + 121}, Reason.STALE),
        ({"now": NOW - 121}, Reason.STALE),
        ({"headers": signed(URL, NOW, b"somebody else's")}, Reason.WRONG_CREDENTIAL),
        ({"headers": signed(URL, NOW)}, Reason.WRONG_PREFIX),
        ({"headers": {}}, Reason.MISSING_CREDENTIAL),
        ({"headers": signed(URL, NOW, NEW) | {"Acme-Sent-At": "1700000000001"}}, Reason.WRONG_CREDENTIAL),
    ],
    ids=["body", "method", "url", "query", "old", "early", "secret", "later version", "unsigned", "timestamp"],
)
def test_whatever_differs_from_what_it_signed_is_refused(
    document: Mapping[str, Any], call: dict[str, Any], reason: Reason
) -> None:
    usual: dict[str, Any] = {"headers": signed(URL, NOW, NEW), "body": BODY, "now": NOW, "url": URL}
    given = usual | call
    headers = given.pop("headers")
    assert judge(document, headers, key(NEW), **given).reason is reason


@each_way
def test_one_bit_of_its_signature_matters(document: Mapping[str, Any]) -> None:
    headers = signed(URL, NOW, NEW)
    written = headers["Acme-Signatures"]
    significant = len(base64.b64encode(bytes(64)).rstrip(b"=")) - 1
    for index in range(len("a1="), len("a1=") + significant):
        changed = written[:index] + chr(ord(written[index]) ^ 1) + written[index + 1 :]
        verdict = judge(document, headers | {"Acme-Signatures": changed}, key(NEW), body=BODY, now=NOW, url=URL)
        assert not verdict.accepted


@each_way
def test_we_can_call_like_it(document: Mapping[str, Any]) -> None:
    """`hookgate send` signs by the same descriptor."""
    made = sign(document, NEW, body=BODY, now=NOW, url=URL, delivery_id="d-1")
    ours, theirs = dict(made.headers), signed(URL, NOW, NEW)
    assert ours["Acme-Signatures"] == theirs["Acme-Signatures"].partition(",")[0]
    assert {n: v for n, v in ours.items() if n != "Acme-Signatures"} == {
        n: v for n, v in theirs.items() if n != "Acme-Signatures"
    }

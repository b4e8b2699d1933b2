"""Specs for P7, over the fields of the CRD: some by hand, some from the corpus, the rest from the schema itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from hookgate.config.manifest import crd, load_endpoint
from hookgate.model.endpoint import InvalidSpec
from hookgate.model.parse import parse_endpoint
from tests.config.test_corpus import CASES, read
from tests.faults.stand import BARE_HOST, GATEWAY_HOST, HOST

Spec = dict[str, Any]

_POLICY = st.sampled_from(
    [
        {},
        {"rotate": "2026-11"},
        {"rotate": "2026-12", "overlap": "0s"},
        {"rotate": "x", "overlap": "720h"},
        {"ref": {"name": "mine"}},
        {"ref": {"name": "mine", "key": "other"}, "previousRefs": [{"name": "mine"}]},
        {"ref": {"name": "missing"}},
    ]
)
_SCHEMES = st.sampled_from(
    [
        {"type": "hmac", "provider": "github"},
        {"type": "hmac", "provider": "standard-webhooks"},
        {"type": "hmac", "hmac": {"header": "X-Signature"}},
        {"type": "hmac", "hmac": {"header": "X-Sig", "algorithm": "sha512", "encoding": "base64"}},
        {"type": "hmac", "provider": "unheard-of"},
        {"type": "token", "token": {"header": "X-Token"}},
        {"type": "token", "provider": "gitlab"},
    ]
)
_AUTH = st.builds(lambda scheme, policy: {**scheme, **({"secret": policy} if policy else {})}, _SCHEMES, _POLICY)
_OPEN = st.just({"type": "none"})
_GOOD_TARGETS = st.sampled_from(
    [
        {"service": {"name": "app", "port": 8080}},
        {"service": {"name": "app", "port": 8080, "path": "/hooks/in"}, "timeout": "60s"},
        {"url": "http://127.0.0.1:8000/in?x=1", "timeout": "100ms"},
    ]
)
_BAD_TARGETS = st.sampled_from(
    [
        {"service": {"name": "app", "port": 1}},
        {"service": {"name": "none", "port": 8080}},
        {"url": "https://elsewhere.example.com/"},
    ]
)
#: Most are good, here and among the hosts: an end that is refused tells little of the way to it.
_TARGETS = st.one_of(_GOOD_TARGETS, _GOOD_TARGETS, _GOOD_TARGETS, _BAD_TARGETS)
_HOSTS = st.sampled_from([*3 * (HOST, GATEWAY_HOST, BARE_HOST), "foreign.example.com"])
#: Every way of authentication that the corpus takes; most are refused here, for the platform allows few types.
_CORPUS = st.sampled_from([read(case)["spec"]["auth"] for case in CASES if case.valid and not case.is_yaml])
#: Members whose values have to fit what there is, so that they are chosen by hand.
_BY_HAND = ("auth", "target", "exposure", "secretName")
_SCHEMA: Mapping[str, Any] = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


_DURATIONS = ("0s", "100ms", "1s", "90s", "1m", "45m", "2h", "24h", "168h", "720h")


def drawn(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema of the CRD takes; its CEL rules may still refuse them."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case "array":
            return st.lists(drawn(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
        case "object":
            members = {name: drawn(member) for name, member in schema.get("properties", {}).items()}
            required = {name: members.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=members)
    rules = [each["rule"] for each in schema.get("x-kubernetes-validations", ())]
    if any("duration(self)" in rule for rule in rules):
        return st.sampled_from(_DURATIONS)
    found = next((m[1] for rule in rules if (m := re.match(r"self\.matches\(r?'([^']*)'\)", rule))), None)
    pattern = schema.get("pattern") or found
    texts = st.from_regex(pattern, fullmatch=True) if pattern else st.text(max_size=12)
    return texts.filter(lambda text: len(text) <= schema.get("maxLength", 4096))


def taken(spec: Spec) -> bool:
    """Whether an API server takes it."""
    head = {"apiVersion": "hookgate.dev/v1alpha1", "kind": "WebhookEndpoint", "metadata": {"name": "ci"}}
    try:
        parse_endpoint(load_endpoint({**head, "spec": spec}))
    except InvalidSpec:
        return False
    return True


#: Values that an API server takes, also such as the platform then refuses.
SPECS: st.SearchStrategy[Spec] = st.builds(
    lambda given, more: {**given, **more},
    st.fixed_dictionaries(
        {
            "auth": st.one_of(_AUTH, _AUTH, _AUTH, _OPEN, _CORPUS),
            "target": _TARGETS,
            # An endpoint keeps the host of its URL, so each spec names one.
            "exposure": st.builds(
                lambda host, more: {"host": host, **more},
                _HOSTS,
                st.sampled_from([{}, {"rotateURL": "1"}, {"rotateURL": "2", "overlap": "0s"}]),
            ),
        }
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "secretName": st.sampled_from(["elsewhere", "ci-webhook", "mine"]),
            **{n: drawn(member) for n, member in _SCHEMA["properties"].items() if n not in _BY_HAND},
        },
    ),
).filter(taken)

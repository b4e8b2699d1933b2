"""hookgate.yaml: what it becomes, and every way in which it can be wrong."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookgate.config.load import InvalidConfig, default_config, parse_config
from hookgate.config.platform import (
    Exposure,
    FixedReceivers,
    Host,
    ManagedReceivers,
    PlatformConfig,
    UrlTarget,
)
from hookgate.model.endpoint import AuthType
from hookgate.model.grammar import HttpUrl

HEAD = {"apiVersion": "config.hookgate.dev/v1alpha1", "kind": "HookgateConfiguration"}


def parsed(**members: Any) -> PlatformConfig:
    return parse_config(yaml.safe_dump({**HEAD, **members}), source="hookgate.yaml")


def errors_of(text: str) -> list[str]:
    """Return the errors of a text that is refused."""
    with pytest.raises(InvalidConfig) as caught:
        parse_config(text, source="hookgate.yaml")
    return list(caught.value.errors)


def errors(**members: Any) -> list[str]:
    """Return the errors of a configuration, without the name of the file that each begins with."""
    found = errors_of(yaml.safe_dump({**HEAD, **members}))
    assert all(error.startswith("hookgate.yaml: ") for error in found)
    return [error.removeprefix("hookgate.yaml: ") for error in found]


def a_host(**members: Any) -> dict[str, Any]:
    return {"name": "a.example", "exposure": "none", **members}


def test_a_file_that_says_nothing_changes_nothing() -> None:
    """Its head alone is the default configuration."""
    assert parsed() == default_config()


def test_everything_is_read() -> None:
    """Every member of the file arrives where it belongs."""
    text = """
    apiVersion: config.hookgate.dev/v1alpha1
    kind: HookgateConfiguration
    hosts:
    - name: hooks.example.com
      namespaces: [team-a, "ci-*"]
      exposure: ingress
      className: nginx
      annotations: {example.com/rate: "5"}
      tlsSecretName: hooks-tls
    - name: gw.example.com
      port: 8443
      namespaces: ["*"]
      exposure: gateway
      parentRefs: [{name: public, namespace: gateways, sectionName: https}]
    - {name: localhost, scheme: http, port: 8080, exposure: none}
    auth: {allowedTypes: [hmac, none]}
    limits: {maxEndpointsPerNamespace: 7, maxBodyBytes: 2048}
    targets: {urls: [{prefix: "https://ci.example.com/hooks", namespaces: [team-a]}]}
    receiver: {managed: {image: registry.example/hookgate:1, replicas: 3}, service: {name: front, port: 8000}}
    providers: {ours: {type: hmac}}
    """
    target = HttpUrl(scheme="https", host="ci.example.com", port=443, path="/hooks")
    assert parse_config(text, source="hookgate.yaml") == PlatformConfig(
        hosts=(
            Host(
                name="hooks.example.com",
                exposure=Exposure.INGRESS,
                namespaces=("team-a", "ci-*"),
                class_name="nginx",
                annotations={"example.com/rate": "5"},
                tls_secret="hooks-tls",
            ),
            Host(
                name="gw.example.com",
                exposure=Exposure.GATEWAY,
                port=8443,
                namespaces=("*",),
                parent_refs=({"name": "public", "namespace": "gateways", "sectionName": "https"},),
            ),
            Host(name="localhost", exposure=Exposure.NONE, scheme="http", port=8080),
        ),
        allowed_types=frozenset({AuthType.HMAC, AuthType.NONE}),
        max_endpoints=7,
        max_body_bytes=2048,
        url_targets=(UrlTarget(prefix=target, namespaces=("team-a",)),),
        receivers=ManagedReceivers(image="registry.example/hookgate:1", replicas=3),
        service_name="front",
        service_port=8000,
        providers={"ours": {"type": "hmac"}},
    )


def test_receivers_may_be_fixed() -> None:
    """Addresses lose the slash at their end, so that a path can be put behind them."""
    receiver = {"addresses": ["http://10.0.0.7:9090/", "http://receiver:9090"]}
    assert parsed(receiver=receiver).receivers == FixedReceivers(
        addresses=("http://10.0.0.7:9090", "http://receiver:9090")
    )


@pytest.mark.parametrize(("scheme", "port"), [("https", 443), ("http", 80)])
def test_the_schemes_own_port_is_not_told(scheme: str, port: int) -> None:
    """One URL has one spelling."""
    assert parsed(hosts=[a_host(scheme=scheme, port=port)]).hosts[0].base_url() == f"{scheme}://a.example"


def test_no_type_at_all_may_be_allowed() -> None:
    """An empty list is not a missing one."""
    assert parsed(auth={"allowedTypes": []}).allowed_types == frozenset()


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"apiVersion": "v1"}, "apiVersion: write config.hookgate.dev/v1alpha1"),
        ({"kind": "Config"}, "kind: write HookgateConfiguration"),
        (
            {"host": []},
            "host: remove this field, or correct its name: there are apiVersion, kind, hosts, exposure, auth, "
            "limits, targets, receiver, replay, providers",
        ),
        ({"hosts": {}}, "hosts: write a list"),
        ({"hosts": None}, "hosts: write a list"),
        ({"hosts": ["a.example"]}, "hosts[0]: write a mapping"),
        ({"hosts": [{"exposure": "none"}]}, "hosts[0].name: add this field; it is required"),
        ({"hosts": [{"name": "a.example"}]}, "hosts[0].exposure: add this field; it is required"),
        ({"hosts": [a_host(scheme="ftp")]}, "hosts[0].scheme: write one of https, http"),
        ({"hosts": [a_host(port=0)]}, "hosts[0].port: write a number of at least 1"),
        ({"hosts": [a_host(port=65536)]}, "hosts[0].port: write a number of at most 65535"),
        ({"hosts": [a_host(exposure="route")]}, "hosts[0].exposure: write one of ingress, gateway, none"),
        (
            {"hosts": [a_host(namespaces=["Team"])]},
            'hosts[0].namespaces[0]: not a namespace; write lower-case letters, digits and "-", with "*" and "?" as '
            "wildcards",
        ),
        (
            {"hosts": [a_host(namespaces=["[a-z]*"])]},
            'hosts[0].namespaces[0]: not a namespace; write lower-case letters, digits and "-", with "*" and "?" as '
            "wildcards",
        ),
        (
            {"hosts": [a_host(exposure="ingress", className="a b")]},
            'hosts[0].className: not the name of an IngressClass; write lower-case letters, digits, "-" and "."',
        ),
        (
            {"hosts": [a_host(exposure="ingress", tlsSecretName="../a")]},
            'hosts[0].tlsSecretName: not the name of a Secret; write lower-case letters, digits, "-" and "."',
        ),
        (
            {"hosts": [a_host(exposure="ingress", annotations={"a": 1})]},
            "hosts[0].annotations.a: write a string (put quotes around it if it looks like something else)",
        ),
        (
            {"hosts": [a_host(exposure="gateway")]},
            "hosts[0].parentRefs: no Gateway to attach to; list at least one",
        ),
        (
            {"hosts": [a_host(exposure="gateway", parentRefs=[{}])]},
            "hosts[0].parentRefs[0].name: add this field; it is required",
        ),
        (
            {"hosts": [a_host(exposure="ingress", parentRefs=[{"name": "g"}])]},
            "hosts[0].parentRefs: has no meaning with exposure ingress; remove it, or set exposure to gateway",
        ),
        (
            {"hosts": [a_host(className="nginx")]},
            "hosts[0].className: has no meaning with exposure none; remove it, or set exposure to ingress",
        ),
        (
            {"hosts": [a_host(annotations={"a": "b"})]},
            "hosts[0].annotations: has no meaning with exposure none; remove it, or set exposure to ingress or gateway",
        ),
        (
            {"hosts": [a_host(exposure="ingress", scheme="http", tlsSecretName="a")]},
            "hosts[0].tlsSecretName: has no meaning with http; remove it, or use https",
        ),
        (
            {"hosts": [a_host(exposure="ingress", name="10.0.0.1")]},
            "hosts[0].name: an address cannot be routed by name; write a DNS name",
        ),
        (
            {"hosts": [a_host(), a_host(name="b.example"), a_host(port=8443)]},
            "hosts[2].name: hosts[0] has the same name; keep one of them and list all namespaces there",
        ),
        (
            {"auth": {"allowedTypes": ["hmac", "magic"]}},
            "auth.allowedTypes[1]: not a type of authentication; write one of hmac, signature, token, basic, jwt, none",
        ),
        ({"auth": {"allowedTypes": ["hmac", "hmac"]}}, "auth.allowedTypes: list each only once"),
        ({"limits": {"maxBodyBytes": 10_485_761}}, "limits.maxBodyBytes: write a number of at most 10485760"),
        ({"limits": {"maxBodyBytes": True}}, "limits.maxBodyBytes: write a whole number"),
        ({"limits": {"maxEndpointsPerNamespace": -1}}, "limits.maxEndpointsPerNamespace: write a number of at least 0"),
        (
            {"targets": {"urls": [{"prefix": "https://a.example"}]}},
            "targets.urls[0].namespaces: add this field; it is required",
        ),
        (
            {"targets": {"urls": [{"prefix": "https://a.example", "namespaces": []}]}},
            "targets.urls[0].namespaces: list at least 1",
        ),
        (
            {"targets": {"urls": [{"prefix": "https://a.example/?a", "namespaces": ["*"]}]}},
            "targets.urls[0].prefix: a query cannot be allowed by its beginning; leave it out",
        ),
        (
            {"targets": {"urls": [{"prefix": "https://a.example/../", "namespaces": ["*"]}]}},
            'targets.urls[0].prefix: not a URL that can be allowed; write a path without "//" and without "." or ".." '
            "as a part",
        ),
        (
            {"receiver": {"managed": {}, "addresses": ["http://a:1"]}},
            "receiver: receivers are either managed or at fixed addresses; remove managed or addresses",
        ),
        ({"receiver": {"addresses": []}}, "receiver.addresses: list at least 1"),
        (
            {"receiver": {"addresses": ["http://a:1/livez"]}},
            "receiver.addresses[0]: not the address of a receiver; write a URL without a path, such as "
            "http://10.0.0.7:9090",
        ),
        ({"receiver": {"managed": {"replicas": 0}}}, "receiver.managed.replicas: write a number of at least 1"),
        (
            {"receiver": {"managed": {"replicas": 3, "autoscaling": {"maxReplicas": 9}}}},
            "receiver.managed.replicas: the number is left to autoscaling; remove replicas or autoscaling",
        ),
        (
            {"receiver": {"managed": {"autoscaling": {"minReplicas": 4, "maxReplicas": 3}}}},
            "receiver.managed.autoscaling.maxReplicas: less than minReplicas, which is 4; write at least as many",
        ),
        (
            {"receiver": {"managed": {"autoscaling": {"minReplicas": 1}}}},
            "receiver.managed.autoscaling.maxReplicas: add this field; it is required",
        ),
        (
            {"receiver": {"managed": {"resources": {"requests": {"cpu": "a lot"}}}}},
            "receiver.managed.resources.requests.cpu: not an amount of CPU; write thousandths such as 250m, or "
            'processors such as "2" or "0.5"',
        ),
        (
            {"receiver": {"managed": {"resources": {"limits": {"memory": 300}}}}},
            "receiver.managed.resources.limits.memory: not an amount of memory; write it in Ki, Mi or Gi, such as "
            "256Mi",
        ),
        (
            {"receiver": {"managed": {"resources": {"limits": {"cpu": 0}}}}},
            "receiver.managed.resources.limits.cpu: nothing runs with none of it; write more, or leave it out",
        ),
        (
            {"receiver": {"managed": {"resources": {"requests": {"memory": "1Gi"}}}}},
            "receiver.managed.resources.limits.memory: less than what is requested, which is 1Gi; write at least as "
            "much",
        ),
        ({"exposure": {"granularity": "host"}}, "exposure.granularity: write one of endpoint, shared"),
        (
            {"receiver": {"service": {"name": "a.b"}}},
            'receiver.service.name: not the name of a Service; write lower-case letters, digits and "-"',
        ),
        ({"providers": {"ours": 3}}, "providers.ours: write a mapping"),
        (
            {"providers": {"Ours": {}}},
            'providers: the name of a preset has only lower-case letters, digits and "-"; rename it',
        ),
    ],
)
def test_a_mistake_is_told_with_its_field_and_what_to_do(members: dict[str, Any], error: str) -> None:
    """Every rule of the file has its own words."""
    assert errors(**members) == [error]


@pytest.mark.parametrize(
    "name", ["*.example.com", "A.example", "a.example:443", "a_b.example", "", "a.example\n", "a..b"]
)
def test_a_host_has_a_plain_dns_name(name: str) -> None:
    """No wildcard, port, capital, underscore, newline or empty label."""
    message = "not a host name; write a lower-case DNS name without a port, path or wildcard"
    assert errors(hosts=[a_host(name=name)]) == [f"hosts[0].name: {message}"]


def test_all_mistakes_are_told_at_once() -> None:
    """A broken part does not hide the mistakes of the others, and none is told twice."""
    found = errors(
        hosts=[a_host(), a_host(x=1), a_host(exposure="gateway"), 3],
        limits=3,
        targets={"urls": [{"prefix": "a"}, {"prefix": "ftp://a", "namespaces": ["*"]}]},
        receiver={"addresses": ["a"], "managed": {}},
    )
    assert [error.partition(": ")[0] for error in found] == [
        "hosts[1].x",
        "hosts[3]",
        "limits",
        "targets.urls[0].namespaces",
        "hosts[2].name",
        "hosts[2].parentRefs",
        "targets.urls[1].prefix",
        "receiver",
        "receiver.addresses[0]",
    ]


def test_no_yaml_is_told_with_its_line() -> None:
    """A syntax error names the file and the line."""
    assert errors_of("hosts: [\n") == ["hookgate.yaml: line 2: expected the node content, but found '<stream end>'"]


def test_a_key_twice_is_refused() -> None:
    """The second list of hosts would silently win."""
    assert errors_of("hosts: []\nhosts: []\n") == ["hookgate.yaml: line 2: the key 'hosts' stands twice; keep one"]


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a: 1\n---\nb: 2\n", 2)])
def test_a_file_is_one_document(text: str, count: int) -> None:
    """None or several documents are refused."""
    assert errors_of(text) == [f"hookgate.yaml: {count} YAML documents; write exactly one"]


@pytest.mark.parametrize("text", ["3", "[]", "text", "{1: 2}", "a: &a [*a]", "a: .nan"])
def test_a_file_is_a_mapping_of_plain_values(text: str) -> None:
    """What JSON cannot say is no configuration."""
    assert errors_of(text) != []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["*", "none", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
HOST = st.fixed_dictionaries(
    {"name": st.sampled_from(["a.example", "b.example"]) | ANYTHING, "exposure": st.sampled_from(Exposure).map(str)},
    optional=dict.fromkeys(("scheme", "port", "namespaces", "parentRefs", "annotations", "className"), ANYTHING),
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "hosts": st.lists(HOST | ANYTHING, max_size=3) | ANYTHING,
            "auth": st.fixed_dictionaries({"allowedTypes": ANYTHING}) | ANYTHING,
            "targets": st.fixed_dictionaries({"urls": ANYTHING}) | ANYTHING,
            "receiver": st.fixed_dictionaries({}, optional={"addresses": ANYTHING, "managed": ANYTHING}) | ANYTHING,
            "limits": ANYTHING,
            "providers": ANYTHING,
        },
    )
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_near_a_configuration_does_anything_but_pass_or_be_invalid(members: dict[str, Any]) -> None:
    """No file can crash the operator."""
    try:
        told: PlatformConfig | tuple[str, ...] = parsed(**members)
    except InvalidConfig as error:
        told = error.errors
    assert told != ()

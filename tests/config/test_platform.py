"""The questions that a platform's configuration answers."""

from __future__ import annotations

import pytest

from hookgate.config.load import default_config
from hookgate.config.platform import Exposure, Host, ManagedReceivers, PlatformConfig, UrlTarget
from hookgate.model.endpoint import AuthType
from hookgate.model.grammar import HttpUrl, split_url


def host(name: str, *namespaces: str) -> Host:
    return Host(name=name, exposure=Exposure.NONE, namespaces=namespaces)


def allowing(prefix: str, *namespaces: str) -> PlatformConfig:
    """Return a configuration with one url target."""
    parts = split_url(prefix)
    assert isinstance(parts, HttpUrl)
    return PlatformConfig(url_targets=(UrlTarget(prefix=parts, namespaces=namespaces or ("*",)),))


def test_without_a_file_nobody_is_reached() -> None:
    """No host, no url target, no unauthenticated endpoint: everything has to be allowed first."""
    config = default_config()
    assert config.host_for("team-a", None) is None
    assert config.may_target("team-a", "https://ci.example.com/") is False
    assert config.allowed_types == frozenset(AuthType) - {AuthType.NONE, AuthType.ANY_OF}
    assert (config.max_endpoints, config.max_body_bytes) == (100, 10_485_760)
    assert config.receivers == ManagedReceivers(image=None, replicas=2)
    assert (config.service_name, config.service_port) == ("hookgate-receiver", 80)


@pytest.mark.parametrize(
    ("scheme", "port", "url"),
    [
        ("https", None, "https://a.example"),
        ("https", 8443, "https://a.example:8443"),
        ("http", None, "http://a.example"),
    ],
)
def test_a_host_begins_its_urls(scheme: str, port: int | None, url: str) -> None:
    """The base URL has no slash at its end and tells a port only if there is one."""
    assert Host(name="a.example", exposure=Exposure.NONE, scheme=scheme, port=port).base_url() == url


@pytest.mark.parametrize(
    ("pattern", "namespace", "allowed"),
    [
        ("team-a", "team-a", True),
        ("team-a", "team-ab", False),
        ("team-a", "a-team-a", False),
        ("team-*", "team-a", True),
        ("team-*", "team-", True),
        ("team-*", "team", False),
        ("team-?", "team-a", True),
        ("team-?", "team-ab", False),
        ("*", "anything", True),
    ],
)
def test_a_host_is_for_the_namespaces_that_match(pattern: str, namespace: str, allowed: bool) -> None:
    """A pattern speaks of the whole name."""
    assert host("a.example", "elsewhere", pattern).allows(namespace) is allowed


def test_a_host_without_namespaces_is_for_nobody() -> None:
    """Namespaces have to be listed."""
    assert host("a.example").allows("team-a") is False


HOSTS = PlatformConfig(hosts=(host("a.example", "team-a"), host("b.example", "team-*"), host("c.example", "*")))


@pytest.mark.parametrize(
    ("namespace", "requested", "name"),
    [
        ("team-a", None, "a.example"),
        ("team-b", None, "b.example"),
        ("other", None, "c.example"),
        ("team-a", "b.example", "b.example"),
        ("team-b", "a.example", None),
        ("team-a", "d.example", None),
        ("team-a", "", None),
    ],
)
def test_an_endpoint_gets_the_host_it_asks_for_or_the_first(
    namespace: str, requested: str | None, name: str | None
) -> None:
    """A host that is not offered to the namespace is none, and no other takes its place."""
    found = HOSTS.host_for(namespace, requested)
    assert (found.name if found else None) == name


def test_a_host_that_is_withdrawn_is_none() -> None:
    """An endpoint that asks for a host keeps asking for it after the platform took it away."""
    after = PlatformConfig(hosts=HOSTS.hosts[1:])
    assert after.host_for("team-a", "a.example") is None


@pytest.mark.parametrize(
    ("prefix", "url", "allowed"),
    [
        ("https://ci.example.com", "https://ci.example.com", True),
        ("https://ci.example.com", "https://ci.example.com/a/b?c", True),
        ("https://ci.example.com/", "https://ci.example.com/a", True),
        ("https://ci.example.com", "https://ci.example.com:443/a", True),
        ("https://ci.example.com:8443", "https://ci.example.com:8443/a", True),
        ("https://ci.example.com/hooks", "https://ci.example.com/hooks", True),
        ("https://ci.example.com/hooks", "https://ci.example.com/hooks?a", True),
        ("https://ci.example.com/hooks", "https://ci.example.com/hooks/a", True),
        ("https://ci.example.com/hooks/", "https://ci.example.com/hooks/", True),
        ("https://ci.example.com/hooks/", "https://ci.example.com/hooks/a", True),
        ("https://ci.example.com/hooks/", "https://ci.example.com/hooks", False),
        ("https://ci.example.com/hooks", "https://ci.example.com/hooks-of-others", False),
        ("https://ci.example.com/hooks", "https://ci.example.com/Hooks", False),
        ("https://ci.example.com/hooks", "https://ci.example.com/hooks/../admin", False),
        ("https://ci.example.com/hooks", "https://ci.example.com/hooks/%2e%2e/admin", False),
        ("https://ci.example.com/hooks", "https://ci.example.com/hooks//evil", False),
        ("https://ci.example.com", "http://ci.example.com/", False),
        ("https://ci.example.com", "https://ci.example.com:8443/", False),
        ("https://ci.example.com", "http://ci.example.com:443/", False),
        ("https://ci.example.com", "https://ci.example.com.evil.example/", False),
        ("https://ci.example.com", "https://ci.example.com@evil.example/", False),
        ("https://ci.example.com", "https://evil.example/https://ci.example.com", False),
        ("https://ci.example.com", "https://evil.example?https://ci.example.com", False),
        ("https://ci.example.com", "https://ci.example.com\\.evil.example/", False),
        ("https://ci.example.com", "https://sub.ci.example.com/", False),
        ("http://127.0.0.1", "http://2130706433/", False),
        ("https://ci.example.com", "", False),
    ],
)
def test_a_url_is_allowed_part_by_part(prefix: str, url: str, allowed: bool) -> None:
    """Scheme, host and port are equal; a path begins with whole segments of the prefix."""
    assert allowing(prefix).may_target("team-a", url) is allowed


def test_a_url_is_allowed_to_the_namespaces_of_its_entry() -> None:
    """Another entry's namespaces do not count."""
    config = PlatformConfig(
        url_targets=(
            *allowing("https://a.example", "team-a").url_targets,
            *allowing("https://b.example", "team-b").url_targets,
        )
    )
    answers = [
        config.may_target(ns, url) for ns in ("team-a", "team-b") for url in ("https://a.example", "https://b.example")
    ]
    assert answers == [True, False, False, True]

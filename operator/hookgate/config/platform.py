"""What a platform allows its tenants: hosts, types, sizes, targets; and where its receivers are.

Values and questions only. This module may not know the file that the values come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from hookgate.model.endpoint import AuthType
from hookgate.model.grammar import HttpUrl, split_url
from hookgate.model.rate import Rate


class Exposure(StrEnum):
    """How a host's traffic gets to the receivers. ``NONE``: the platform routes it by means of its own."""

    INGRESS = "ingress"
    GATEWAY = "gateway"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host name that endpoints may be reached at.

    ``namespaces`` are patterns in which ``*`` and ``?`` stand for any characters and any one; empty: nobody may use
    the host. ``port`` None is the scheme's own. What does not belong to ``exposure`` is empty.
    """

    name: str
    exposure: Exposure
    scheme: str = "https"
    port: int | None = None
    namespaces: tuple[str, ...] = ()
    class_name: str | None = None
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    tls_secret: str | None = None
    parent_refs: tuple[Mapping[str, Any], ...] = ()

    def base_url(self) -> str:
        """Return the front part of the host's URLs, such as ``https://hooks.example.com:8443``."""
        return f"{self.scheme}://{self.name}{'' if self.port is None else f':{self.port}'}"

    def allows(self, namespace: str) -> bool:
        """Tell whether endpoints in ``namespace`` may use the host."""
        return _any_matches(self.namespaces, namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlTarget:
    """URLs that some namespaces may have their calls forwarded to: this one, and all below it.

    A path that ends in "/" is a folder: it takes in what is below it and not the path without the slash.
    """

    prefix: HttpUrl
    namespaces: tuple[str, ...] = ()

    def covers(self, namespace: str, url: HttpUrl) -> bool:
        """Tell whether ``namespace`` may target ``url`` by this entry."""
        origin = (self.prefix.scheme, self.prefix.host, self.prefix.port)
        if origin != (url.scheme, url.host, url.port) or not _any_matches(self.namespaces, namespace):
            return False
        return url.path == self.prefix.path or url.path.startswith(f"{self.prefix.path.removesuffix('/')}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaling:
    """How many receivers there may be, and the share of their requested CPU to aim at, in percent."""

    least: int = 2
    most: int
    target: int = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverTls:
    """Secrets beside the receivers: ``secret`` has tls.crt and tls.key; ``client_ca`` has ca.crt, None: for anybody."""

    secret: str
    client_ca: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedReceivers:
    """Receivers that the operator runs as a Deployment. ``image`` None is the operator's own.

    With ``autoscaling`` their number is not the operator's. ``requests`` and ``limits`` are quantities as the API
    server writes them. Without ``tls`` they speak plain HTTP, for the proxy in front.
    """

    image: str | None = None
    replicas: int = 2
    autoscaling: Autoscaling | None = None
    requests: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({"cpu": "100m", "memory": "128Mi"}))
    limits: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({"memory": "256Mi"}))
    tls: ReceiverTls | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedReceivers:
    """Receivers that somebody else runs: the base URLs of their private ports."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What stands between senders and receivers, as far as it is to be believed about where a call comes from.

    ``proxies`` are networks, or ``hops`` is how many proxies there are whose addresses nobody knows. With
    ``proxy_protocol`` connections from ``proxies`` begin with that protocol's header. ``connections`` is how many each
    other address may have; None: as receivers see fit.
    """

    proxies: tuple[str, ...] = ()
    hops: int = 0
    proxy_protocol: bool = False
    connections: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayStore:
    """Where receivers share what they remember of calls. ``secret`` is a Secret beside them with its credentials."""

    url: str
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformConfig:
    """The platform's decisions. The defaults allow nobody to be reached anywhere.

    ``max_endpoints`` counts per namespace; ``max_body_bytes`` is the ceiling for what endpoints ask for. ``rate`` and
    ``max_in_flight`` are such ceilings too, and hold for endpoints that ask for nothing; None: there is none.
    ``denied_targets`` are networks that no target may be in, whoever allowed it.
    ``shared_routes``: one route for each host instead of one for each endpoint.
    ``providers`` are presets of the platform's own, unread here. ``private_issuers`` are issuers of tokens whose
    addresses need not be public. ``confirm_subscriptions`` lets receivers call Amazon SNS where an endpoint asks for
    it. Without ``replay_store`` every receiver remembers calls for itself.
    """

    hosts: tuple[Host, ...] = ()
    allowed_types: frozenset[AuthType] = frozenset(AuthType) - {AuthType.NONE, AuthType.ANY_OF}
    private_issuers: tuple[HttpUrl, ...] = ()
    confirm_subscriptions: bool = False
    max_endpoints: int = 100
    max_body_bytes: int = 10_485_760
    rate: Rate | None = None
    max_in_flight: int | None = None
    url_targets: tuple[UrlTarget, ...] = ()
    denied_targets: tuple[str, ...] = ()
    receivers: ManagedReceivers | FixedReceivers = field(default_factory=ManagedReceivers)
    front: Front = field(default_factory=Front)
    service_name: str = "hookgate-receiver"
    service_port: int = 80
    shared_routes: bool = False
    replay_store: ReplayStore | None = None
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))

    def host_for(self, namespace: str, requested: str | None) -> Host | None:
        """Return the host that an endpoint in ``namespace`` gets: the one it asks for, else the first it may use.

        None: it may not use the one it asks for (which may not exist, or no longer), or there is none for it.
        """
        allowed = (host for host in self.hosts if host.allows(namespace))
        return next((host for host in allowed if requested in (None, host.name)), None)

    def may_target(self, namespace: str, url: str) -> bool:
        """Tell whether endpoints in ``namespace`` may forward to ``url``, which is taken apart first, strictly."""
        parts = split_url(url)
        return parts is not None and any(target.covers(namespace, parts) for target in self.url_targets)


def _any_matches(patterns: tuple[str, ...], namespace: str) -> bool:
    return any(fnmatchcase(namespace, pattern) for pattern in patterns)

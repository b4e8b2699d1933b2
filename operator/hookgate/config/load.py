"""From the text of hookgate.yaml to a `PlatformConfig`, or to every error in it at once.

The shape is data (schema.yaml); what spans several fields is judged here. This module may not know where the text
comes from: it is told a name for it, to put into errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, cast

import yaml

from hookgate.config.document import InvalidDocument, read_documents
from hookgate.config.platform import Exposure, Host, PlatformConfig, ReplayStore, UrlTarget
from hookgate.config.receivers import front_of, receiver_faults, receivers_of
from hookgate.config.schema import faults, plain_faults
from hookgate.model.endpoint import AuthType, FieldError
from hookgate.model.fields import Fields
from hookgate.model.grammar import ISSUER, NETWORK, URL, HttpUrl, split_url
from hookgate.model.parse import read_rate
from hookgate.model.rate import Rate
from hookgate.model.store import InvalidStore, parse_store

_DEFAULT_PORTS = MappingProxyType({"https": 443, "http": 80})


class InvalidConfig(ValueError):  # noqa: N818 -- the field's term, as in InvalidSpec
    """A configuration that cannot be used. ``errors`` is never empty: ``file: field: reason; what to do``."""

    def __init__(self, *errors: str) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def default_config() -> PlatformConfig:
    """Return what is in force without any file: no host is offered, so nobody can be reached."""
    return PlatformConfig()


def parse_config(text: str, *, source: str) -> PlatformConfig:
    """Read the text of a configuration; ``source`` is its name in errors.

    Raises `InvalidConfig` with every error found.
    """
    try:
        documents = read_documents(text)
    except InvalidDocument as error:
        raise InvalidConfig(*(f"{source}: {each}" for each in error.errors)) from None
    if len(documents) != 1:
        raise InvalidConfig(f"{source}: {len(documents)} YAML documents; write exactly one")
    document = documents[0]
    wrong = plain_faults(document)
    if not wrong:
        shape = faults(_schema(), document)
        wrong = [*shape, *_contradictions(document, {_part_of(fault.field) for fault in shape})]
    if wrong:
        raise InvalidConfig(*(": ".join(part for part in (source, each.field, each.message) if part) for each in wrong))
    return _config(document)


@cache
def _schema() -> dict[str, Any]:
    text = resources.files("hookgate.config").joinpath("schema.yaml").read_text("utf-8")
    return cast("dict[str, Any]", yaml.safe_load(text))


# What spans several fields ------------------------------------------------------------------------------------------


def _contradictions(document: Any, broken: set[str]) -> Iterator[FieldError]:
    """Judge every part of the document whose shape is right; ``broken`` names the others."""
    hosts = _sound(document, "hosts", broken)
    yield from _repeated_names(hosts)
    for part, host in hosts:
        yield from _host_faults(part, host)
    for part, target in _sound(_member(document, "targets"), "urls", broken, below="targets."):
        yield from _target_faults(part, target)
    if "auth" not in broken:
        yield from _type_faults(_member(document, "auth").get("allowedTypes", ()))
        yield from _issuer_faults(_member(document, "auth").get("privateIssuers", ()))
    if "targets" not in broken:
        yield from _denied_faults(_member(document, "targets").get("deny", ()))
    if "limits" not in broken:
        yield from _rate(_member(document, "limits"))[1]
    if "replay" not in broken:
        yield from _store_faults(_member(_member(document, "replay"), "store"))
    if "receiver" not in broken:
        yield from receiver_faults(_member(document, "receiver"))


def _part_of(field: str) -> str:
    """Return the part of the document that an error makes unreadable: one entry of a list, or a top-level member."""
    return field[: field.index("]") + 1] if field.startswith(("hosts[", "targets.urls[")) else field.partition(".")[0]


def _member(document: Any, name: str) -> Mapping[str, Any]:
    value = document.get(name) if isinstance(document, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _sound(holder: Any, name: str, broken: set[str], *, below: str = "") -> list[tuple[str, Mapping[str, Any]]]:
    items = holder.get(name) if isinstance(holder, Mapping) else None
    if not isinstance(items, list):
        return []
    named = ((f"{below}{name}[{i}]", item) for i, item in enumerate(items))
    return [(part, item) for part, item in named if part not in broken]


def _repeated_names(hosts: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[FieldError]:
    first: dict[str, str] = {}
    for part, host in hosts:
        before = first.setdefault(host["name"], part)
        if before != part:
            yield FieldError(
                field=f"{part}.name",
                message=f"{before} has the same name; keep one of them and list all namespaces there",
            )


def _host_faults(part: str, host: Mapping[str, Any]) -> Iterator[FieldError]:
    exposure = Exposure(host["exposure"])
    if exposure is Exposure.GATEWAY and not host.get("parentRefs"):
        yield FieldError(field=f"{part}.parentRefs", message="no Gateway to attach to; list at least one")
    owners = {
        "parentRefs": (Exposure.GATEWAY,),
        "className": (Exposure.INGRESS,),
        "tlsSecretName": (Exposure.INGRESS,),
        "annotations": (Exposure.INGRESS, Exposure.GATEWAY),
    }
    for name, allowed in owners.items():
        if host.get(name) and exposure not in allowed:
            meant = " or ".join(allowed)
            message = f"has no meaning with exposure {exposure}; remove it, or set exposure to {meant}"
            yield FieldError(field=f"{part}.{name}", message=message)
    if host.get("scheme") == "http" and host.get("tlsSecretName"):
        yield FieldError(field=f"{part}.tlsSecretName", message="has no meaning with http; remove it, or use https")
    if exposure is not Exposure.NONE and host["name"].replace(".", "").isdigit():
        yield FieldError(field=f"{part}.name", message="an address cannot be routed by name; write a DNS name")


def _target_faults(part: str, target: Mapping[str, Any]) -> Iterator[FieldError]:
    prefix = target["prefix"]
    fault = URL.fault(prefix)
    if fault:
        yield FieldError(field=f"{part}.prefix", message=f"not a URL that can be allowed; {fault}")
    elif "?" in prefix:
        yield FieldError(field=f"{part}.prefix", message="a query cannot be allowed by its beginning; leave it out")


def _type_faults(types: Iterable[str]) -> Iterator[FieldError]:
    known = [each.value for each in AuthType if each is not AuthType.ANY_OF]
    for i, name in enumerate(types):
        if name not in known:
            message = f"not a type of authentication; write one of {', '.join(known)}"
            yield FieldError(field=f"auth.allowedTypes[{i}]", message=message)


def _denied_faults(networks: Iterable[str]) -> Iterator[FieldError]:
    for i, network in enumerate(networks):
        fault = NETWORK.fault(network)
        if fault:
            yield FieldError(field=f"targets.deny[{i}]", message=fault)


def _issuer_faults(issuers: Iterable[str]) -> Iterator[FieldError]:
    for i, issuer in enumerate(issuers):
        fault = ISSUER.fault(issuer)
        if fault:
            yield FieldError(field=f"auth.privateIssuers[{i}]", message=f"not an issuer of tokens; {fault}")


def _store_faults(store: Mapping[str, Any]) -> Iterator[FieldError]:
    try:
        parse_store(store["url"])
    except KeyError:
        return  # there is none
    except InvalidStore as error:
        yield FieldError(field="replay.store.url", message=f"not the address of a store; {error}")


# Values ---------------------------------------------------------------------------------------------------------------


def _config(document: Mapping[str, Any]) -> PlatformConfig:
    usual = default_config()
    auth, limits, receiver = (_member(document, name) for name in ("auth", "limits", "receiver"))
    service = _member(receiver, "service")
    types = auth.get("allowedTypes")
    return PlatformConfig(
        hosts=tuple(_host(host) for host in document.get("hosts", ())),
        allowed_types=usual.allowed_types if types is None else frozenset(AuthType(each) for each in types),
        confirm_subscriptions=auth.get("confirmSubscriptions", False),
        private_issuers=tuple(cast("HttpUrl", split_url(each)) for each in auth.get("privateIssuers", ())),
        max_endpoints=int(limits.get("maxEndpointsPerNamespace", usual.max_endpoints)),
        max_body_bytes=int(limits.get("maxBodyBytes", usual.max_body_bytes)),
        rate=_rate(limits)[0],
        max_in_flight=limits.get("maxInFlight"),
        url_targets=tuple(_target(each) for each in _member(document, "targets").get("urls", ())),
        denied_targets=tuple(_member(document, "targets").get("deny", ())),
        receivers=receivers_of(receiver),
        front=front_of(receiver),
        service_name=service.get("name", usual.service_name),
        service_port=int(service.get("port", usual.service_port)),
        shared_routes=_member(document, "exposure").get("granularity") == "shared",
        replay_store=_store(_member(_member(document, "replay"), "store")),
        providers=MappingProxyType(dict(document.get("providers", {}))),
    )


def _rate(limits: Mapping[str, Any]) -> tuple[Rate | None, list[FieldError]]:
    """Return the rate, None where none is given, and what is wrong with it."""
    errors: list[FieldError] = []
    given = _member(limits, "rate")
    return (read_rate(Fields(given, "limits.rate", errors)) if given else None), errors


def _host(host: Mapping[str, Any]) -> Host:
    scheme = host.get("scheme", "https")
    port = host.get("port")
    return Host(
        name=host["name"],
        exposure=Exposure(host["exposure"]),
        scheme=scheme,
        # One URL has one spelling: the scheme's own port is never written out.
        port=None if port in (None, _DEFAULT_PORTS[scheme]) else int(port),
        namespaces=tuple(host.get("namespaces", ())),
        class_name=host.get("className"),
        annotations=MappingProxyType(dict(host.get("annotations", {}))),
        tls_secret=host.get("tlsSecretName"),
        parent_refs=tuple(MappingProxyType(dict(ref)) for ref in host.get("parentRefs", ())),
    )


def _target(target: Mapping[str, Any]) -> UrlTarget:
    return UrlTarget(prefix=cast("HttpUrl", split_url(target["prefix"])), namespaces=tuple(target["namespaces"]))


def _store(store: Mapping[str, Any]) -> ReplayStore | None:
    return ReplayStore(url=store["url"], secret=store.get("secretName")) if store else None

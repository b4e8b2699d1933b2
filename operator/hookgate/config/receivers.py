"""The part of hookgate.yaml that says how receivers run: what is wrong with it, and what it becomes.

Its shape is judged before, by schema.yaml. Amounts of CPU and memory become what the API server makes of them: what
is compared with its objects must be spelled as it spells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from hookgate.config.platform import Autoscaling, FixedReceivers, Front, ManagedReceivers, ReceiverTls
from hookgate.model.endpoint import FieldError
from hookgate.model.grammar import NETWORK, split_url

_UNITS = ("Ki", "Mi", "Gi")
#: What says what stands in front of receivers, and the option of `hookgate receiver` for the same.
_OPTIONS = MappingProxyType(
    {
        "trustedProxies": "--trusted-proxies",
        "trustedHops": "--trusted-hops",
        "proxyProtocol": "--proxy-protocol",
        "connectionsPerAddress": "--connections-per-address",
    }
)
_Document = Mapping[str, Any]


def receiver_faults(receiver: _Document) -> Iterator[FieldError]:
    """Judge what spans several fields of the member ``receiver``."""
    if "managed" in receiver and "addresses" in receiver:
        message = "receivers are either managed or at fixed addresses; remove managed or addresses"
        yield FieldError(field="receiver", message=message)
    for i, address in enumerate(receiver.get("addresses", ())):
        parts = split_url(address)
        if parts is None or parts.path != "/" or "?" in address:
            message = "not the address of a receiver; write a URL without a path, such as http://10.0.0.7:9090"
            yield FieldError(field=f"receiver.addresses[{i}]", message=message)
    yield from _managed_faults(receiver.get("managed", {}))
    yield from _front_faults(receiver)


def receivers_of(receiver: _Document) -> ManagedReceivers | FixedReceivers:
    """Return what the member ``receiver``, in which nothing is wrong, asks for."""
    if "addresses" in receiver:
        return FixedReceivers(addresses=tuple(address.removesuffix("/") for address in receiver["addresses"]))
    managed, usual = receiver.get("managed", {}), ManagedReceivers()
    return ManagedReceivers(
        image=managed.get("image"),
        replicas=int(managed.get("replicas", usual.replicas)),
        autoscaling=_autoscaling(managed["autoscaling"]) if "autoscaling" in managed else None,
        requests=_amounts(managed, "requests", usual.requests),
        limits=_amounts(managed, "limits", usual.limits),
        tls=_tls(managed["tls"]) if "tls" in managed else None,
    )


def _tls(tls: _Document) -> ReceiverTls:
    return ReceiverTls(secret=tls["secretName"], client_ca=tls.get("clientCASecretName"))


def front_of(receiver: _Document) -> Front:
    """Return what the member ``receiver``, in which nothing is wrong, says of what stands in front."""
    return Front(
        proxies=tuple(receiver.get("trustedProxies", ())),
        hops=int(receiver.get("trustedHops", 0)),
        proxy_protocol=bool(receiver.get("proxyProtocol")),
        connections=receiver.get("connectionsPerAddress"),
    )


def _front_faults(receiver: _Document) -> Iterator[FieldError]:
    for i, network in enumerate(receiver.get("trustedProxies", ())):
        fault = NETWORK.fault(network)
        if fault:
            yield FieldError(field=f"receiver.trustedProxies[{i}]", message=fault)
    if "trustedProxies" in receiver and "trustedHops" in receiver:
        message = "proxies are known by their addresses or by their number; remove trustedHops or trustedProxies"
        yield FieldError(field="receiver.trustedHops", message=message)
    if receiver.get("proxyProtocol") and "trustedProxies" not in receiver:
        message = "its header is believed only from trustedProxies; list them"
        yield FieldError(field="receiver.proxyProtocol", message=message)
    for name in _OPTIONS if "addresses" in receiver else ():
        if name in receiver:
            message = f"has no meaning with addresses; remove it, and start those receivers with {_OPTIONS[name]}"
            yield FieldError(field=f"receiver.{name}", message=message)


def _managed_faults(managed: _Document) -> Iterator[FieldError]:
    if "autoscaling" in managed:
        if "replicas" in managed:
            message = "the number is left to autoscaling; remove replicas or autoscaling"
            yield FieldError(field="receiver.managed.replicas", message=message)
        scaling = _autoscaling(managed["autoscaling"])
        if scaling.most < scaling.least:
            message = f"less than minReplicas, which is {scaling.least}; write at least as many"
            yield FieldError(field="receiver.managed.autoscaling.maxReplicas", message=message)
    usual = ManagedReceivers()
    requests, limits = _amounts(managed, "requests", usual.requests), _amounts(managed, "limits", usual.limits)
    for part, given in (("requests", requests), ("limits", limits)):
        for name, amount in given.items():
            if _size(amount) == 0:
                message = "nothing runs with none of it; write more, or leave it out"
                yield FieldError(field=f"receiver.managed.resources.{part}.{name}", message=message)
    for name, limit in limits.items():
        if 0 < _size(limit) < _size(requests.get(name, "0")):
            message = f"less than what is requested, which is {requests[name]}; write at least as much"
            yield FieldError(field=f"receiver.managed.resources.limits.{name}", message=message)


def _autoscaling(given: _Document) -> Autoscaling:
    usual = Autoscaling(most=int(given["maxReplicas"]))
    return replace(
        usual,
        least=int(given.get("minReplicas", usual.least)),
        target=int(given.get("targetCPUUtilizationPercentage", usual.target)),
    )


def _amounts(managed: _Document, part: str, usual: Mapping[str, str]) -> Mapping[str, str]:
    given = managed.get("resources", {}).get(part, {})
    return MappingProxyType({**usual, **{name: canonical(str(amount)) for name, amount in given.items()}})


def canonical(amount: str) -> str:
    """Return an amount of CPU or memory in the one spelling that the API server gives back."""
    unit = amount[-2:]
    if unit in _UNITS:
        number, place = int(amount[:-2]), _UNITS.index(unit)
        while number and number % 1024 == 0 and place + 1 < len(_UNITS):
            number, place = number // 1024, place + 1
        return f"{number}{_UNITS[place]}" if number else "0"
    thousandths = int(amount[:-1]) if amount.endswith("m") else int(Decimal(amount) * 1000)
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def _size(amount: str) -> Decimal:
    """Return an amount as a number that can be compared."""
    if amount[-2:] in _UNITS:
        return Decimal(int(amount[:-2]) << 10 * (_UNITS.index(amount[-2:]) + 1))
    return Decimal(amount[:-1]) / 1000 if amount.endswith("m") else Decimal(amount)

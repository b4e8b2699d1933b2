"""`hookgate status`: how an installation is: who leads, which receivers are ready, how the endpoints are."""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hookgate.cli.cluster_place import open_api, told
from hookgate.cli.exits import Exit
from hookgate.cli.tables import row_of
from hookgate.control.deployment import NAME as RECEIVER
from hookgate.control.installation import NAME as STATUS
from hookgate.control.installation import conditions_in
from hookgate.control.uninstall import LEASE
from hookgate.kube.api import CONFIGMAPS, DEPLOYMENTS, LEASES, WEBHOOKENDPOINTS, Api, ApiError, Resource

Object = Mapping[str, Any]

_OPERATOR = "hookgate-operator"
#: A leader that has not renewed for so many times the lease's duration is gone; clocks of two machines may differ.
_DURATIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is said about one part; ``well``: whether it is as it should be."""

    part: str
    text: str
    well: bool
    details: tuple[str, ...] = ()


def run(options: argparse.Namespace) -> int:
    """Tell how the installation is; not ready unless an operator leads and everything that should run does."""
    lines = asyncio.run(_run(options))
    for line in lines:
        print(f"{line.part + ':':<11} {line.text}")
        for detail in line.details:
            print(f"{'':<11}   {detail}")
    return Exit.DONE if all(line.well for line in lines) else Exit.REFUSED


async def _run(options: argparse.Namespace) -> list[Line]:
    namespace = options.system_namespace
    async with open_api(kubeconfig=options.kubeconfig, context=options.context) as api:
        with told(WEBHOOKENDPOINTS):
            endpoints, _ = await api.list(WEBHOOKENDPOINTS)
        lease = await _read(api, LEASES, LEASE, namespace)
        operator = await _read(api, DEPLOYMENTS, _OPERATOR, namespace)
        receivers = await _read(api, DEPLOYMENTS, RECEIVER, namespace)
        told_of = await _read(api, CONFIGMAPS, STATUS, namespace)
    return [
        leader(lease, datetime.now(UTC)),
        workload("operator", operator, "no Deployment: it runs elsewhere"),
        receiver_line(receivers, told_of),
        population(endpoints),
    ]


async def _read(api: Api, resource: Resource, name: str, namespace: str) -> Object | str | None:
    """Return an object, None where there is none, or why it cannot be read. Raises `Stop` where nothing can be."""
    try:
        return await api.get(resource, name, namespace)
    except ApiError as error:
        if error.forbidden:
            return f"you may not read {resource.plural} in {namespace}"
        with told(resource):
            raise


def leader(lease: Object | str | None, now: datetime) -> Line:
    """Return who leads, by the Lease."""
    if isinstance(lease, str):
        return Line(part="leader", text=f"unknown: {lease}", well=True)
    spec = (lease or {}).get("spec") or {}
    holder = spec.get("holderIdentity")
    if not holder:
        return Line(part="leader", text="none: no operator works", well=False)
    renewed = datetime.fromisoformat(str(spec.get("renewTime")).replace("Z", "+00:00"))
    if (now - renewed).total_seconds() > _DURATIONS * int(spec.get("leaseDurationSeconds") or 0):
        return Line(part="leader", text=f"none: {holder} was last heard of at {renewed:%Y-%m-%dT%H:%M:%SZ}", well=False)
    return Line(part="leader", text=str(holder), well=True)


def workload(part: str, deployment: Object | str | None, missing: str) -> Line:
    """Return how many pods of a Deployment are ready, and what its conditions complain about."""
    if deployment is None or isinstance(deployment, str):
        return Line(part=part, text=f"unknown: {deployment}" if deployment else missing, well=True)
    status, desired = deployment.get("status") or {}, int((deployment.get("spec") or {}).get("replicas", 1))
    ready = int(status.get("readyReplicas") or 0)
    complaints = tuple(_complaints(status.get("conditions") or ()))
    return Line(part=part, text=f"{ready} of {desired} ready", well=ready >= desired, details=complaints)


def receiver_line(deployment: Object | str | None, told_of: Object | str | None) -> Line:
    """Return how the receivers are: their pods, and what the operator says of all that it keeps for them."""
    line = workload("receivers", deployment, "no Deployment: the operator has yet to make one")
    conditions = conditions_in(told_of) if isinstance(told_of, Mapping) else []
    ready = next((c for c in conditions if c["type"] == "Ready"), None)
    if ready is None:
        return line
    if ready.get("reason") == "NotManaged":
        return replace(line, text=f"not managed: {ready.get('message')}", well=True, details=())
    # The Deployment's own complaints are among them, said once.
    details = tuple(_complaints([c for c in conditions if c["type"] != "Ready"]))
    return replace(line, well=line.well and ready.get("status") == "True", details=details)


def _complaints(conditions: Sequence[Object]) -> Iterable[str]:
    for condition in conditions:
        good = "False" if condition.get("type") == "ReplicaFailure" else "True"
        if condition.get("status") != good:
            told_of = f"{condition.get('reason')}: {condition.get('message')}"
            yield f"{condition.get('type')}={condition.get('status')}, {told_of}"


def population(endpoints: Sequence[Object]) -> Line:
    """Return how many endpoints there are, by the reason of their readiness, the most frequent first."""
    rows = [row_of(each) for each in endpoints]
    reasons = Counter((ready == "True", reason) for _, _, _, ready, reason, *_ in rows)
    told_of = sorted(reasons.items(), key=lambda item: (not item[0][0], -item[1], item[0][1]))
    details = tuple(f"{count} {reason}{'' if ready else ' (not ready)'}" for (ready, reason), count in told_of)
    return Line(part="endpoints", text=str(len(endpoints)), well=True, details=details)

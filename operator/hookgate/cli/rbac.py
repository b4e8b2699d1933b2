"""`hookgate rbac`: a Role on the connection Secrets of some endpoints, for whoever may read these and no others.

RBAC knows Secrets by name only, not by label or by owner. The names are taken from the status, which the operator
writes: what a spec asks for may be somebody else's Secret. It prints; who applies it is the reader's choice.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from hookgate.cli.cluster_place import connect
from hookgate.cli.exits import Exit, Stop
from hookgate.cli.facts import named
from hookgate.cli.place import Object
from hookgate.control.cluster import Request
from hookgate.model import grammar

_API_VERSION, _GROUP = "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"


def run(options: argparse.Namespace) -> int:
    """Print the Role, and a RoleBinding if somebody is named."""
    if grammar.SERVICE_NAME.fault(options.role):
        raise Stop(Exit.USAGE, f"--role: {options.role!r} is no name; write lower-case letters, digits and '-'")
    bound = subjects(options.user, options.group, options.serviceaccount)
    found = asyncio.run(_endpoints(options))
    print(yaml.safe_dump_all(objects(found, options.namespace, options.role, bound), sort_keys=False), end="")
    return Exit.DONE


def objects(
    endpoints: Iterable[Object], namespace: str, role: str, bound: Sequence[dict[str, str]]
) -> list[dict[str, Any]]:
    """Return the Role on the endpoints' connection Secrets, and the RoleBinding if there is anybody to bind."""
    names = list(dict.fromkeys(connection_of(each) for each in endpoints))
    place = {"name": role, "namespace": namespace}
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get"]}
    made: list[dict[str, Any]] = [{"apiVersion": _API_VERSION, "kind": "Role", "metadata": place, "rules": [rule]}]
    if bound:
        reference = {"apiGroup": _GROUP, "kind": "Role", "name": role}
        binding = {"apiVersion": _API_VERSION, "kind": "RoleBinding", "metadata": dict(place)}
        made.append({**binding, "roleRef": reference, "subjects": list(bound)})
    return made


def connection_of(manifest: Object) -> str:
    """Return the name of an endpoint's connection Secret as the operator tells it. Raises `Stop` where it does not."""
    name = (manifest.get("status") or {}).get("secretName")
    if not name:
        raise Stop(Exit.REFUSED, f"{named(manifest)}: has no connection Secret now; its status tells why")
    return str(name)


def subjects(users: Iterable[str], groups: Iterable[str], accounts: Iterable[str]) -> list[dict[str, str]]:
    """Return who is to be bound. Raises `Stop` for an account that is not written NS:NAME."""
    found = [{"kind": "User", "name": name, "apiGroup": _GROUP} for name in users]
    found += [{"kind": "Group", "name": name, "apiGroup": _GROUP} for name in groups]
    for text in accounts:
        namespace, _, name = text.partition(":")
        if not (namespace and name):
            raise Stop(Exit.USAGE, f"--serviceaccount: {text!r}: write NAMESPACE:NAME")
        found.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    return found


async def _endpoints(options: argparse.Namespace) -> list[Object]:
    async with connect(kubeconfig=options.kubeconfig, context=options.context) as place:
        return [await place.endpoint(Request(options.namespace, name)) for name in options.names]

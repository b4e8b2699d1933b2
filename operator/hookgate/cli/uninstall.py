"""`hookgate uninstall`: free every endpoint of what the operator holds on it, where no operator runs any more."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
import time

from hookgate.cli.cluster_place import open_api, told
from hookgate.cli.exits import Exit, Stop
from hookgate.cli.local import namespaces
from hookgate.control.stopping import DEPLOYMENT, forget_lease, stop_operator
from hookgate.control.uninstall import Freed, OperatorRuns, Scope, uninstall
from hookgate.kube.api import WEBHOOKENDPOINTS


def run(options: argparse.Namespace) -> int:
    """Free the endpoints that the options name, and say what stays."""
    freed = asyncio.run(_run(options))
    print(f"freed {_count(freed.endpoints, 'endpoint')}; no URL of theirs is answered any more")
    if freed.swept:
        print(f"deleted {_count(freed.swept, 'object')} of endpoints that were gone before")
    if freed.receivers:
        print(f"deleted {_count(freed.receivers, 'object')} that the operator had made for receivers")
    if freed.refused:
        print(
            f"You may not delete {', '.join(freed.refused)} in {options.system_namespace}: receivers' own may be left"
        )
    print("Their connection Secrets go with them, or make them whole again for an operator that is installed later.")
    if freed.left:
        print(f"In {options.bindings_namespace} stay, as retained or somebody else's: {', '.join(freed.left)}")
    if freed.stranded:
        print(
            f"{', '.join(freed.stranded)}: cannot be freed, because the namespace no longer exists; create it, and "
            "call this again",
            file=sys.stderr,
        )
        return Exit.REFUSED
    print("Now delete what you will: endpoints, namespaces, and the rest by `kubectl delete -k manifests/base`.")
    return Exit.DONE


async def _run(options: argparse.Namespace) -> Freed:
    scope = _scope(options)
    async with open_api(kubeconfig=options.kubeconfig, context=options.context) as api:
        endpoints = 0
        with told(WEBHOOKENDPOINTS):
            for namespace in scope.namespaces or (None,):
                endpoints += len((await api.list(WEBHOOKENDPOINTS, namespace))[0])
        _confirm(options, scope, endpoints)
        identity = f"hookgate-uninstall-{socket.gethostname()}_{os.urandom(6).hex()}"
        try:
            with told():
                if scope.patient and not await stop_operator(api, scope.system_namespace):
                    print(f"there is no Deployment {DEPLOYMENT} in {scope.system_namespace} to stop", file=sys.stderr)
                freed = await uninstall(api, scope, identity=identity, now=time.time)
                if scope.patient:
                    await forget_lease(api, scope.system_namespace)
                return freed
        except OperatorRuns as error:
            raise Stop(
                Exit.REFUSED,
                f"an operator runs ({error}) and would undo it; add --stop-operator, or end it first: kubectl scale "
                f"deployment {DEPLOYMENT} -n {options.system_namespace} --replicas 0",
            ) from None


def _scope(options: argparse.Namespace) -> Scope:
    """Return what the options name. Raises `Stop` where they contradict each other."""
    if options.namespace and (options.namespaces or options.stop_operator):
        raise Stop(Exit.USAGE, "-n frees the endpoints of one namespace and nothing else: leave the other options out")
    return Scope(
        system_namespace=options.system_namespace,
        binding_namespace=options.bindings_namespace,
        namespaces=(options.namespace,) if options.namespace else namespaces(options.namespaces),
        installation=not options.namespace,
        patient=options.stop_operator,
    )


def _confirm(options: argparse.Namespace, scope: Scope, endpoints: int) -> None:
    """Ask before anything becomes unreachable. Raises `Stop` for any other answer than yes."""
    where = f"in {', '.join(scope.namespaces)}" if scope.namespaces else "in the whole cluster"
    consequence = f"{_count(endpoints, 'endpoint')} {where} will answer no call any more"
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise Stop(Exit.USAGE, f"{consequence}; add --yes to say that this is meant")
    print(f"{consequence}. Continue? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Stop(Exit.REFUSED, "not changed")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

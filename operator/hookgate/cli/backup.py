"""`hookgate backup`: everything that another cluster needs to serve the same URLs and to know the same secrets."""

from __future__ import annotations

import argparse
import asyncio
import os
import stat
import sys
from typing import Any

import yaml

from hookgate.cli.cluster_place import open_api, told
from hookgate.cli.exits import Exit, Stop
from hookgate.cli.facts import named
from hookgate.control.apiserver import SELECT_BINDINGS
from hookgate.control.backup import kept_of
from hookgate.control.objects import owned_by
from hookgate.kube.api import SECRETS, WEBHOOKENDPOINTS, Api
from hookgate.model.endpoint import ANNOTATION_ADOPT

Object = dict[str, Any]

_HEAD = f"""\
# Secrets and URLs of webhook endpoints, as `hookgate backup` found them. Keep this file as you keep those.
# In the other cluster: kubectl apply --server-side -f FILE, then apply the endpoints with the annotation
# {ANNOTATION_ADOPT}: "true".
"""


def run(options: argparse.Namespace) -> int:
    """Write what the options name. Nothing is written before all of it was read."""
    if options.output is None and sys.stdout.isatty():
        raise Stop(Exit.USAGE, "it holds secrets, which a terminal would show; redirect it, or use -o FILE")
    objects, endpoints, without = asyncio.run(_run(options))
    content = _HEAD + "---\n" + yaml.safe_dump_all(objects, sort_keys=False)
    _write(options.output, content.encode())
    count = (
        "1 endpoint is in it, with its secret" if endpoints == 1 else f"{endpoints} endpoints are in it, with secrets"
    )
    rest = f"; without anything to keep: {', '.join(without)}" if without else ""
    print(f"hookgate: {count}: keep it as you keep those{rest}", file=sys.stderr)
    return Exit.DONE


async def _run(options: argparse.Namespace) -> tuple[list[Object], int, list[str]]:
    """Return the objects, of how many endpoints they are, and who has none."""
    async with open_api(kubeconfig=options.kubeconfig, context=options.context) as api:
        with told(WEBHOOKENDPOINTS):
            endpoints, _ = await api.list(WEBHOOKENDPOINTS, options.namespace)
        with told(SECRETS):
            secrets, _ = await api.list(SECRETS, options.bindings_namespace, labels=SELECT_BINDINGS)
            bindings = {secret["metadata"]["name"]: secret for secret in secrets}
            objects, without = list[Object](), list[str]()
            for manifest in endpoints:
                uid = manifest["metadata"]["uid"]
                connection = await _connection(api, manifest)
                if uid in bindings and connection is not None:
                    objects += kept_of(uid, bindings[uid], connection, options.bindings_namespace)
                else:
                    without.append(named(manifest))
    return objects, len(endpoints) - len(without), without


async def _connection(api: Api, manifest: Object) -> Object | None:
    """Return an endpoint's own connection Secret."""
    name = (manifest.get("status") or {}).get("secretName")
    found = await api.get(SECRETS, name, manifest["metadata"]["namespace"]) if name else None
    return found if found is not None and owned_by(found, manifest["metadata"]["uid"]) else None


def _write(path: str | None, content: bytes) -> None:
    """Write to a new file, or to standard output; a file is for its owner alone. Raises `Stop`."""
    if path is None:
        number = sys.stdout.fileno()
        if stat.S_ISREG(os.fstat(number).st_mode):
            os.fchmod(number, 0o600)
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except FileExistsError:
        raise Stop(Exit.USAGE, f"-o {path}: exists already; choose another name, or remove it") from None
    except OSError as error:
        raise Stop(Exit.USAGE, f"-o {path}: {error.strerror}") from None

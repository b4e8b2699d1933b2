"""`hookgate get`, `url` and `secret`: what there is."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

import yaml

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.facts import named, secret_place, secret_value, url_of
from hookgate.cli.place import Object, Place, open_place
from hookgate.cli.tables import COLUMNS, row_of, table, why_not_ready
from hookgate.control.cluster import Request
from hookgate.control.names import names_of
from hookgate.model.endpoint import API_VERSION, KIND


def get(options: argparse.Namespace) -> int:
    """Show one endpoint or all."""
    found = asyncio.run(_get(options))
    if options.output == "table":
        if not found:
            print("no endpoints", file=sys.stderr)
            return Exit.DONE
        print(table([row_of(each) for each in found], COLUMNS))
        for text in filter(None, map(why_not_ready, found)):
            print(f"  {text}")
        return Exit.DONE
    shown = found[0] if options.name else {"apiVersion": API_VERSION, "kind": f"{KIND}List", "items": found}
    if options.output == "json":
        print(json.dumps(shown, indent=2))
    else:
        print(yaml.safe_dump(json.loads(json.dumps(shown)), sort_keys=False), end="")
    return Exit.DONE


def url(options: argparse.Namespace) -> int:
    """Print one URL."""
    print(asyncio.run(_url(options)))
    return Exit.DONE


def secret(options: argparse.Namespace) -> int:
    """Print one secret: asked for by name, so that it never appears by accident."""
    sys.stdout.buffer.write(asyncio.run(_secret(options)) + b"\n")
    sys.stdout.buffer.flush()
    return Exit.DONE


async def _get(options: argparse.Namespace) -> list[Object]:
    async with open_place(options) as place:
        if place.caveat:
            print(f"hookgate: {place.caveat}", file=sys.stderr)
        if options.name:
            return [await place.endpoint(Request(options.namespace or "default", options.name))]
        return await place.endpoints(options.namespace)


async def _url(options: argparse.Namespace) -> str:
    async with open_place(options) as place:
        return await url_at(place, await place.endpoint(Request(options.namespace, options.name)))


async def url_at(place: Place, manifest: Object) -> str:
    """Return an endpoint's URL; the connection Secret is read only where the status does not tell it."""
    if (manifest.get("status") or {}).get("url"):
        return url_of(manifest, None)
    namespace = str(manifest["metadata"]["namespace"])
    return url_of(manifest, await place.secret(Request(namespace, names_of(manifest).connection)))


async def _secret(options: argparse.Namespace) -> bytes:
    async with open_place(options) as place:
        manifest = await place.endpoint(Request(options.namespace, options.name))
        if manifest["spec"]["auth"]["type"] == "none":
            raise Stop(Exit.REFUSED, f"{named(manifest)}: type none has no secret")
        holder = await place.secret(Request(options.namespace, secret_place(manifest).name))
        return secret_value(manifest, holder).reveal()

"""`hookgate activate`, `deactivate` and `deconfigure`: declare another state, and wait until it is so."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.facts import named
from hookgate.cli.look import url_at
from hookgate.cli.place import Object, Place, open_place
from hookgate.control.cluster import Request
from hookgate.model.endpoint import ANNOTATION_SUSPEND

_INTERVAL = 0.2
_CONSEQUENCES = {
    "inactive": "calls to {name} will be refused; secret and URL are kept",
    "absent": "{name} loses its URL and its generated secret for good; a later activation makes new ones",
}


def run(options: argparse.Namespace) -> int:
    """Change the state that the options name."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with open_place(options) as place:
        manifest = await place.endpoint(Request(options.namespace, options.name))
        if manifest["metadata"].get("deletionTimestamp"):
            raise Stop(Exit.REFUSED, f"{named(manifest)}: is being deleted")
        if (manifest["spec"].get("state") or "active") != options.state:
            change = await place.plan_state(manifest, options.state)
            _confirm(options, named(manifest))
            if not await change():
                print(f"{named(manifest)}: declared {options.state}; in force when `hookgate serve` runs again")
                return Exit.DONE
        if options.wait <= 0:
            print(f"{named(manifest)}: declared {options.state}")
            return Exit.DONE
        manifest = await _settled(place, manifest, options)
        await _tell(place, manifest, options.state)
        return Exit.DONE


def _confirm(options: argparse.Namespace, name: str) -> None:
    """Ask before anything is refused or lost. Raises `Stop` for any other answer than yes."""
    if options.state == "active" or options.yes:
        return
    consequence = _CONSEQUENCES[options.state].format(name=name)
    if not sys.stdin.isatty():
        raise Stop(Exit.USAGE, f"{consequence}; add --yes to say that this is meant")
    print(f"{consequence[0].upper()}{consequence[1:]}. Continue? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Stop(Exit.REFUSED, "not changed")


async def _settled(place: Place, before: Object, options: argparse.Namespace) -> Object:
    """Wait until the state is reached. Raises `Stop` when it cannot be, or not in time."""
    request = Request(before["metadata"]["namespace"], before["metadata"]["name"])
    loop = asyncio.get_running_loop()
    end = loop.time() + options.wait
    while True:
        found = await place.endpoint(request)
        ready, stalled = _condition(found, options.state, "Ready"), _condition(found, options.state, "Stalled")
        if ready.get("status") == "True":
            return found
        if stalled.get("status") == "True":
            raise Stop(Exit.REFUSED, f"{request}: {stalled.get('reason')}: {stalled.get('message')}")
        if loop.time() >= end:
            why = f"{ready.get('reason')}: {ready.get('message')}" if ready else "nobody has acted on it yet"
            raise Stop(Exit.REFUSED, f"{request}: declared {options.state}, not so after {options.wait:g} s: {why}")
        await asyncio.sleep(_INTERVAL)


def _condition(manifest: Object, state: str, kind: str) -> Any:
    """Return a condition that speaks of the wanted state, or nothing."""
    status = manifest.get("status") or {}
    current = (manifest["spec"].get("state") or "active") == state
    if not current or status.get("observedGeneration") != manifest["metadata"].get("generation"):
        return {}
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


async def _tell(place: Place, manifest: Object, state: str) -> None:
    name = named(manifest)
    if state != "active":
        print(f"{name} is {state}")
        return
    if (manifest["metadata"].get("annotations") or {}).get(ANNOTATION_SUSPEND) == "true":
        print(f"{name} is declared active, but the annotation {ANNOTATION_SUSPEND} keeps it inactive")
        return
    print(f"{name} is active")
    print(f"URL:    {await url_at(place, manifest)}")
    header = (manifest.get("status") or {}).get("header")
    if header:
        print(f"Header: {header}")

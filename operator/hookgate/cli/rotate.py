"""`hookgate rotate`: ask for a new generated secret, URL or signing key, and wait until receivers have it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.facts import named, parsed
from hookgate.cli.look import url_at
from hookgate.cli.place import Object, Place, Rotated, Rotation, open_place
from hookgate.control.cluster import Request
from hookgate.model.endpoint import AuthType, State

_INTERVAL = 0.2
#: Under which names the status remembers what was asked for.
_REMEMBERED = {Rotated.SECRET: "annotation", Rotated.URL: "url", Rotated.FORWARD_SECRET: "signing"}


def run(options: argparse.Namespace) -> int:
    """Rotate what the options name."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    rotation = Rotation(value=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), what=_wanted(options))
    async with open_place(options) as place:
        manifest = await place.endpoint(Request(options.namespace, options.name))
        overlap = _judged(manifest, rotation)
        if rotation.what is Rotated.URL:
            await url_at(place, manifest)  # or there is none yet
        change = await place.plan_rotation(manifest, rotation)
        _confirm(options, named(manifest), rotation.what, overlap)
        await change()
        if options.wait <= 0:
            print(f"{named(manifest)}: asked for a new {rotation.what}")
            return Exit.DONE
        manifest = await _settled(place, manifest, rotation, options.wait)
        print(f"{named(manifest)} has a new {rotation.what}; the former one works for {overlap} s more")
        if rotation.what is Rotated.URL:
            print(f"URL:    {await url_at(place, manifest)}")
        elif rotation.what is Rotated.FORWARD_SECRET:
            print("Give it to the target: it stands in the connection Secret, key forward-secret")
        else:
            place_of = f"{options.name} -n {options.namespace}"
            print(f"Give it to the sender: hookgate secret {place_of}")
        return Exit.DONE


def _wanted(options: argparse.Namespace) -> Rotated:
    """Read what is to be new. Raises `Stop`."""
    if options.url and options.forward_secret:
        raise Stop(Exit.USAGE, "--url, --forward-secret: rotate one after the other")
    if options.forward_secret:
        return Rotated.FORWARD_SECRET
    return Rotated.URL if options.url else Rotated.SECRET


def _judged(manifest: Object, rotation: Rotation) -> int:
    """Return for how many seconds the former one works on. Raises `Stop` where there is nothing to rotate."""
    name, endpoint = named(manifest), parsed(manifest)
    auth = endpoint.spec.auth
    if endpoint.deleting or endpoint.spec.state is State.ABSENT:
        raise Stop(Exit.REFUSED, f"{name}: is absent or being deleted and has nothing to rotate")
    if rotation.what is Rotated.URL:
        return endpoint.spec.url_overlap
    if rotation.what is Rotated.FORWARD_SECRET:
        return endpoint.spec.target.signing_overlap
    if auth.type is AuthType.NONE:
        raise Stop(Exit.REFUSED, f"{name}: type none has no secret; all that guards it is the URL: add --url")
    if auth.secret.ref is not None:
        raise Stop(
            Exit.REFUSED,
            f"{name}: its secret is yours: put the new value into a Secret, name it in spec.auth.secret.ref, and the "
            f"former one, {auth.secret.ref.name}, in spec.auth.secret.previousRefs until the sender has changed",
        )
    return auth.secret.overlap


def _confirm(options: argparse.Namespace, name: str, what: Rotated, overlap: int) -> None:
    """Ask before a sender's setting becomes outdated. Raises `Stop` for any other answer than yes."""
    if options.yes:
        return
    left = f"for {overlap} s more" if overlap else "not a moment longer"
    consequence = f"{name} gets a new {what}; the former one works {left}"
    if not sys.stdin.isatty():
        raise Stop(Exit.USAGE, f"{consequence}; add --yes to say that this is meant")
    print(f"{consequence}. Continue? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Stop(Exit.REFUSED, "not changed")


async def _settled(place: Place, before: Object, rotation: Rotation, seconds: float) -> Object:
    """Wait until receivers have what was asked for. Raises `Stop` when they do not in time."""
    request = Request(before["metadata"]["namespace"], before["metadata"]["name"])
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        found = await place.endpoint(request)
        status = found.get("status") or {}
        known = (status.get("rotated") or {}).get(_REMEMBERED[rotation.what]) == rotation.value
        conditions = {c.get("type"): c for c in status.get("conditions") or ()}
        if known and conditions.get("Programmed", {}).get("status") == "True":
            return found
        if loop.time() >= end:
            ready = conditions.get("Ready", {})
            why = f"{ready.get('reason')}: {ready.get('message')}" if known else "nobody has acted on it yet"
            raise Stop(Exit.REFUSED, f"{request}: asked for a new {rotation.what}, not so after {seconds:g} s: {why}")
        await asyncio.sleep(_INTERVAL)

"""`hookgate send`: one call to an endpoint, signed as its sender would sign it, and what the answer means.

A secret is read from where it is kept, never from the command line, and never printed.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import ssl
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.facts import named, parsed, secret_place, secret_value, stripped
from hookgate.cli.local import base_url
from hookgate.cli.look import url_at
from hookgate.cli.place import Object, Place, open_place
from hookgate.cli.providers import presets
from hookgate.control.cluster import Request
from hookgate.model.endpoint import AuthType
from hookgate.model.sensitive import Sensitive
from hookgate.scheme.presets import Resolved, resolve
from hookgate.scheme.sign import CannotSign, Signed, sign

_TIMEOUT = 70.0
_MEANINGS = {
    200: "accepted: taken by the target, or answered here as a handshake or as a repetition",
    400: "not a call that can be read, or the target said so",
    401: "refused: the credential is missing or wrong, or the body is not the one that was signed",
    404: "nothing is served at this URL (not activated, absent, or another Hookgate), or the target said so",
    405: "not a POST, or the target said so",
    408: "the body came too slowly",
    410: "inactive, and the endpoint says so for good",
    413: "the body is longer than the endpoint allows",
    429: "too many calls, or the target said so",
    502: "authentic, but the target cannot be reached, or it failed",
    503: "inactive, without a usable secret, overloaded, or just started: the sender is asked to try again later",
    504: "authentic, but the target did not answer in time",
}


def run(options: argparse.Namespace) -> int:
    """Send one call. Exit code 0 for a 2xx."""
    body = _body(options.data)
    extra = [_header(text) for text in options.header]
    via = base_url("--via", options.via) if options.via else None
    url, call = asyncio.run(_prepare(options, body))
    if options.tamper:
        call = _spoiled(call)
    sent = {"Content-Type": options.content_type, **dict(call.headers), **dict(extra)}
    status = _post(url, via, call, sent)
    print(f"{status} {meaning(status)}")
    return Exit.DONE if 200 <= status < 300 else Exit.REFUSED


def meaning(status: int) -> str:
    """Say what a status of an endpoint means to its sender."""
    if 200 < status < 300:
        return "accepted: authentic, and taken by the target"
    return _MEANINGS.get(status, "the target's own answer" if 400 <= status < 500 else "not what a Hookgate answers")


async def _prepare(options: argparse.Namespace, body: bytes) -> tuple[str, Signed]:
    """Return the URL, and the call as its sender makes it."""
    async with open_place(options) as place:
        manifest = await place.endpoint(Request(options.namespace, options.name))
        url = await url_at(place, manifest)
        resolved = resolve(parsed(manifest).spec.auth, presets(options.config))
        if not isinstance(resolved, Resolved):
            raise Stop(Exit.REFUSED, f"{named(manifest)}: {resolved.field}: {resolved.message}")
        key = (await _key(options, place, manifest)).reveal()
    delivery = str(uuid.uuid4())

    def signed(*, spoiled: bool) -> Signed:
        now = time.time()
        return sign(resolved.document, key, body=body, now=now, url=url, delivery_id=delivery, spoiled=spoiled)

    try:
        call = signed(spoiled=False)
        if options.tamper and call.body != body:
            call = signed(spoiled=True)  # the credential stands in the body, which no change behind it would touch
    except CannotSign as error:
        raise Stop(Exit.REFUSED, f"{named(manifest)}: {error}") from None
    return url, call


async def _key(options: argparse.Namespace, place: Place, manifest: Object) -> Sensitive:
    if manifest["spec"]["auth"]["type"] == AuthType.NONE:
        if options.tamper:
            raise Stop(Exit.USAGE, "--tamper: type none has no credential to spoil")
        return Sensitive(b"")
    if options.secret_file:
        return Sensitive(stripped(_file("--secret-file", options.secret_file)))
    return secret_value(manifest, await place.secret(Request(options.namespace, secret_place(manifest).name)))


def _body(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else _file("--data", name)


def _file(option: str, name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise Stop(Exit.USAGE, f"{option} {name}: {error.strerror}") from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isprintable():
        raise Stop(Exit.USAGE, "--header: write NAME:VALUE")
    return name.strip(), value.strip()


def _spoiled(call: Signed) -> Signed:
    """Change the body, and the last character of everything that the sender added: enough for any scheme."""
    return Signed(
        headers=[(name, _altered(value.encode()).decode()) for name, value in call.headers],
        body=call.body + b" ",
        query=_altered(call.query),
    )


def _altered(text: bytes) -> bytes:
    return text and text[:-1] + (b"1" if text.endswith(b"0") else b"0")


def _post(url: str, via: str | None, call: Signed, headers: dict[str, Any]) -> int:
    """Post and return the status. No redirect is followed. Raises `Stop` without repeating the URL's path."""
    wanted, way = urlsplit(url), urlsplit(via or url)
    path = wanted.path + (f"?{call.query.decode()}" if call.query else "")
    timeout = _TIMEOUT
    assert way.hostname is not None, "URLs of endpoints have a host"
    if way.scheme == "https":
        context = ssl.create_default_context()
        caller: http.client.HTTPConnection = http.client.HTTPSConnection(
            way.hostname, way.port, timeout=timeout, context=context
        )
    else:
        caller = http.client.HTTPConnection(way.hostname, way.port, timeout=timeout)
    try:
        caller.request("POST", path, body=call.body, headers={"User-Agent": "hookgate-send", **headers})
        return caller.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Stop(Exit.UNREACHABLE, f"{way.scheme}://{way.netloc}: unreachable ({why})") from None
    finally:
        caller.close()

"""Where the endpoints are that a command is about: a cluster, or the state of `hookgate serve`.

Both answer with objects as an API server has them. It may not know commands.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from hookgate.cli.edit import planned
from hookgate.cli.exits import Exit, Stop
from hookgate.cli.main import DEFAULT_STATE
from hookgate.control.cluster import Request
from hookgate.control.state import ENDPOINTS, SECRETS, StateError, StateFolder
from hookgate.model.endpoint import ANNOTATION_ROTATE

Object = Mapping[str, Any]
#: Does what was planned; False: it is declared, but nobody is there to act on it now.
Change = Callable[[], Awaitable[bool]]


_PRIVATE_SECONDS = 10.0


class Unheard(Exception):  # noqa: N818 -- what it says
    """No receiver can be asked from here; the text says why, and what would help."""


class Rotated(StrEnum):
    """What can be rotated, as people call it."""

    SECRET = "secret"  # noqa: S105 -- a word
    URL = "URL"
    FORWARD_SECRET = "forward-secret"  # noqa: S105 -- a word


#: Where each is asked for in an endpoint.
_ASKED = {
    Rotated.SECRET: ("metadata", "annotations", ANNOTATION_ROTATE),
    Rotated.URL: ("spec", "exposure", "rotateURL"),
    Rotated.FORWARD_SECRET: ("spec", "target", "signing", "rotate"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The wish for something new. Every ``value`` counts once."""

    value: str
    what: Rotated = Rotated.SECRET

    @property
    def in_spec(self) -> bool:
        """Whether it is declared in the spec, which may be Git's."""
        return _ASKED[self.what][0] == "spec"

    def fields(self) -> dict[str, Any]:
        """Return the fields of an endpoint that declare it."""
        declared: Any = self.value
        for name in reversed(_ASKED[self.what]):
            declared = {name: declared}
        return dict(declared)

    def as_yaml(self) -> str:
        """Return them as somebody would write them into a file."""
        *way, last = _ASKED[self.what]
        lines = [f"{'  ' * depth}{name}:" for depth, name in enumerate(way)]
        return "\n".join([*lines, f'{"  " * len(way)}{last}: "{self.value}"'])


class Place(Protocol):
    """What commands ask for. All methods raise `Stop` where the place cannot answer."""

    @property
    def caveat(self) -> str | None:
        """What somebody who looks at endpoints here has to know."""
        ...

    async def endpoints(self, namespace: str | None) -> list[Object]:
        """Return all endpoints, of every namespace for None, by namespace and name."""
        ...

    async def endpoint(self, request: Request) -> Object:
        """Return one endpoint; a missing one is a `Stop`."""
        ...

    async def secret(self, request: Request) -> Object | None:
        """Return a Secret."""
        ...

    async def ask_receivers(self, path: str, question: object) -> list[Mapping[str, Any]]:
        """Ask the private port of every receiver in JSON and return the answers. Raises `Unheard` if there are none."""
        ...

    async def plan_state(self, manifest: Object, state: str) -> Change:
        """Return what declares another state for an endpoint, so that everything can be checked before it is asked for.

        Raises `Stop` with what to change where, if the declaration is not this command's to change.
        """
        ...

    async def plan_rotation(self, manifest: Object, rotation: Rotation) -> Change:
        """Return what declares a rotation; see `plan_state`."""
        ...


@asynccontextmanager
async def open_place(options: argparse.Namespace) -> AsyncIterator[Place]:
    """Open the place that the options name: a state folder, a cluster, or what is found here."""
    if options.state_dir and (options.kubeconfig or options.context):
        raise Stop(Exit.USAGE, "--state-dir and a cluster exclude each other; leave one out")
    folder = Path(options.state_dir or DEFAULT_STATE)
    if options.state_dir or (not options.kubeconfig and not options.context and (folder / ENDPOINTS).is_dir()):
        if not (folder / ENDPOINTS).is_dir():
            raise Stop(Exit.USAGE, f"--state-dir {folder}: no state of `hookgate serve`; name the folder it was given")
        if not options.state_dir and sys.stderr.isatty():
            print(f"hookgate: using ./{DEFAULT_STATE}; for a cluster name --context", file=sys.stderr)
        yield FolderPlace(StateFolder(folder))
        return
    from hookgate.cli.cluster_place import connect  # noqa: PLC0415 -- needs libraries that a bare installation lacks

    system = getattr(options, "system_namespace", None) or "hookgate-system"
    hint = f"; for `hookgate serve` start it here first, or name its --state-dir (there is no {folder} here)"
    async with connect(
        kubeconfig=options.kubeconfig, context=options.context, system_namespace=system, hint=hint
    ) as place:
        yield place


class FolderPlace:
    """The state of `hookgate serve`, read beside it."""

    def __init__(self, state: StateFolder) -> None:
        """Read from ``state`` at every question."""
        self._state = state

    @property
    def caveat(self) -> str | None:
        """See `Place`. A status outlives the process that wrote it."""
        if self._state.in_use():
            return None
        return f"nothing is served now: no `hookgate serve` runs on {self._state.folder}; this is how it ended"

    async def endpoints(self, namespace: str | None) -> list[Object]:
        """See `Place`."""
        found = sorted(_objects(self._state, ENDPOINTS).items())
        return [each for request, each in found if namespace in (None, request.namespace)]

    async def endpoint(self, request: Request) -> Object:
        """See `Place`."""
        found = _objects(self._state, ENDPOINTS).get(request)
        if found is None:
            raise Stop(Exit.REFUSED, f"{request}: no such endpoint in {self._state.folder}; see `hookgate get`")
        return found

    async def secret(self, request: Request) -> Object | None:
        """See `Place`."""
        return _objects(self._state, SECRETS).get(request)

    async def ask_receivers(self, path: str, question: object) -> list[Mapping[str, Any]]:
        """See `Place`. The one receiver is the process that serves."""
        address = self._state.private()
        if address is None:
            raise Unheard(f"no `hookgate serve` runs on {self._state.folder}")
        return [await asyncio.to_thread(_asked, address, path, question)]

    async def plan_state(self, manifest: Object, state: str) -> Change:
        """See `Place`. The manifest's file is edited, if that can be done without touching anything else."""
        request = Request(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        try:
            source = self._state.objects(ENDPOINTS)[request].source
        except (KeyError, StateError) as error:
            raise Stop(Exit.REFUSED, f"{request}: {error}") from None
        write = planned(Path(str(source)), request, state)

        async def change() -> bool:
            write()
            return self._state.in_use()

        return change

    async def plan_rotation(self, manifest: Object, rotation: Rotation) -> Change:
        """See `Place`. In files this command changes nothing but the state."""
        request = Request(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        raise Stop(
            Exit.NOT_CHANGED, f"{request}: not changed; ask for it in the manifest's file:\n\n{rotation.as_yaml()}"
        )


def _objects(state: StateFolder, plural: str) -> dict[Request, Object]:
    try:
        return {request: record.object for request, record in state.objects(plural).items()}
    except StateError as error:
        raise Stop(Exit.REFUSED, str(error)) from None


def _asked(address: str, path: str, question: object) -> Mapping[str, Any]:
    """Ask a private port of this machine. Raises `Unheard`."""
    import http.client  # noqa: PLC0415 -- no other command needs it here

    caller = http.client.HTTPConnection(urlsplit(address).netloc, timeout=_PRIVATE_SECONDS)
    try:
        caller.request("POST", path, body=json.dumps(question))
        found = json.loads(caller.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unheard(f"{address}: `hookgate serve` does not answer ({type(error).__name__})") from None
    finally:
        caller.close()
    if not isinstance(found, dict):
        raise Unheard(f"{address}: somebody else answers there")
    return found

"""A live copy of one kind of object: list once, watch from there, never miss a deletion, never stop trying.

The store stays in force whatever happens to the API server. A gap in the events (410, or a line that makes no sense)
is closed by a new list that replaces the store; everything else is a reconnect from the last resourceVersion. It may
not know what the objects mean, and it writes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from hookgate.kube.api import Api, Object
from hookgate.kube.errors import MALFORMED, SILENT, ApiError, from_status
from hookgate.kube.resources import Resource

log = logging.getLogger(__name__)

Change = Literal["ADDED", "MODIFIED", "DELETED"]
OnChange = Callable[[Change, Object], None]
OnReplace = Callable[[list[Object], str], None]
Transform = Callable[[Object], Object]
Key = tuple[str, str]

_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 30.0
_SHORTEST_WATCH_S = 300.0  # and up to as much more
_REFUSALS = 8
_STEADY_S = 5.0  # a stream that lived this long was no failure, even if nothing happened in it


@dataclass(frozen=True, slots=True)
class _Held:
    """One object in the store; the identity is kept beside it because a transform may drop it."""

    uid: str
    version: str
    obj: Object


def backoff(failures: int, chance: float, retry_after: float | None = None) -> float:
    """Return how many seconds to wait after so many failures in a row; ``chance`` is random in [0, 1).

    From 0.1 to 0.2 s at first, doubling up to 15 to 30 s, and never sooner than the server asked for.
    """
    longest = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(failures, 10))
    return max(longest * (0.5 + chance / 2), retry_after or 0.0)


class Reflector:
    """List and watch of one resource in one namespace (or all) with one label selector.

    ``run`` works until it is cancelled. ``synced`` is set by the first complete list. ``last_heard`` is when the API
    server last said anything, by ``clock``. ``failure`` is what went wrong since then, None while all is well: a
    readiness check or a condition may tell its ``reason``.
    """

    def __init__(  # noqa: PLR0913 - each is a decision of the caller, with a usual value
        self,
        api: Api,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str | None = None,
        on_change: OnChange | None = None,
        on_replace: OnReplace | None = None,
        transform: Transform | None = None,
        silence_s: float = 75.0,
        resync_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Callbacks are plain functions, called after the store has changed, in this order of events.

        ``on_change`` gets every change; after a list, the differences to the store, deletions first. An object that
        was deleted and made again unseen is DELETED, then ADDED. With ``on_replace`` a list is told as a whole to
        that instead, with its version, and ``on_change`` gets only what the watch brings. What a callback raises is
        logged by its type and does not stop the reflector. ``transform`` makes what is stored and handed out, to keep
        less; it must not raise. ``silence_s`` is how long a stream may say nothing before it is replaced: API servers
        send a bookmark about every minute, though not where nothing ever happens. With ``resync_s`` everything is
        listed again after that time, plus up to as much jitter, which finds what a watch was never told; without, only
        after a gap.
        """
        self._api = api
        self._resource = resource
        self._namespace = namespace
        self._labels = labels
        self._on_change = on_change
        self._on_replace = on_replace
        self._transform = transform
        self._silence_s = silence_s
        self._resync_s = resync_s
        self._listed_at = clock()
        self._clock = clock
        self._chance = chance
        self._store: dict[Key, _Held] = {}
        self._version: str | None = None  # None: a list is needed
        self._failures = 0
        self.synced = asyncio.Event()
        self.last_heard = self._tried_at = clock()
        self.failure: ApiError | None = None

    @property
    def last_turn(self) -> float:
        """When this last heard of the API server or tried to, by ``clock``: while it turns, minutes ago at most."""
        return max(self.last_heard, self._tried_at)

    def get(self, namespace: str | None, name: str) -> Object | None:
        """Return the stored object. It is shared: do not change it."""
        held = self._store.get((namespace or "", name))
        return held.obj if held else None

    def items(self) -> Iterator[Object]:
        """Iterate over the stored objects, in no particular order; do not await meanwhile."""
        return (held.obj for held in self._store.values())

    def __len__(self) -> int:
        return len(self._store)

    async def run(self) -> None:
        """List and watch until cancelled. Never raises anything else."""
        while True:
            started = self._tried_at = self._clock()
            try:
                if self._version is None:
                    await self._relist()
                elif self._resync_is_due():
                    await self._resync()
                await self._watch(self._version or "")
                failed = self._clock() - started < min(_STEADY_S, self._resync_s or _STEADY_S)
                error = None
            except ApiError as caught:
                # A quiet kind gets no bookmarks: silence is only a reason to look whether anybody is there.
                failed, error = caught.reason != SILENT, caught
                # A server that answers, yet refuses this version again and again, may be one restored from a backup.
                refused = caught.status > 0 and self._failures >= _REFUSALS
                if caught.gone or caught.reason == MALFORMED or refused:
                    self._version = None
            self._failures = self._failures + 1 if failed else 0
            self._note(error)
            await asyncio.sleep(backoff(self._failures, self._chance(), error.retry_after if error else None))

    def _resync_is_due(self) -> bool:
        """Whether the last list is so old that what no watch ever told is looked for."""
        return self._resync_s is not None and self._clock() - self._listed_at >= self._resync_s

    async def _resync(self) -> None:
        """List again where a watch could go on as well: a refused list waits for its next time, the watch does not.

        Else nobody would hear of a revocation for as long as the server has no time for lists.
        """
        self._listed_at = self._clock()
        try:
            await self._relist()
        except ApiError as error:
            self._note(error)

    async def _relist(self) -> None:
        """Replace the store by what the server has now."""
        fresh: dict[Key, _Held] = {}
        version = ""
        async with aclosing(self._api.pages(self._resource, self._namespace, labels=self._labels)) as pages:
            async for items, version in pages:  # noqa: B007 - the last one counts
                self.last_heard = self._clock()
                fresh.update(self._known(*self._hold(item)) for item in items)
        before, self._store, self._version = self._store, fresh, version
        self._listed_at = self._clock()
        if self._on_replace is not None:
            self._call(self._on_replace, [held.obj for held in fresh.values()], version)
        elif self._on_change is not None:
            self._tell_differences(before, fresh)
        self._recovered()
        self.synced.set()

    def _tell_differences(self, before: dict[Key, _Held], after: dict[Key, _Held]) -> None:
        """Deletions first: a revocation must not wait for a thousand additions."""
        for key, old in before.items():
            new = after.get(key)
            if new is None or new.uid != old.uid:
                self._tell("DELETED", old.obj)
        for key, new in after.items():
            was = before.get(key)
            if was is None or was.uid != new.uid:
                self._tell("ADDED", new.obj)
            elif was.version != new.version:
                self._tell("MODIFIED", new.obj)

    async def _watch(self, version: str) -> None:
        """Take in events until the server ends the stream. Raises ApiError."""
        shortest = _SHORTEST_WATCH_S if self._resync_s is None else self._resync_s
        timeout_s = shortest * (1.0 + self._chance())
        stream = self._api.watch(
            self._resource,
            self._namespace,
            labels=self._labels,
            resource_version=version,
            timeout_s=timeout_s,
            silence_s=self._silence_s,
            opened=self._recovered,
        )
        async with aclosing(stream) as events:
            async for event in events:
                self.last_heard = self._clock()
                self._take(event["type"], event["object"])
                self._failures = 0

    def _take(self, kind: str, obj: Object) -> None:
        """Bring one event into the store and tell of it. Raises ApiError for an ERROR event."""
        if kind == "ERROR":
            code = obj.get("code")
            raise from_status(f"watch {self._resource.kind}", code if isinstance(code, int) else 500, obj)
        version = _text(obj.get("metadata"), "resourceVersion")
        if not version:
            raise ApiError(f"watch {self._resource.kind}", status=0, reason=MALFORMED)
        if kind != "BOOKMARK":
            self._change(kind, obj)
        self._version = version

    def _change(self, kind: str, obj: Object) -> None:
        """Put or remove one object; what is told follows from the store, not from the server's word."""
        key, new = self._hold(obj)
        old = self._store.get(key)
        if kind == "DELETED":
            self._store.pop(key, None)
            if old is not None:
                self._tell("DELETED", new.obj)
            return
        self._store[key] = new
        if old is not None and old.uid != new.uid:
            self._tell("DELETED", old.obj)
            old = None
        if old is None:
            self._tell("ADDED", new.obj)
        elif old.version != new.version:
            self._tell("MODIFIED", new.obj)

    def _hold(self, obj: Object) -> tuple[Key, _Held]:
        """``obj`` as it is stored: without managedFields, which can be larger than the rest, and transformed."""
        metadata = obj.get("metadata")
        key = (_text(metadata, "namespace"), _text(metadata, "name"))
        uid, version = _text(metadata, "uid"), _text(metadata, "resourceVersion")
        if isinstance(metadata, dict):
            metadata.pop("managedFields", None)
        return key, _Held(uid, version, self._transform(obj) if self._transform else obj)

    def _known(self, key: Key, new: _Held) -> tuple[Key, _Held]:
        """What a list repeats is kept as it was, so that listing again does not hold everything twice."""
        old = self._store.get(key)
        return key, old if old is not None and (old.uid, old.version) == (new.uid, new.version) else new

    def _tell(self, kind: Change, obj: Object) -> None:
        """Tell of one change."""
        if self._on_change is not None:
            self._call(self._on_change, kind, obj)

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call back. One object that a callback cannot take must not cost all the others."""
        try:
            callback(*arguments)
        except Exception as error:  # any: see above. Its text may quote the object, so only the type is told
            log.error("callback for %s failed: %s", self._resource.kind, type(error).__name__)

    def _recovered(self) -> None:
        """The server answers as it should."""
        self.last_heard = self._clock()
        if self.failure is not None:
            log.info("%s: in touch with the API server again", self._resource.kind)
        self.failure = None

    def _note(self, error: ApiError | None) -> None:
        """Remember a failure and log it, once for each run of the same. Silence and 410 are routine."""
        if error is None or error.gone or error.reason == SILENT:
            return
        if self.failure is None or str(self.failure) != str(error):
            log.warning("%s: the last state stays in force, trying again", error)
        self.failure = error


class MultiReflector:
    """One `Reflector` for each of several namespaces, told as one; for rights that are given per namespace."""

    def __init__(
        self,
        api: Api,
        resource: Resource,
        *,
        namespaces: Sequence[str],
        on_change: OnChange | None = None,
        **options: Any,
    ) -> None:
        """``options`` are those of `Reflector`, without on_replace: no single list has everything."""
        if "on_replace" in options:
            raise ValueError("on_replace: each namespace has a list of its own; use on_change")
        if not namespaces:
            raise ValueError("namespaces: at least one is needed; a Reflector without namespace watches all")
        self._parts = {
            namespace: Reflector(api, resource, namespace=namespace, on_change=on_change, **options)
            for namespace in namespaces
        }
        self.synced = asyncio.Event()

    @property
    def last_heard(self) -> float:
        """When the quietest of the namespaces was last heard of."""
        return min(part.last_heard for part in self._parts.values())

    @property
    def failure(self) -> ApiError | None:
        """The failure of any namespace, None while all are well."""
        return next((part.failure for part in self._parts.values() if part.failure), None)

    def get(self, namespace: str | None, name: str) -> Object | None:
        """See `Reflector.get`."""
        part = self._parts.get(namespace or "")
        return part.get(namespace, name) if part else None

    def items(self) -> Iterator[Object]:
        """See `Reflector.items`."""
        return (obj for part in self._parts.values() for obj in part.items())

    async def run(self) -> None:
        """See `Reflector.run`."""
        async with asyncio.TaskGroup() as group:
            for part in self._parts.values():
                group.create_task(part.run())
            for part in self._parts.values():
                await part.synced.wait()
            self.synced.set()


def _text(mapping: object, key: str) -> str:
    """A text out of what should be a mapping, or nothing."""
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, str) else ""

"""`hookgate serve`: control plane and receiver in one process, over a folder of manifests and a folder of state.

The only place where both planes meet in one program: bindings go from one to the other in memory, and the receiver is
asked directly what it serves.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import random
import signal
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.local import Address, LocalSettings, address, base_url, forwards, settings_file
from hookgate.cli.screen import Screen
from hookgate.cli.stores import store_of
from hookgate.cli.tls import tls_files
from hookgate.control.calls import read_report
from hookgate.control.cluster import ClusterError, Request
from hookgate.control.directory import DirectoryCluster
from hookgate.control.files import ManifestFiles, Reading
from hookgate.control.jwks import KeySets
from hookgate.control.manifests import SECRET, Claim
from hookgate.control.queue import Queue
from hookgate.control.reconcile import Reconciler
from hookgate.control.state import StateError, StateFolder
from hookgate.control.values import CallReport, Object, Served
from hookgate.control.watch_calls import CallWatch
from hookgate.model.endpoint import KIND
from hookgate.model.store import StoreAddress
from hookgate.receiver.clients import Trust
from hookgate.receiver.edge import Bounds
from hookgate.receiver.journal import Journal
from hookgate.receiver.private import told
from hookgate.receiver.process import Receiver
from hookgate.receiver.settings import ReceiverSettings
from hookgate.receiver.table import BindingTable
from hookgate.receiver.tls import TlsFiles

_TICK = 0.1
_LOOK = 0.3
_CALLS = 1.0
_WORKERS = 4
_GRACE = 10


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT. Raises `Stop` for what cannot be served."""
    logging.basicConfig(level=logging.WARNING, format="hookgate: %(message)s")
    paths = [Path(path) for path in options.paths]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise Stop(Exit.USAGE, f"{', '.join(missing)}: no such file or folder")
    service = Service(
        listen=address("--listen", options.listen),
        private=address("--private-listen", options.private_listen),
        settings=_settings(options),
        state=StateFolder(Path(options.state_dir)),
        forwards=forwards(options.forward),
        store=store_of(options),
        tls=tls_files(options),
    )
    try:
        asyncio.run(service.serve(paths))
    except StateError as error:
        raise Stop(Exit.USAGE, str(error)) from None
    return Exit.DONE


def _settings(options: argparse.Namespace) -> LocalSettings:
    """Return what the platform's settings are made of. Raises `Stop`."""
    if options.config is None:
        given = base_url("--public-url", options.public_url) if options.public_url else None
        return LocalSettings(file=None, public_url=given, any_url=options.allow_url_targets, store=options.replay_store)
    if options.public_url or options.allow_url_targets:
        raise Stop(Exit.USAGE, "--config: says which hosts and targets there are; leave the other option out")
    return LocalSettings(
        file=settings_file(Path(options.config)), public_url=None, any_url=False, store=options.replay_store
    )


class Service:
    """One standalone Hookgate."""

    def __init__(  # noqa: PLR0913 -- what the command line says
        self,
        *,
        listen: Address,
        private: Address,
        settings: LocalSettings,
        state: StateFolder,
        forwards: dict[tuple[str, str], str],
        tls: TlsFiles | None,
        store: tuple[StoreAddress | None, Path | None] = (None, None),
    ) -> None:
        """Prepare; nothing is opened yet."""
        self._store = store
        self._listen, self._private, self._settings = listen, private, settings
        self._state, self._forwards, self._tls = state, forwards, tls
        self._screen = Screen()
        self._tasks: list[asyncio.Task[None]] = []

    async def serve(self, paths: list[Path]) -> None:
        """Serve what ``paths`` declare. Raises `Stop` and `StateError`."""
        self._state.open()
        try:
            self._cluster = DirectoryCluster(
                self._state, forwards=self._forwards, clock=time.time, new_uid=lambda: str(uuid.uuid4())
            )
            self._files = ManifestFiles(paths, remembered=_remembered(self._cluster))
            reading = self._files.poll()
            assert reading is not None, "the first look always tells"
            self._check(paths, reading)
            await self._run(reading)
        finally:
            self._state.close()

    def _check(self, paths: list[Path], reading: Reading) -> None:
        self._screen.problems(reading.problems)
        self._screen.ignored(reading.ignored)
        if not reading.endpoints and not self._cluster.endpoints:
            where = ", ".join(map(str, paths))
            what = "no endpoint that can be served" if reading.problems else f"no {KIND} manifests found"
            raise Stop(Exit.USAGE, f"{where}: {what}; see `hookgate serve --help`")

    async def _run(self, reading: Reading) -> None:
        cluster = self._cluster
        source = MemorySource(cluster)
        front = self._settings.front
        self._receiver = receiver = Receiver(
            ReceiverSettings(
                host=self._listen.host,
                port=self._listen.port,
                private_host=self._private.host,
                private_port=self._private.port,
                drain_delay=0,
                grace=_GRACE,
                loopback_targets=True,
                denied_targets=self._settings.denied_targets,
                trust=Trust(proxies=front.proxies, hops=front.hops),
                proxy_protocol=front.proxy_protocol,
                bounds=Bounds() if front.connections is None else Bounds(connections_per_address=front.connections),
                replay_store=self._store[0],
                replay_secret=self._store[1],
                tls=self._tls,
            ),
            source,
            on_call=self._screen.call,
        )
        one = OneReceiver(receiver.table, receiver.journal)
        known = cluster.endpoints
        self._calls = CallWatch(
            one.calls,
            lambda: [(request, record.object) for request, record in known.items()],
            self._wake,
            clock=time.time,
            interval=_CALLS,
        )
        self._key_sets = KeySets(self._wake, private=lambda: self._settings.current().config.private_issuers)
        reconciler = Reconciler(
            cluster,
            one,
            settings=self._settings.current,
            clock=time.time,
            entropy=os.urandom,
            calls=self._calls.report,
            published=self._key_sets.published,
        )
        self._queue = Queue(reconciler.reconcile, workers=_WORKERS, jitter=random.random)
        cluster.wake, cluster.bound, cluster.told = self._queue.add, source.bound, self._tell
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, receiver.stop)
        try:
            await receiver.run(lambda _: self._begin(reading))
        except OSError as error:
            raise _unlistenable(error, self._listen, self._private) from None
        finally:
            failed = [task for task in self._tasks if task.done() and not task.cancelled()]
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in failed:
            task.result()

    def _begin(self, reading: Reading) -> None:
        """Start the control plane, now that the receiver listens."""
        public, private = self._receiver.ports
        listening = self._listen.url(public, secure=self._tls is not None)
        self._settings.listening = listening
        self._screen.say(f"Listening on {listening}, probes on {self._private.url(private)}.")
        self._screen.say(f"Secrets and URLs are kept in {self._state.folder}. Ctrl-C stops.\n")
        self._wake_all()
        self._tell_where(self._private.url(private))
        for work in (
            self._queue.run(),
            self._follow(reading),
            self._settings.watch(self._wake_all),
            self._calls.run(),
            self._key_sets.run(),
        ):
            task = asyncio.create_task(work)
            task.add_done_callback(lambda _: self._receiver.stop())
            self._tasks.append(task)

    def _tell_where(self, private: str) -> None:
        """Leave the private port's address for `hookgate explain`, which can do without."""
        try:
            self._state.put_private(private)
        except OSError as error:
            self._screen.say(f"{self._state.folder}: cannot be written ({error.strerror}); `explain` will tell less")

    def _wake(self, request: Request) -> None:
        self._queue.add(request)

    def _wake_all(self) -> None:
        for request in self._cluster.endpoints:
            self._queue.add(request)

    async def _follow(self, reading: Reading | None) -> None:
        """Declare what the files say, again whenever they change, and show what comes of it."""
        pending = reading
        looked = time.monotonic()
        while True:
            if pending is not None and self._declare(pending):
                pending = None
            await asyncio.sleep(_TICK)
            if self._queue.idle():
                self._screen.endpoints(record.object for record in self._cluster.endpoints.values())
            if time.monotonic() - looked >= _LOOK:
                pending = await asyncio.to_thread(self._files.poll) or pending
                looked = time.monotonic()

    def _declare(self, reading: Reading) -> bool:
        self._screen.ignored(reading.ignored)
        try:
            refused = self._cluster.declare(reading.endpoints, reading.secrets)
        except ClusterError as error:
            self._screen.problems([*reading.problems, str(error)])
            return False
        self._screen.problems([*reading.problems, *refused])
        return True

    def _tell(self, manifest: Object, normal: bool, reason: str, message: str) -> None:
        if not normal and reason == "ReceiversUnconfirmed":
            self._screen.say(f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}: {message}")


class MemorySource:
    """The receiver's `BindingSource`: the bindings of a `DirectoryCluster` in the same process."""

    def __init__(self, cluster: DirectoryCluster) -> None:
        """Nothing flows before `run`."""
        self._cluster = cluster
        self._table: BindingTable | None = None

    async def run(self, table: BindingTable) -> None:
        """Load the whole table; later changes come through `bound`."""
        table.replace(self._cluster.bindings)
        table.heard_at = time.monotonic
        self._table = table
        await asyncio.Event().wait()

    def bound(self, uid: str, raw: bytes | None) -> None:
        """Hand one binding on."""
        if self._table is None:
            return
        if raw is None:
            self._table.remove(uid)
        else:
            self._table.put(uid, raw)


class OneReceiver:
    """The control plane's `Receivers`: the one in this process, which is ready once its table is loaded."""

    def __init__(self, table: BindingTable, journal: Journal) -> None:
        """Ask ``table`` and ``journal`` directly."""
        self._table, self._journal = table, journal

    async def calls(self, uids: Sequence[str]) -> Mapping[str, CallReport]:
        """Return what became of the calls to these endpoints; those that were never called are left out."""
        pages = {uid: page for uid in uids if (page := self._journal.page(uid)) is not None}
        return {uid: found for uid, page in pages.items() if (found := read_report(told(page))) is not None}

    async def served(self, uid: str, digest: str | None) -> Served:
        """Compare; there is nothing to wait for, since bindings take effect as they are written."""
        ready = int(self._table.loaded)
        return Served(digest=digest, ready=ready, agreeing=ready * (self._table.digest(uid) == digest))


def _remembered(cluster: DirectoryCluster) -> list[Claim]:
    """Return what was declared when the last process ended, as claims of the files that declared it."""
    endpoints = {q: r for q, r in cluster.endpoints.items() if not r.object["metadata"].get("deletionTimestamp")}
    return [
        Claim(kind=kind, request=request, record=record, where=str(record.source))
        for kind, records in ((KIND, endpoints), (SECRET, cluster.declared_secrets))
        for request, record in records.items()
    ]


def _unlistenable(error: OSError, *addresses: Address) -> Stop:
    where = " or ".join(f"{each.host}:{each.port}" for each in addresses if each.port)
    if error.errno == errno.EADDRINUSE:
        return Stop(Exit.USAGE, f"{where}: in use by another process; choose another address with --listen")
    return Stop(Exit.USAGE, f"{where}: cannot listen here ({error.strerror}); choose another address with --listen")

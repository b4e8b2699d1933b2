"""The receiver as a process: both listeners, the source that feeds the table, and the way down.

It may not know which source feeds it nor who started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, cast

import uvicorn

from hookgate.receiver.answers import Answers
from hookgate.receiver.calls import Calls, OnCall
from hookgate.receiver.clients import Clients
from hookgate.receiver.delivery import Deliverer
from hookgate.receiver.descriptors import OTHERS, allow, fitting
from hookgate.receiver.dial import Judge
from hookgate.receiver.edge import Bound, Bounds, no_rejections, protocol_factory
from hookgate.receiver.fronted import Faced, as_it_is, behind_balancer
from hookgate.receiver.guard import Guard
from hookgate.receiver.journal import Journal
from hookgate.receiver.lean.listener import Listener
from hookgate.receiver.load import Load
from hookgate.receiver.metrics import Metrics, Sources
from hookgate.receiver.neighbours import Neighbours
from hookgate.receiver.pool import ConnectionPool
from hookgate.receiver.private import PrivateApp
from hookgate.receiver.redis import RedisStore
from hookgate.receiver.replay import Memory
from hookgate.receiver.server import PublicApp
from hookgate.receiver.settings import Edge, ReceiverSettings
from hookgate.receiver.source import BindingSource
from hookgate.receiver.table import BindingTable
from hookgate.receiver.tls import Acceptor, Certificates

_log = logging.getLogger(__name__)

_BACKLOG = 2048
_SOURCE_RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
#: An endpoint rests when it was not called for this time, or up to twice as long.
_REST_SECONDS = 300.0
_PRIVATE_BOUNDS = Bounds(connections=256)


class _Edge(Protocol):
    """A listener, whichever is chosen."""

    accepting: asyncio.Event

    async def serve(self, sockets: list[socket.socket]) -> None: ...
    def retire(self) -> None: ...
    def stop(self) -> None: ...


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handling: there are two in one process, and the way down is ours."""

    def __init__(self, config: uvicorn.Config, acceptor: Acceptor | None = None) -> None:
        super().__init__(config)
        self.accepting, self._acceptor = asyncio.Event(), acceptor

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor is None:
            await super().startup(sockets)
        else:
            await super().startup([])
            self._acceptor.start(sockets or [], self._protocol)
        self.accepting.set()

    def _protocol(self) -> Faced:
        """Make a protocol as uvicorn does it for the sockets that it listens on by itself."""
        make: Callable[..., Faced] = cast("Callable[..., Faced]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor is not None:
            await self._acceptor.close()
        await super().shutdown(sockets)

    def retire(self) -> None:
        if isinstance(self.config.app, PublicApp):
            self.config.app.retiring = True

    def stop(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Receiver:
    """One receiver. ``table`` and ``journal`` may be read at any time; ``ports`` are known once it is started.

    ``judge`` says which addresses targets may have, and may be told of more that they may not.
    """

    def __init__(
        self,
        settings: ReceiverSettings,
        source: BindingSource,
        *,
        on_call: OnCall | None = None,
        deliverer: Deliverer | None = None,
    ) -> None:
        """Prepare; nothing is opened yet."""
        self.settings, self.table = settings, BindingTable()
        self.journal = Journal(self.table)
        self.load = Load(
            max_calls=settings.max_in_flight,
            max_per_endpoint=settings.max_in_flight_per_endpoint,
            max_bytes=settings.max_held_bytes,
        )
        self.answers = Answers(settings.max_held_bytes)
        self.memory = Memory(self.table, most=settings.replay_marks, most_each=settings.replay_marks_each)
        address = settings.replay_store
        self.store: RedisStore | None = None
        if address is not None:
            self.store = RedisStore(address, settings.replay_secret, seconds=settings.replay_seconds)
        self.ports: tuple[int, int] = (settings.port, settings.private_port)
        self.judge = Judge(loopback=settings.loopback_targets, denied=settings.denied_targets)
        self._source, self._on_call, self._deliverer = source, on_call, deliverer
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()

    def stop(self) -> None:
        """Begin the way down; a second call cuts the delay before it short."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def run(self, started: Callable[[Receiver], None] | None = None) -> None:
        """Serve until `stop`, then drain. ``started`` is called as soon as both listeners accept.

        Raises OSError when an address cannot be had, `InvalidTls` for files that cannot be used.
        """
        settings = self.settings = replace(self.settings, bounds=self._fitting())
        self._certificates = None if settings.tls is None else Certificates(settings.tls)
        with contextlib.ExitStack() as sockets:
            public_socket = sockets.enter_context(_listen(settings.host, settings.port))
            private_socket = sockets.enter_context(_listen(settings.private_host, settings.private_port))
            self.ports = (public_socket.getsockname()[1], private_socket.getsockname()[1])
            deliverer = self._deliverer or ConnectionPool(
                max_response_bytes=settings.max_response_bytes,
                answers=self.answers,
                max_connections=settings.max_in_flight,
                judge=self.judge,
            )
            try:
                await self._serve(deliverer, public_socket, private_socket, started)
            finally:
                await deliverer.close()

    def _fitting(self) -> Bounds:
        """Return the bounds for as many connections as there will be descriptors for."""
        settings, bounds = self.settings, self.settings.bounds
        each = 1 if settings.tls is None else 2  # handshakes are counted apart
        others = settings.max_in_flight + _PRIVATE_BOUNDS.connections + OTHERS
        files = allow(bounds.connections * each + others)
        found = fitting(bounds, files=files, others=others, each=each)
        if found != bounds:
            _log.warning(
                "this process may open %d files, so it takes %d connections instead of %d; raise `ulimit -Hn`",
                *(files, found.connections, bounds.connections),
            )
        return found

    async def _serve(
        self,
        deliverer: Deliverer,
        public_socket: socket.socket,
        private_socket: socket.socket,
        started: Callable[[Receiver], None] | None,
    ) -> None:
        settings = self.settings
        clients = Clients(settings.trust)
        calls = Calls(
            self.table,
            deliverer,
            self.load,
            max_body_bytes=settings.max_body_bytes,
            on_call=self._on_call,
            journal=self.journal,
            guard=Guard(self.memory, self.store),
            clients=clients,
        )
        rejected = no_rejections()
        acceptor = self._acceptor(clients, rejected)
        public = self._edge(calls, clients, rejected, acceptor)
        sources = Sources(
            table=self.table,
            journal=self.journal,
            load=self.load,
            memory=self.memory,
            store=self.store,
            edge_rejected=rejected,
        )
        private_app = PrivateApp(self.table, draining=self._stop.is_set, journal=self.journal, metrics=Metrics(sources))
        private = _Server(_config(private_app, protocol_factory(_PRIVATE_BOUNDS), settings.keep_alive, 1))
        working = self._begin_work(acceptor)
        listeners = [
            asyncio.create_task(public.serve([public_socket])),
            asyncio.create_task(private.serve([private_socket])),
        ]
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await public.accepting.wait()
            await private.accepting.wait()
            if await self._ready(stopping) and started is not None:
                started(self)
            await asyncio.wait([stopping, *listeners], return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                public.retire()
                await self._delay()
            public.stop()
            await listeners[0]
        finally:
            self._stop.set()
            for task in working:
                task.cancel()
            public.stop()
            private.stop()
            await asyncio.gather(*working, stopping, *listeners, return_exceptions=True)

    async def _ready(self, stopping: asyncio.Task[Any]) -> bool:
        """Wait until the store was tried; False: it is to end before that."""
        if self.store is not None:
            tried = asyncio.create_task(self.store.tried.wait())
            await asyncio.wait([tried, stopping], return_when=asyncio.FIRST_COMPLETED)
            tried.cancel()
        return not self._stop.is_set()

    def _begin_work(self, acceptor: Acceptor | None) -> list[asyncio.Task[None]]:
        """Start what goes on beside the listeners until the end."""
        working = [asyncio.create_task(_feed(self._source, self.table)), asyncio.create_task(_let_rest(self.table))]
        if self.store is not None:
            working.append(asyncio.create_task(self.store.run()))
        if acceptor is not None:
            working.append(asyncio.create_task(acceptor.certificates.follow()))
        return working

    def _acceptor(self, clients: Clients, rejected: dict[Bound, int]) -> Acceptor | None:
        if self._certificates is None:
            return None
        bounds = self.settings.bounds
        return Acceptor(
            self._certificates,
            bounds=bounds,
            rejected=rejected,
            neighbours=Neighbours(bounds.connections_per_address, exempt=clients.trusts),
            balancers=clients.trusts if self.settings.proxy_protocol else None,
        )

    def _edge(self, calls: Calls, clients: Clients, rejected: dict[Bound, int], acceptor: Acceptor | None) -> _Edge:
        settings = self.settings
        bounds = settings.bounds
        neighbours = Neighbours(bounds.connections_per_address, exempt=clients.trusts)
        front = (
            as_it_is
            if not settings.proxy_protocol or acceptor is not None
            else behind_balancer(
                trusts=clients.trusts,
                seconds=bounds.head_seconds,
                rejected=partial(_count, rejected, Bound.PROXY_HEADER),
            )
        )
        if settings.edge is Edge.LEAN:
            return Listener(
                calls,
                bounds=bounds,
                rejected=rejected,
                neighbours=neighbours,
                answers=self.answers,
                front=front,
                keep_alive=settings.keep_alive,
                body_seconds=settings.body_seconds,
                grace=settings.grace,
                acceptor=acceptor,
            )
        app = PublicApp(calls, body_seconds=settings.body_seconds)
        protocol = protocol_factory(bounds, rejected, neighbours=neighbours, front=front)
        return _Server(_config(app, protocol, settings.keep_alive, settings.grace), acceptor)

    async def _delay(self) -> None:
        """Give load balancers the time to hear that we are no longer ready."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.drain_delay):
                await self._hurry.wait()


async def run_receiver(
    settings: ReceiverSettings,
    source: BindingSource,
    *,
    on_call: OnCall | None = None,
    started: Callable[[Receiver], None] | None = None,
) -> None:
    """Run one receiver until SIGTERM or SIGINT, drain it and return."""
    receiver = Receiver(settings, source, on_call=on_call)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, receiver.stop)
    try:
        await receiver.run(started)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> socket.socket:
    """Bind and return a listening socket; ``host`` is an address of either family."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    opened.setblocking(False)
    return opened


def _count(rejected: dict[Bound, int], bound: Bound) -> None:
    rejected[bound] += 1


def _config(app: Any, protocol: type[asyncio.Protocol], keep_alive: int, grace: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        # Heads that cannot be parsed are a scanner's daily business: a warning for each would fill the log.
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=keep_alive,
        timeout_graceful_shutdown=grace,
    )


async def _let_rest(table: BindingTable) -> None:
    """Have endpoints that nobody calls take less memory."""
    while True:
        await asyncio.sleep(_REST_SECONDS)
        table.rest()


async def _feed(source: BindingSource, table: BindingTable) -> None:
    """Keep the source running: if it fails, the table stays in force and the source is started again."""
    failures = 0
    while True:
        try:
            await source.run(table)
            return
        except Exception as error:
            pause = _SOURCE_RETRY_SECONDS[min(failures, len(_SOURCE_RETRY_SECONDS) - 1)]
            failures += 1
            _log.error("binding source failed (%s): again in %.0f s", type(error).__name__, pause)
            await asyncio.sleep(pause)

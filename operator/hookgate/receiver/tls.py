"""TLS at the public listener, for those without an ingress: certificates from files, handshakes before either edge.

Files are read again when they change, and what is established goes on with what it has. Each change makes a new
context, so that nobody resumes a session that an authority vouched for which is not trusted any more. This module may
not know what is said on a connection.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, cast

from hookgate.receiver.edge import Bound, Bounds
from hookgate.receiver.fronted import Faced
from hookgate.receiver.neighbours import Neighbours
from hookgate.receiver.proxy_header import NoProxyHeader, read_proxy_header

_log = logging.getLogger(__name__)

#: How often the files are looked at. What a kubelet mounts it renews within a minute or so.
LOOK_SECONDS: Final = 5.0
#: How long the other end may take to confirm the end of a session.
_SHUTDOWN_SECONDS = 2.0
_PAUSE_SECONDS = 0.1

Make = Callable[[], Faced]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """``certificate`` is the chain, its own first, and ``key`` its key, both PEM.

    With ``client_ca`` only senders get through that have a certificate of one of these authorities.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file there is."""
        return (self.certificate, self.key) if self.client_ca is None else (self.certificate, self.key, self.client_ca)


class InvalidTls(ValueError):  # noqa: N818 -- what is wrong, told to the user
    """Files that cannot be used. The text names the file and never what is in it."""


class UnreadableTls(InvalidTls):
    """Files that cannot be read now, whatever is in them."""


class Certificates:
    """The context for new connections, as the files say."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files. Raises `InvalidTls`."""
        self._files = files
        self._known = _read(files)
        self.context = _context(files)

    def look(self) -> bool:
        """Read the files again; tell whether another context is in force.

        Raises `InvalidTls` once for each content, `UnreadableTls` each time.

        What was in force before stays so until all files fit together.
        """
        found = _read(self._files)
        if found == self._known:
            return False
        try:
            self.context = _context(self._files)
        except UnreadableTls:
            raise  # there is nothing yet that could be known
        except InvalidTls:
            self._known = found
            raise
        self._known = found
        return True

    async def follow(self, seconds: float = LOOK_SECONDS) -> None:
        """Look again and again, until cancelled."""
        failing = False
        while True:
            await asyncio.sleep(seconds)
            try:
                if await asyncio.to_thread(self.look):
                    _log.info("TLS: the files have changed, new connections get the new certificate")
                failing = False
            except InvalidTls as error:
                if not failing:
                    _log.error("TLS: %s; what was in force before stays so", error)
                failing = isinstance(error, UnreadableTls)


def _read(files: TlsFiles) -> tuple[bytes, ...]:
    found = []
    for file in files.all:
        try:
            found.append(file.read_bytes())
        except OSError as error:
            raise UnreadableTls(f"{file}: cannot be read ({error.strerror})") from None
    return tuple(found)


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without a password somebody would be asked for one, and there is nobody.
        context.load_cert_chain(files.certificate, files.key, password="")
    except (ssl.SSLError, ValueError):
        raise InvalidTls(
            f"{files.certificate}, {files.key}: not a certificate chain and its key, both PEM, the key not encrypted"
        ) from None
    except OSError as error:
        raise UnreadableTls(f"{files.certificate}, {files.key}: cannot be read ({error.strerror})") from None
    if files.client_ca is not None:
        _demand(context, files.client_ca)
    return context


def _demand(context: ssl.SSLContext, client_ca: Path) -> None:
    """Let nobody through without a certificate, which is looked at in every handshake anew."""
    try:
        context.load_verify_locations(client_ca)
    except ssl.SSLError:
        raise InvalidTls(f"{client_ca}: holds no certificate (PEM)") from None
    except OSError as error:
        raise UnreadableTls(f"{client_ca}: cannot be read ({error.strerror})") from None
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0


class Acceptor:
    """Accepts connections and secures them, one context for each as it is then, before an edge hears of them.

    As many handshakes may be under way as there may be connections, each for as long as a head may take.
    """

    def __init__(
        self,
        certificates: Certificates,
        *,
        bounds: Bounds,
        rejected: MutableMapping[Bound, int],
        neighbours: Neighbours,
        balancers: Callable[[str], bool] | None = None,
    ) -> None:
        """Show ``certificates``. Make it inside a running loop.

        ``rejected`` counts the handshakes that came to nothing, ``neighbours`` those of each address; connections of
        ``balancers`` begin with a header of the PROXY protocol, in the clear.
        """
        self.certificates = certificates
        self._bounds, self._rejected = bounds, rejected
        self._neighbours, self._balancers = neighbours, balancers
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._accepting: set[asyncio.Task[None]] = set()
        self._handshakes: set[asyncio.Task[None]] = set()

    def start(self, sockets: Iterable[socket.socket], make: Make) -> None:
        """Accept on listening ``sockets`` that do not block; each secure connection gets a protocol from ``make``."""
        for each in sockets:
            self._sockets.append(each)
            self._accepting.add(self._loop.create_task(self._accept(each, make)))

    async def close(self) -> None:
        """Accept no more, and end the handshakes that are under way: nobody has said anything on these connections."""
        tasks = [*self._accepting, *self._handshakes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in self._sockets:
            each.close()

    async def _accept(self, listening: socket.socket, make: Make) -> None:
        while True:
            try:
                opened, address = await self._loop.sock_accept(listening)
            except OSError as error:  # no descriptor to be had, or a sender that has gone already
                _log.error("accepting failed (%s)", error.strerror)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            peer = address[0]
            full = len(self._handshakes) >= self._bounds.connections
            if full or not self._neighbours.enter(peer):
                self._rejected[Bound.CONNECTIONS if full else Bound.CONNECTIONS_PER_ADDRESS] += 1
                opened.close()
                continue
            task = self._loop.create_task(self._secure(opened, peer, make))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _secure(self, opened: socket.socket, peer: str, make: Make) -> None:
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            source = await self._source(opened, peer)
            await self._loop.connect_accepted_socket(
                partial(_made, make, source),
                opened,
                ssl=self.certificates.context,
                ssl_handshake_timeout=self._bounds.head_seconds,
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
            )
        except (OSError, RuntimeError):  # RuntimeError: uvloop's word for a connection that has gone
            self._rejected[Bound.TLS_HANDSHAKE] += 1
            opened.close()
        except NoProxyHeader:
            self._rejected[Bound.PROXY_HEADER] += 1
            opened.close()
        except asyncio.CancelledError:
            opened.close()
            raise
        finally:
            self._neighbours.leave(peer)

    async def _source(self, opened: socket.socket, peer: str) -> str | None:
        """Read what a balancer says about whose connection this is, and not a byte more."""
        if self._balancers is None or not self._balancers(peer):
            return None
        said = b""
        try:
            async with asyncio.timeout(self._bounds.head_seconds):
                while byte := await self._loop.sock_recv(opened, 1):
                    said += byte
                    header = read_proxy_header(said)
                    if header is not None:
                        return header.source
        except TimeoutError:
            pass
        raise NoProxyHeader


def _made(make: Make, source: str | None) -> asyncio.Protocol:
    protocol = make()
    if source is not None:
        protocol.face(source)
    return cast("asyncio.Protocol", protocol)

"""A real Redis or Valkey for one test or many: started, stopped, held up and brought back on the same port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hiredis

from hookgate.model.store import StoreAddress
from tests.cluster.processes import free_port

PROGRAMS = ("redis-server", "valkey-server")
MISSING = "no redis-server or valkey-server on PATH: install one (Debian: redis-server), or run .ci/engines as root"
_WAIT = 20.0


def program() -> str | None:
    """Return the engine's program, None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Engine:
    """One engine on loopback. ``extra`` are options of its command line; with ``tls`` files it speaks nothing else."""

    def __init__(self, folder: Path, *extra: str, tls: tuple[Path, Path, Path] | None = None) -> None:
        """Choose a port; `start` starts it."""
        self.port = free_port()
        port = ["--port", "0", "--tls-port", str(self.port)] if tls else ["--port", str(self.port)]
        if tls:
            certificate, key, ca = map(str, tls)
            port += ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", ca]
            port += ["--tls-auth-clients", "no"]
        found = program()
        assert found is not None, MISSING
        self._command = [found, *port, "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *extra]
        self._process: subprocess.Popen[bytes] | None = None
        self._tls = tls is not None

    @property
    def address(self) -> StoreAddress:
        """Where it is."""
        return StoreAddress(host="127.0.0.1", port=self.port, tls=self._tls, database=0)

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _WAIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, "the engine ended"
                assert time.monotonic() < deadline, "the engine does not listen"
                time.sleep(0.02)

    def stop(self) -> None:
        """End it at once; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_WAIT)
            self._process = None

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Keep it from answering; connections stay open."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    @contextmanager
    def running(self) -> Iterator[Engine]:
        """Run it until the block ends."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def ask(self, *words: str | bytes | int) -> object:
        """Ask it one thing, without TLS, as somebody who looks after it would."""
        reader = hiredis.Reader()
        with socket.create_connection(("127.0.0.1", self.port), timeout=_WAIT) as connection:
            connection.sendall(hiredis.pack_command(words))  # type: ignore[arg-type]
            while (answer := reader.gets()) is False:
                reader.feed(connection.recv(65536))
        return answer

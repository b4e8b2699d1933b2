"""A team's service, as tests need one: it answers 200 and keeps every request as it arrived, byte for byte."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from tests.cluster.processes import free_port

ANSWER = b"taken\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request; names of ``headers`` are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # five, as it is, would turn connections away that come together


class Target:
    """Serves at ``url`` while the context is open. ``received`` grows; tests tell theirs apart by path."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received.append(Received(method=self.command, path=self.path, headers=headers, body=body))
                self.send_response(200)
                self.send_header("Content-Length", str(len(ANSWER)))
                self.end_headers()
                self.wfile.write(ANSWER)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing."""

        port = free_port()
        # Not where the API server is: receivers keep away from there, whatever the port.
        self.url = f"http://127.0.0.2:{port}"
        self._server = _Server(("127.0.0.2", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def at(self, path: str) -> list[Received]:
        """What arrived at ``path``, in order."""
        return [each for each in self.received if each.path == path]

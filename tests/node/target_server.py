"""The team's service, run inside its pod: it takes every call and keeps a book of what arrived, by delivery id.

A script for the pod's Python with the standard library alone; the story puts it there in a ConfigMap. `GET /book`
answers with the book: id -> [how many times, SHA-256 of the body].
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8080
ID_HEADER = "X-GitHub-Delivery"
DELAY_HEADER = "X-Delay-Seconds"
"""How long the call takes, for steps that need calls in flight."""

_book: dict[str, tuple[int, str]] = {}
_lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """POST is a delivery, GET asks for the book."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(float(self.headers.get(DELAY_HEADER) or 0))
        delivery = self.headers.get(ID_HEADER) or ""
        with _lock:
            times, _ = _book.get(delivery, (0, ""))
            _book[delivery] = (times + 1, hashlib.sha256(body).hexdigest())
        self._answer(b"taken\n")

    def do_GET(self) -> None:
        with _lock:
            told = json.dumps(_book).encode()
        self._answer(told)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Room for every connection that a step may bring."""

    request_queue_size = 512
    daemon_threads = True


if __name__ == "__main__":
    Server(("0.0.0.0", PORT), Handler).serve_forever()

"""A `hookgate serve` as a real process in a temporary folder, a target for it, and its state through other eyes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from hookgate.cli.main import main
from tests.compiled import SOURCE

PATIENCE = 60.0
_T = TypeVar("_T")

ENDPOINT = """\
apiVersion: hookgate.dev/v1alpha1
kind: WebhookEndpoint
metadata:
  name: {name}
spec:
  state: {state}  # why it is so
  auth:
    type: hmac
    provider: github
  target:
    service: {{name: ci, port: 80, path: /in}}
"""


def endpoint(name: str = "push", state: str = "active") -> str:
    """Return a manifest."""
    return ENDPOINT.format(name=name, state=state)


def until(found: Callable[[], _T | None], what: str) -> _T:
    """Wait until ``found`` returns something true, and return it."""
    end = time.monotonic() + PATIENCE
    while not (result := found()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)
    return result


class Target(ThreadingHTTPServer):
    """A target that takes everything and remembers it; it answers while ``answering`` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port of loopback."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[tuple[str, bytes]] = []
        self.answering = threading.Event()
        self.answering.set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Target

    def do_POST(self) -> None:
        self.server.taken.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.answering.wait(PATIENCE)
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextlib.contextmanager
def target() -> Iterator[Target]:
    """Run a target."""
    server = Target()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Serve:
    """One `hookgate serve`. ``paths`` default to the folder ``hooks``, and the state is kept in ``state``."""

    def __init__(self, folder: Path, *options: str, paths: tuple[Path, ...] = ()) -> None:
        """Prepare the folders."""
        self.hooks, self.state = folder / "hooks", folder / "state"
        self.hooks.mkdir(exist_ok=True)
        self._out, self._errors = folder / "out.log", folder / "err.log"
        listen = () if "--listen" in options else ("--listen", "127.0.0.1:0")
        self.command = [sys.executable, "-m", "hookgate", "serve", *map(str, paths or (self.hooks,))]
        self.command += ["--state-dir", str(self.state), *listen, *options]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Serve:
        """Start, and wait until the table is there."""
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        with self._out.open("wb") as out, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=errors, env=environment)
        until(lambda: "NAMESPACE" in self.out or self.process is None or self.process.poll() is not None, "the table")
        assert self.process.poll() is None, self.errors
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    def refused(self) -> tuple[int, str]:
        """Run to the end, in this process, and return exit code and standard error, where it is not to serve."""
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            code = main(self.command[3:])
        return code, errors.getvalue()

    def __enter__(self) -> Serve:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.stop(signal.SIGKILL)

    @property
    def out(self) -> str:
        """What it printed."""
        return self._out.read_text()

    @property
    def errors(self) -> str:
        """What it complained of."""
        return self._errors.read_text()

    def write(self, name: str, text: str) -> Path:
        """Write a manifest file."""
        path = self.hooks / name
        path.write_text(text)
        return path

    def object(self, name: str = "push", plural: str = "webhookendpoints") -> dict[str, Any] | None:
        """Return an object as it is kept."""
        try:
            found: dict[str, Any] = json.loads((self.state / plural / "default" / f"{name}.json").read_text())["object"]
        except FileNotFoundError:
            return None
        return found

    def ready(self, name: str = "push") -> dict[str, Any]:
        """Wait until an endpoint's current generation is Ready, and return its status."""
        return until(lambda: self._is_ready(name), f"{name} to become Ready")

    def _is_ready(self, name: str) -> dict[str, Any] | None:
        found = self.object(name)
        status: dict[str, Any] = (found or {}).get("status") or {}
        current = found is not None and status.get("observedGeneration") == found["metadata"]["generation"]
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
        return status if current and ready else None

    def secret(self, name: str = "push-webhook", key: str = "secret") -> bytes:
        """Return a value of a connection Secret."""
        found = self.object(name, "secrets")
        assert found is not None
        return base64.b64decode(found["data"][key])


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Post and return the status."""
    parts = urlsplit(url)
    caller = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
    try:
        caller.request("POST", parts.path, body=body, headers=headers)
        return caller.getresponse().status
    finally:
        caller.close()


def signed(secret: bytes, body: bytes) -> dict[str, str]:
    """Return the headers that GitHub sends, computed apart from the project's own code."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()}

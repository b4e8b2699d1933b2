"""The life of one endpoint in ten seconds, on this machine alone: served, called, deactivated, activated again.

Everything happens in a temporary folder. KEEP=1 in the environment leaves it running at the end, to play with.
"""

from __future__ import annotations

import http.client
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

EXAMPLE = Path(__file__).parent / "quickstart"
NAME = "github-push"
PUSH = b'{"ref": "refs/heads/main", "repository": {"full_name": "example/project"}}'
PATIENCE = 20.0


class Target(BaseHTTPRequestHandler):
    """The service that the webhooks are for: it takes what it is given and counts."""

    taken: list[bytes] = []  # noqa: RUF012 -- shared on purpose: there is one target

    def do_POST(self) -> None:
        """Take one call."""
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet: Hookgate's own log tells of every delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One run: where it happens, and what was seen. A row is what was done, the status expected, the status seen."""

    folder: Path
    rows: list[tuple[str, int, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """Where Hookgate keeps the secret and the URL."""
        return self.folder / "state"

    def hookgate(self, *arguments: str, body: bytes = b"") -> str:
        """Run one command of Hookgate and return what it prints."""
        command = [sys.executable, "-m", "hookgate", *arguments, "--state-dir", str(self.state)]
        done = subprocess.run(  # noqa: S603 -- our own command
            command, input=body, capture_output=True, check=False, timeout=PATIENCE
        )
        sys.stderr.write(done.stderr.decode())
        return done.stdout.decode().strip()

    def send(self, what: str, expected: int, *options: str) -> None:
        """Call the endpoint as GitHub would, and note the answer."""
        answer = self.hookgate("send", NAME, "--data", "-", "--header", "X-GitHub-Event: push", *options, body=PUSH)
        status = re.match(r"\d{3}", answer)
        self.note(what, expected, int(status.group()) if status else 0)

    def note(self, what: str, expected: int, seen: int) -> None:
        """Print one row of the table."""
        self.rows.append((what, expected, seen))
        print(f"  {what:<58} {seen or 'none':>4}  {'as expected' if seen == expected else f'EXPECTED {expected}'}")

    def fault(self, what: str) -> None:
        """Print what else is wrong."""
        self.faults.append(what)
        print(f"  WRONG: {what}")

    @property
    def fine(self) -> bool:
        """Whether everything was as expected."""
        return not self.faults and all(expected == seen for _, expected, seen in self.rows)


def main() -> int:
    """Run the demo; 1 if anything was not as expected."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hookgate-demo-") as name:
        folder = Path(name)
        demo = Demo(folder=folder)
        hooks = shutil.copytree(EXAMPLE, folder / "hooks")
        with target() as port, served(demo, hooks, port):
            show(demo)
            summary = f"{len(demo.rows)} calls in {time.monotonic() - started:.1f} s"
            print(f"\n{summary}: {'all as expected' if demo.fine else 'NOT ALL AS EXPECTED, see above'}.")
            if os.environ.get("KEEP"):
                keep(demo, hooks)
    return 0 if demo.fine else 1


def show(demo: Demo) -> None:
    """Live through the endpoint's life."""
    url = demo.hookgate("url", NAME)
    parts = urlsplit(url)
    print(f"{EXAMPLE.name}/webhook.yaml is served at {parts.scheme}://{parts.netloc}. What its callers get:\n")
    demo.send("a push, signed as GitHub signs it", 202)
    demo.send("the same push, changed on the way", 401, "--tamper")
    demo.note("a stranger, guessing a path", 404, stranger(parts.netloc))
    demo.hookgate("deactivate", NAME, "--yes")
    demo.send("a signed push after `hookgate deactivate`", 503)
    demo.hookgate("activate", NAME)
    demo.send("a signed push after `hookgate activate`", 202)
    if demo.hookgate("url", NAME) != url:
        demo.fault("the URL is another one than before")
    if Target.taken != [PUSH, PUSH]:
        demo.fault(f"the target got {len(Target.taken)} calls, not the two signed pushes, byte for byte")


def stranger(where: str) -> int:
    """Call a path that nobody was given."""
    caller = http.client.HTTPConnection(where, timeout=PATIENCE)
    try:
        caller.request("POST", "/h/" + "a" * 32, body=PUSH)
        return caller.getresponse().status
    finally:
        caller.close()


@contextmanager
def target() -> Iterator[int]:
    """Run the target and yield its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()


@contextmanager
def served(demo: Demo, hooks: Path, port: int) -> Iterator[None]:
    """Run `hookgate serve` and yield once the endpoint is ready."""
    log = demo.folder / "serve.log"
    command = [sys.executable, "-m", "hookgate", "serve", str(hooks), "--state-dir", str(demo.state)]
    command += ["--listen", "127.0.0.1:0", "--forward", f"default/ci=http://127.0.0.1:{port}"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)  # noqa: S603 -- our own command
    try:
        end = time.monotonic() + PATIENCE
        while not re.search(rf"{NAME} .* True ", log.read_text()):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"hookgate serve did not come up:\n{log.read_text()}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def keep(demo: Demo, hooks: Path) -> None:
    """Leave everything running and say what to try."""
    script = Path(sys.executable).with_name("hookgate")
    hookgate = shlex.quote(str(script)) if script.exists() else f"{shlex.quote(sys.executable)} -m hookgate"
    state = f"--state-dir {demo.state}"
    print(f"""
Still running. Try, in another terminal:

  {hookgate} get {state}
  {hookgate} secret {NAME} {state}
  echo '{{}}' | {hookgate} send {NAME} --data - {state}
  {hookgate} deactivate {NAME} {state}

or edit {hooks / "webhook.yaml"}: it is read again at once. Ctrl-C ends it all.
""")
    log = demo.folder / "serve.log"
    with log.open() as lines:
        try:
            while True:
                line = lines.readline()
                print(line, end="", flush=True) if line else time.sleep(0.2)
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

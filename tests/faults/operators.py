"""Operators as processes that can be killed at a chosen write, paused, and started again within a moment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.cluster.processes import NotReadyError, Watchdog

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "operator"


class Operator:
    """One process. ``code`` is its exit code once it has ended (negative: by that signal)."""

    def __init__(self, pid: int, client: str, log: Path, start: int) -> None:
        self.pid, self.client = pid, client
        self._log, self._start = log, start
        self.code: int | None = None
        self._killed = False

    @property
    def running(self) -> bool:
        """Whether it has not ended; one that was killed has, although the news may be on their way."""
        return self.code is None and not self._killed

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that has ended already does not mind."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, as a node's failure does."""
        self.signal(signal.SIGKILL)
        self._killed = True

    def said(self) -> str:
        """What was logged since it was started."""
        with self._log.open("rb") as log:
            log.seek(self._start)
            return log.read().decode(errors="replace")


class Operators:
    """All operators of one ``source`` in a run; ``log`` is where they write."""

    def __init__(self, folder: Path, watchdog: Watchdog, source: Path = SOURCE) -> None:
        self.log = folder / "operators.log"
        self.receiver_log = folder / "receiver.log"
        self.log.touch()
        self.receiver_log.touch()
        self._all: dict[int, Operator] = {}
        self._watchdog = watchdog
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "PYTHONPATH": str(source),
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("ab") as log:
            self._mother = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("mother.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
                start_new_session=True,
            )
        watchdog.watch(self._mother.pid)
        self._born: list[int] = []
        self._news = threading.Condition()
        self._ended: dict[int, int] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(
        self, client: str, kubeconfig: Path, config: Path, *, lease: dict[str, float] | None, **more: Any
    ) -> Operator:
        """Start one and return as soon as it exists. ``more`` are further options of the operator's."""
        options = {"config": str(config), "kubeconfig": str(kubeconfig), **more}
        return self._bear(client, self.log, {"options": options, "lease": lease})

    def start_receiver(self, kubeconfig: Path, public: int, private: int, resync: float) -> Operator:
        """Start a receiver; it logs to a file of its own."""
        asked = {"kubeconfig": str(kubeconfig), "public": public, "private": private, "resync": resync}
        return self._bear("receiver", self.receiver_log, {"receiver": asked})

    def _bear(self, client: str, log: Path, asked: dict[str, Any]) -> Operator:
        start = log.stat().st_size
        with self._news:
            assert self._mother.stdin is not None
            self._mother.stdin.write(json.dumps({**asked, "log": str(log)}) + "\n")
            self._mother.stdin.flush()
            if not self._news.wait_for(lambda: self._born or self._mother.poll() is not None, 60) or not self._born:
                raise NotReadyError(f"no operator could be started\n{self.log.read_text()[-2000:]}")
            operator = Operator(self._born.pop(), client, log, start)
            self._all[operator.pid] = operator
            operator.code = self._ended.get(operator.pid)
        self._watchdog.watch(operator.pid)
        return operator

    def wait_ended(self, operator: Operator, seconds: float = 20.0) -> int:
        """Wait until it has ended and return its exit code."""
        with self._news:
            if not self._news.wait_for(lambda: operator.code is not None, seconds):
                raise NotReadyError(f"operator {operator.pid} did not end within {seconds:g} s")
            assert operator.code is not None
            return operator.code

    def close(self) -> None:
        """End all of them."""
        for operator in list(self._all.values()):
            operator.signal(signal.SIGCONT)
            operator.kill()
        self._mother.kill()
        self._mother.wait()
        self._listener.join()
        for stream in (self._mother.stdin, self._mother.stdout):
            if stream is not None:
                stream.close()
        self._watchdog.forget(self._mother.pid)

    def _listen(self) -> None:
        assert self._mother.stdout is not None
        for line in self._mother.stdout:
            with self._news:
                if line[0] == "+":
                    self._born.append(int(line[1:]))
                else:
                    pid, code = map(int, line[1:].split())
                    self._ended[pid] = code
                    if pid in self._all:
                        self._all[pid].code = code
                    self._watchdog.forget(pid)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


def pause_until(condition: Any, seconds: float, step: float = 0.02) -> bool:
    """Wait for ``condition()``, at most ``seconds``; tell whether it came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True

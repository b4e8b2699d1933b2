"""Senders that call without pause, at a bounded rate, and note of every call what became of it.

Each keeps one TLS connection to the gateway, checks its certificate, and signs as GitHub's documentation says. There is
no second try: a call that fails is noted as failed. It knows nothing of Kubernetes.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.cluster.calls import github
from tests.cluster.processes import wait_until
from tests.node.target_server import DELAY_HEADER, ID_HEADER

_SECONDS = 60.0
_STEADY_CALLS = 25
NO_ANSWER = 0
_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """What a sender knows: where to call and what to sign with. `address`: whom it reaches under that name."""

    url: str
    secret: bytes
    address: str
    authority: ssl.SSLContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: `status` is `NO_ANSWER` where there was none; times are monotonic seconds."""

    delivery: str
    digest: str
    host: str
    began: float
    ended: float
    status: int
    said: str = ""
    """The beginning of the answer to a call that failed, or the error."""

    @property
    def taken(self) -> bool:
        """Whether the sender was told that its call arrived."""
        return 200 <= self.status < 300


class _Connection(http.client.HTTPSConnection):
    """To `address`, under the name that the URL has."""

    def __init__(self, hook: Hook) -> None:
        parts = urlsplit(hook.url)
        assert parts.hostname is not None
        super().__init__(parts.hostname, parts.port, timeout=_SECONDS, context=hook.authority)
        self._hook = hook

    def connect(self) -> None:
        plain = socket.create_connection((self._hook.address, self.port), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._hook.authority.wrap_socket(plain, server_hostname=self.host)


class Sender:
    """Calls one hook, over a connection that it keeps."""

    def __init__(self, hook: Hook) -> None:
        self.hook = hook
        self._connection = _Connection(hook)

    def send(self, *, delay: float = 0.0, forged: bool = False) -> Call:
        """One call. `delay`: how long the target takes. `forged`: signed with another key."""
        delivery = str(uuid.uuid4())
        body = json.dumps({"delivery": delivery, "ref": "refs/heads/main"}).encode()
        secret = b"somebody else's" if forged else self.hook.secret
        headers = {**github(secret, body), ID_HEADER: delivery, "Content-Type": "application/json"}
        if delay:
            headers[DELAY_HEADER] = str(delay)
        began = time.monotonic()
        status, said = self._post(body, headers)
        return Call(
            delivery=delivery,
            digest=hashlib.sha256(body).hexdigest(),
            host=self._connection.host,
            began=began,
            ended=time.monotonic(),
            status=status,
            said=said,
        )

    def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        try:
            self._connection.request("POST", urlsplit(self.hook.url).path, body, dict(headers))
            answer = self._connection.getresponse()
            said = answer.read(_SHOWN).decode(errors="replace").strip()
            answer.read()
            return answer.status, said
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return NO_ANSWER, type(error).__name__

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class Load:
    """`senders` threads for each hook, each with a call every `pause` seconds, or when its last one is answered."""

    def __init__(self, hooks: Sequence[Hook], *, senders: int = 3, pause: float = 0.1, delay: float = 0.0) -> None:
        self._hooks, self._pause, self._delay = list(hooks), pause, delay
        self.calls: list[Call] = []
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._call_on, args=(position,), daemon=True)
            for position in range(len(hooks))
            for _ in range(senders)
        ]

    def start(self) -> None:
        """Return once calls pass at every hook."""
        for thread in self._threads:
            thread.start()
        self.steady("calls to pass before the step")

    def use(self, hooks: Sequence[Hook]) -> None:
        """From the next call of each sender on, these hooks, in the same order."""
        self._hooks = list(hooks)

    def steady(self, what: str) -> None:
        """Return once some more calls were taken at every host. Raises NotReadyError."""
        before = len(self.calls)

        def enough() -> bool:
            since = [call.host for call in self.calls[before:] if call.taken]
            return all(since.count(urlsplit(hook.url).hostname or "") >= _STEADY_CALLS for hook in self._hooks)

        wait_until(enough, what, seconds=120)

    def stop(self) -> list[Call]:
        """End all senders after their calls; every call that was made."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        return self.calls

    def _call_on(self, position: int) -> None:
        sender = Sender(self._hooks[position])
        while not self._end.is_set():
            hook = self._hooks[position]
            if hook is not sender.hook:
                sender.close()
                sender = Sender(hook)
            call = sender.send(delay=self._delay)
            self.calls.append(call)
            self._end.wait(max(0.0, self._pause - (call.ended - call.began)))
        sender.close()


Book = Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of a step's calls, the sender's notes held against the target's book."""

    sent: int = 0
    failed: tuple[Call, ...] = ()
    lost: int = 0
    """Calls that the sender was told had arrived, and that the target does not have, or not as they were sent."""
    doubled: int = 0


def tally(calls: Sequence[Call], book: Book) -> Tally:
    """Compare."""
    taken = [call for call in calls if call.taken]
    return Tally(
        sent=len(calls),
        failed=tuple(call for call in calls if not call.taken),
        lost=sum(1 for call in taken if book.get(call.delivery, (0, ""))[1] != call.digest),
        doubled=sum(1 for call in calls if book.get(call.delivery, (0, ""))[0] > 1),
    )

"""Watches, beside the proxy, every version of every endpoint's status and of every secret, and judges what it sees."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from hookgate.model.binding import DATA_KEY, Binding, UndecodableBinding, decode
from tests.cluster.controlplane import ControlPlane
from tests.control.kstatus import violations
from tests.faults.asked import BINDINGS

#: Where marks are made; no suite works there.
MARKED = "kube-public"
_ENDPOINTS = "/apis/hookgate.dev/v1alpha1/webhookendpoints"
_SECRETS = "/api/v1/secrets"


class Recorder:
    """``versions`` counts the statuses seen; ``wrong`` tells what was wrong with them, a line each.

    ``keys`` holds, for each team, the digests of all that was ever generated for it and is its calls' authority: paths,
    keys that verify, keys that sign for targets. ``told`` holds those of all that its connection Secrets ever said.
    """

    def __init__(self, cluster: ControlPlane) -> None:
        self.versions = 0
        self.wrong: list[str] = []
        self.keys: defaultdict[str, set[str]] = defaultdict(set)
        self.told: defaultdict[str, set[str]] = defaultdict(set)
        #: The names of Secrets that were made to learn how far the watch has come.
        self.marks: set[str] = set()
        #: Teams whose statuses others write to, as a test's part: their rules are not ours to keep.
        self.excused: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        self._watches = [
            _Watch(cluster, _ENDPOINTS, self._judge),
            _Watch(cluster, _SECRETS, self._note),
        ]

    def start(self) -> None:
        """Begin to watch."""
        for watch in self._watches:
            watch.thread.start()

    def stop(self) -> None:
        """End."""
        for watch in self._watches:
            watch.stopped.set()

    def _judge(self, endpoint: dict[str, Any]) -> None:
        metadata, status = endpoint["metadata"], endpoint.get("status")
        key = (metadata["uid"], metadata["resourceVersion"])
        if key in self._seen or not status or metadata["namespace"] in self.excused:
            return
        self._seen.add(key)
        self.versions += 1
        name = f"{metadata['namespace']}/{metadata['name']} at {metadata['resourceVersion']}"
        self.wrong += [f"{name}: {each}" for each in violations(metadata["generation"], status)]

    def _note(self, secret: dict[str, Any]) -> None:
        if secret["metadata"]["namespace"] == MARKED:
            self.marks.add(secret["metadata"]["name"])
            return
        data = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
        role = (secret["metadata"].get("labels") or {}).get("hookgate.dev/role")
        if secret["metadata"]["namespace"] == BINDINGS and DATA_KEY in data:
            with contextlib.suppress(UndecodableBinding):
                found = decode(data[DATA_KEY])
                if isinstance(found, Binding):
                    self.keys[found.namespace] |= set(map(_digest, _held(found)))
        elif role == "connection":
            self.told[secret["metadata"]["namespace"]] |= set(map(_digest, data.values()))


class _Watch:
    """A watch of one kind in all namespaces that goes on after every end of it."""

    def __init__(self, cluster: ControlPlane, path: str, take: Callable[[dict[str, Any]], None]) -> None:
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"recorder {path}", daemon=True)
        self._cluster, self._path, self._take = cluster, path, take
        self._version = "0"

    def _run(self) -> None:
        while not self.stopped.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                self._follow()
            time.sleep(0.1)

    def _follow(self) -> None:
        context = ssl.create_default_context(cafile=str(self._cluster.ca_file))
        address = self._cluster.url.removeprefix("https://")
        connection = http.client.HTTPSConnection(address, timeout=30, context=context)
        headers = {"Authorization": f"Bearer {self._cluster.admin_token}"}
        query = f"?watch=1&resourceVersion={self._version}&timeoutSeconds=25&allowWatchBookmarks=true"
        try:
            connection.request("GET", self._path + query, headers=headers)
            for line in connection.getresponse():
                event = json.loads(line)
                if event.get("type") in (None, "ERROR"):
                    self._version = "0"
                    return
                self._version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._take(event["object"])
        finally:
            connection.close()


def _held(binding: Binding) -> Iterator[bytes]:
    """What a binding holds that must not change by itself."""
    yield from (key.value.reveal() for key in (*binding.keys, *binding.forward_keys))
    if binding.segment is not None:
        yield binding.segment.encode()


def _digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()

"""Every version of every endpoint that an API server ever told a watch: what whoever waits for one may have seen."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any

from tests.cluster.rest import Rest, path_of

Object = dict[str, Any]
_PAUSE = 0.1


class History:
    """Watches until it is stopped; an API server that goes away is waited for."""

    def __init__(self, admin: Rest) -> None:
        self._admin = admin
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        #: Versions in the order of their being.
        self.versions: list[Object] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more."""
        self._stopped.set()

    def of(self, endpoint: Object) -> list[Object]:
        """The versions of one endpoint."""
        return [each for each in self.versions if each["metadata"]["uid"] == endpoint["metadata"]["uid"]]

    def knows(self, endpoint: Object) -> bool:
        """Whether it has come as far as this version."""
        version = endpoint["metadata"]["resourceVersion"]
        return any(each["metadata"]["resourceVersion"] == version for each in self.of(endpoint))

    def _run(self) -> None:
        version = ""
        while not self._stopped.is_set():
            try:
                if not version:
                    reply = self._admin.send("GET", path_of("WebhookEndpoint", None))
                    version = reply.body["metadata"]["resourceVersion"]
                for event in self._admin.watch("WebhookEndpoint", version):
                    if event["type"] == "ERROR":
                        version = ""
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    self.versions.append(event["object"])
            except (OSError, http.client.HTTPException, json.JSONDecodeError, KeyError):
                self._stopped.wait(_PAUSE)

"""The little of etcd that tests need, through its HTTP/JSON gateway: compaction, and a dump of everything stored.

Standard library only; knows nothing of Kubernetes.
"""

from __future__ import annotations

import base64
import json
import urllib.request
from typing import Any

# In an etcd range, the key \0 up to the end \0 means every key there is.
_EVERY_KEY = base64.b64encode(b"\0").decode()
_TIMEOUT_SECONDS = 30.0


class Etcd:
    """An etcd server at `url` (http://127.0.0.1:PORT), without authentication."""

    def __init__(self, url: str) -> None:
        self._url = url
        # No proxies from the environment: the server is on this machine.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def _call(self, path: str, question: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self._url}{path}", data=json.dumps(question).encode())
        with self._open(request, timeout=_TIMEOUT_SECONDS) as response:
            answer = json.load(response)
        assert isinstance(answer, dict)
        return answer

    def healthy(self) -> bool:
        """Whether it answers and has a leader."""
        try:
            with self._open(f"{self._url}/health", timeout=_TIMEOUT_SECONDS) as response:
                return bool(json.load(response).get("health") == "true")
        except (OSError, ValueError):
            return False

    def revision(self) -> int:
        """The current revision of the store: what Kubernetes shows as resourceVersion."""
        answer = self._call("/v3/kv/range", {"key": _EVERY_KEY, "range_end": _EVERY_KEY, "count_only": True})
        return int(answer["header"]["revision"])

    def compact(self) -> int:
        """Forgets all history before the current revision, which it returns."""
        revision = self.revision()
        self._call("/v3/kv/compaction", {"revision": str(revision), "physical": True})
        return revision

    def dump(self) -> bytes:
        """Every key and value now stored, one after the other, each ended by a newline. No history."""
        answer = self._call("/v3/kv/range", {"key": _EVERY_KEY, "range_end": _EVERY_KEY})
        stored = bytearray()
        for pair in answer.get("kvs", []):
            stored += base64.b64decode(pair["key"]) + b"\n" + base64.b64decode(pair.get("value", "")) + b"\n"
        return bytes(stored)

"""Reads what the operator asked the API server for, from the server's own audit log, as it grows.

It may not know endpoints, nor who asks.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

_READS = ("get", "list", "watch")
#: Told of every replica, whatever it works on: not a cost of endpoints.
_LEASES = "leases"


class AuditLog:
    """The part of one user's requests that came since the last `take`; `writes` and `reads` count them by what."""

    def __init__(self, path: Path, user: str) -> None:
        """Follow ``path`` from its present end."""
        self._path, self._user = path, user
        self._offset, self._rest = path.stat().st_size, b""
        self.writes: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.last_status = 0.0

    def reset(self) -> None:
        """Forget what was counted; what is not yet read counts for the past, too."""
        self.take()
        self.writes, self.reads, self.refused = Counter(), Counter(), Counter()

    def take(self) -> None:
        """Count what was added."""
        with self._path.open("rb") as log:
            log.seek(self._offset)
            added = log.read()
        self._offset += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        for line in lines:
            self._count(json.loads(line))

    def _count(self, told: dict[str, Any]) -> None:
        about = told.get("objectRef", {})
        if told["user"]["username"] != self._user or about.get("resource") == _LEASES:
            return
        what = "/".join(part for part in (about.get("resource", "?"), about.get("subresource", "")) if part)
        if what == "secrets" and about.get("namespace") == "hookgate-bindings":
            what = "secrets (bindings)"
        # The verb that a client means: server-side apply is a patch to the server.
        kind = f"{told['verb']} {what}"
        if told["verb"] in _READS:
            self.reads[kind] += 1
            return
        self.writes[kind] += 1
        if told.get("responseStatus", {}).get("code", 0) >= 400:
            self.refused[f"{kind}: {told['responseStatus']['code']}"] += 1
        if about.get("subresource") == "status":
            self.last_status = datetime.fromisoformat(told["stageTimestamp"].replace("Z", "+00:00")).timestamp()

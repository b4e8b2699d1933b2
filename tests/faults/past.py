"""An API server that lags behind: what it held at one moment, told as if it were now, until that is over.

Lists, and reads of single objects if asked for, are answered from a snapshot; watches say nothing until it is over and
then tell what was missed. Writes always meet the present: that is how a server with a stale cache behaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from tests.cluster.rest import Rest
from tests.faults.asked import Asked

_PLACES = {
    "webhookendpoints": "/apis/hookgate.dev/v1alpha1/webhookendpoints",
    "secrets": "/api/v1/secrets",
    "services": "/api/v1/services",
    "ingresses": "/apis/networking.k8s.io/v1/ingresses",
    "httproutes": "/apis/gateway.networking.k8s.io/v1/httproutes",
}


class Past:
    """What was so when this was made, ``of`` some kinds. ``single``: reads of one object are stale, not lists alone."""

    def __init__(self, admin: Rest, *, single: bool, of: Collection[str] = tuple(_PLACES)) -> None:
        self._single = single
        self._lists: dict[str, dict[str, Any]] = {}
        for resource in of:
            reply = admin.send("GET", _PLACES[resource])
            if reply.ok:
                self._lists[resource] = reply.body
        self.over = asyncio.Event()

    def knows(self, asked: Asked) -> bool:
        """Whether this request is answered from here."""
        return asked.resource in self._lists and (asked.verb == "list" or (self._single and asked.verb == "get"))

    def answer(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        """Status and document for a request that is known."""
        stored = self._lists[asked.resource]
        found = [o for o in stored["items"] if asked.namespace in ("", o["metadata"]["namespace"])]
        if asked.verb == "get":
            one = next((o for o in found if o["metadata"]["name"] == asked.name), None)
            return (200, _typed(stored, one)) if one else (404, {"kind": "Status", "status": "Failure", "code": 404})
        wanted = dict(part.split("=", 1) for part in asked.selector.split(",") if part)
        return 200, {**stored, "items": [o for o in found if _has(o["metadata"].get("labels") or {}, wanted)]}


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())


def _typed(stored: Mapping[str, Any], obj: dict[str, Any]) -> dict[str, Any]:
    """Members of a list leave out what they are."""
    return {"apiVersion": stored["apiVersion"], "kind": stored["kind"].removesuffix("List"), **obj}

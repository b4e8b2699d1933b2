"""Stands for the controller of a Gateway: says of every HTTPRoute what it is told to say.

What a route is to a real one is not its business: it accepts whatever the API server took. Standard library only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tests.cluster.rest import Rest, path_of

CONTROLLER = "tests.hookgate.dev/gateway"
_EVERY_S = 0.1
_SINCE = "2026-01-01T00:00:00Z"

#: Makes the conditions for one parent of a route; None: nothing is said about it.
Says = Callable[[dict[str, Any]], list[dict[str, Any]] | None]


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    """One condition as gateways write them."""
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": _SINCE}


def accept(_: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Say what a Gateway says of a good route."""
    return [condition("Accepted", "True", "Accepted"), condition("ResolvedRefs", "True", "ResolvedRefs")]


def silence(_: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Say nothing, as where there is no controller; what was said before stays."""
    return None


class Gateway:
    """One controller for all Gateways; ``says`` may be changed at any time, and is said of old routes, too."""

    def __init__(self, admin: Rest, namespace: str) -> None:
        """Begin to look at the routes in ``namespace`` with rights of its own."""
        self.says: Says = accept
        self._admin, self._namespace = admin, namespace
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until it has ended."""
        self._end.set()
        self._thread.join()
        self._admin.close()

    def _run(self) -> None:
        while not self._end.wait(_EVERY_S):
            try:
                self._look()
            except (OSError, AssertionError):
                continue  # the API server is away, or somebody changed the route meanwhile

    def _look(self) -> None:
        reply = self._admin.send("GET", path_of("HTTPRoute", self._namespace))
        for route in reply.body.get("items", ()) if reply.ok else ():
            told = [
                {"parentRef": ref, "controllerName": CONTROLLER, "conditions": conditions}
                for ref in route["spec"].get("parentRefs", ())
                if (conditions := self.says(ref)) is not None
            ]
            if told and told != (route.get("status") or {}).get("parents"):
                path = f"{path_of('HTTPRoute', self._namespace, route['metadata']['name'])}/status"
                patch = {"status": {"parents": told}}
                self._admin.send("PATCH", path, patch, content_type="application/merge-patch+json")

"""What a client asked an API server for, told from the request line, and what became of it. Pure.

An endpoint's children live in the platform's namespaces under names that hold its uid. `Teams` knows which tenant's
namespace a uid belongs to, so that every request can be counted for the one endpoint that a case is about.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SYSTEM = "hookgate-system"
BINDINGS = "hookgate-bindings"

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"(?:/(?P<resource>[^/]+))?(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/]+))?"
)
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_VERBS = {"POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}
_READS = ("get", "list", "watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. ``team`` is the tenant's namespace that it is about, "" for none; ``body`` names its bytes."""

    client: str
    verb: str
    resource: str
    namespace: str
    name: str
    selector: str
    team: str
    agent: str
    body: str

    @property
    def writes(self) -> bool:
        """Whether it asks for a change."""
        return self.verb not in _READS

    @property
    def stream(self) -> str:
        """The name of the watch that this request opens, or of the list before it: what is watched, which of them."""
        return f"{self.resource}[{self.selector}]" if self.selector else self.resource

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace}/{self.name}"


@dataclass(slots=True, kw_only=True)
class Entry:
    """A request as logged: when it came (monotonic seconds), its answer's status, and what was done to it instead."""

    asked: Asked
    began: float
    ended: float = 0.0
    status: int = 0
    fate: str = ""
    #: Whether the real API server got to see it.
    forwarded: bool = False


@dataclass(slots=True)
class Teams:
    """Which uid belongs to whom; learned from every WebhookEndpoint that passes by."""

    _by_uid: dict[str, str] = field(default_factory=dict)

    def learn(self, obj: Mapping[str, Any]) -> None:
        """Take note of a WebhookEndpoint as the server shows it."""
        metadata = obj.get("metadata") or {}
        if metadata.get("uid") and metadata.get("namespace"):
            self._by_uid[metadata["uid"]] = metadata["namespace"]

    def of(self, namespace: str, *texts: str) -> str:
        """Return the team that a request or an object in ``namespace`` is about, by the first uid in ``texts``."""
        if namespace not in ("", SYSTEM, BINDINGS):
            return namespace
        for text in texts:
            for uid in _UID.findall(text):
                if uid in self._by_uid:
                    return self._by_uid[uid]
        return ""

    def of_object(self, obj: Mapping[str, Any]) -> str:
        """Return the team that an object belongs to."""
        metadata = obj.get("metadata") or {}
        return self.of(str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))


def parse(client: str, line: tuple[str, str], *, agent: str, body: bytes, teams: Teams) -> Asked:
    """Read a request ``line``, method and target, as an API server does; what is no resource has an empty one."""
    method, target = line
    parts = urlsplit(target)
    found = _PATH.fullmatch(unquote(parts.path))
    group = found.groupdict() if found else {}
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    name, namespace = group.get("name") or "", group.get("namespace") or ""
    resource = group.get("resource") or ""
    if method == "GET":
        verb = "watch" if query.get("watch") in ("true", "1") else "get" if name or not resource else "list"
    else:
        verb = _VERBS[method]
    return Asked(
        client=client,
        verb=verb,
        resource="/".join(part for part in (resource, group.get("subresource")) if part),
        namespace=namespace,
        name=name,
        selector=query.get("labelSelector", ""),
        team=teams.of(namespace, name, body.decode("utf-8", "replace") if not name else ""),
        agent=agent,
        body=hashlib.sha256(body).hexdigest()[:16] if body else "",
    )

"""Single requests to an API server as somebody: quicker than kubectl, and it returns when the server has answered.

Standard library only; it knows nothing of pytest, and of Kubernetes no more than where the kinds in `PATHS` live.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATHS = {
    "WebhookEndpoint": ("/apis/hookgate.dev/v1alpha1", "webhookendpoints"),
    "Namespace": ("/api/v1", "namespaces"),
    "Secret": ("/api/v1", "secrets"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "Service": ("/api/v1", "services"),
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "HTTPRoute": ("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "IngressClass": ("/apis/networking.k8s.io/v1", "ingressclasses"),
    "Event": ("/apis/events.k8s.io/v1", "events"),
}
FIELD_MANAGER = "hookgate-tests"
_SECONDS = 30.0


def path_of(kind: str, namespace: str | None, name: str | None = None) -> str:
    """The path of one object, or of all of a kind in a namespace (None: in all of them)."""
    base, plural = PATHS[kind]
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{base}{place}/{plural}" + (f"/{name}" if name else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server answered; ``body`` is the object, or the Status that says what is wrong."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """Why it was not."""
        return str(self.body.get("message", ""))


class _Socket(ssl.SSLSocket):
    """Closes itself: where the peer resets the connection before the handshake, `ssl` keeps it from everybody else."""

    def __del__(self) -> None:
        self.close()


class Rest:
    """One user of the API server at ``url``, known by a bearer ``token``; for one thread.

    With ``keep`` the connection stays open from one request to the next, until `close`.
    """

    def __init__(self, url: str, ca_file: str, token: str, *, keep: bool = False) -> None:
        self._address = urlsplit(url).netloc
        self._context = ssl.create_default_context(cafile=ca_file)
        self._context.sslsocket_class = _Socket
        self._token = token
        self._keep = keep
        self._kept = self._connection()

    def close(self) -> None:
        """Close the connection that was kept; another request opens one anew."""
        self._kept.close()

    def __del__(self) -> None:
        """Close it where nobody else does, as where its thread has ended: an open socket counts as forgotten."""
        self.close()

    def send(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Reply:
        """One request. Any HTTP status is a reply. Raises OSError where there is none."""
        payload = None if body is None else json.dumps(body)
        was_open = self._kept.sock is not None
        try:
            return self._exchange(method, path, payload, content_type)
        except (ConnectionError, ssl.SSLError, http.client.HTTPException):
            # A connection that was kept may have ended long ago, with the server or by its choice.
            if not was_open:
                raise
            return self._exchange(method, path, payload, content_type)

    def _exchange(self, method: str, path: str, payload: str | None, content_type: str) -> Reply:
        try:
            self._kept.request(method, path, payload, self._headers(content_type))
            answer = self._kept.getresponse()
            return Reply(status=answer.status, body=_document(answer.read()))
        except (OSError, http.client.HTTPException):
            self._kept.close()
            raise
        finally:
            if not self._keep:
                self._kept.close()

    def find(self, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        """One object, or None."""
        reply = self.send("GET", path_of(kind, namespace, name))
        if reply.status == 404:
            return None
        return _done(reply)

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        """One object that is there."""
        return _done(self.send("GET", path_of(kind, namespace, name)))

    def list(self, kind: str, namespace: str | None, labels: str = "") -> list[dict[str, Any]]:
        """All objects of a kind in a namespace; with ``labels``, a selector, some of them."""
        found = _done(self.send("GET", f"{path_of(kind, namespace)}?labelSelector={labels}"))["items"]
        assert isinstance(found, list)
        return found

    def try_create(self, obj: Mapping[str, Any], *, query: str = "fieldValidation=Strict") -> Reply:
        """Create an object in the namespace that it names (None: in none), or hear why not."""
        path = path_of(obj["kind"], obj["metadata"].get("namespace"))
        return self.send("POST", f"{path}?fieldManager={FIELD_MANAGER}&{query}", obj)

    def create(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object in the namespace that it names."""
        return _done(self.try_create(obj))

    def merge(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Change an object by a merge patch."""
        path = f"{path_of(kind, namespace, name)}?fieldManager={FIELD_MANAGER}"
        return _done(self.send("PATCH", path, patch, content_type="application/merge-patch+json"))

    def delete(self, kind: str, namespace: str | None, name: str) -> None:
        """Ask for an object's deletion; one that is gone already is no error."""
        reply = self.send("DELETE", path_of(kind, namespace, name))
        assert reply.ok or reply.status == 404, reply.message

    def watch(self, kind: str, version: str) -> Iterator[dict[str, Any]]:
        """The events of a kind in all namespaces from ``version`` on, until the server ends the stream."""
        connection = self._connection()
        try:
            path = f"{path_of(kind, None)}?watch=1&resourceVersion={version}&timeoutSeconds=20"
            connection.request("GET", path, headers=self._headers("application/json"))
            for line in connection.getresponse():
                yield json.loads(line)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._address, timeout=_SECONDS, context=self._context)

    def _headers(self, content_type: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}


def _document(body: bytes) -> Any:
    """The JSON that a server answered; of a path that it does not serve it says so in plain text, which is none."""
    try:
        return json.loads(body or b"{}")
    except ValueError:
        return {}


def _done(reply: Reply) -> dict[str, Any]:
    assert reply.ok, f"{reply.status}: {reply.message}"
    assert isinstance(reply.body, dict)
    return reply.body

"""A team with a namespace of its own: its endpoints, what it sees of them, and the calls that its senders make."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hookgate.model.binding import DATA_KEY, Binding, decode
from tests.cluster.calls import Response, post
from tests.cluster.plane import BINDINGS, SYSTEM, Plane
from tests.cluster.target import Target

Object = dict[str, Any]

GITHUB = {"type": "hmac", "provider": "github"}
FINALIZER = "hookgate.dev/finalizer"


@dataclass(frozen=True, slots=True)
class Team:
    """Everything here is in ``namespace``; a target's path is ``/namespace/name`` of its endpoint."""

    plane: Plane
    target: Target
    namespace: str

    # Endpoints ------------------------------------------------------------------------------------------------------

    def endpoint(self, name: str, **spec: Any) -> Object:
        """A manifest, by default of GitHub's scheme with a generated secret and this team's target."""
        usual = {"auth": GITHUB, "target": {"url": self.target_url(name)}}
        return {
            "apiVersion": "hookgate.dev/v1alpha1",
            "kind": "WebhookEndpoint",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {**usual, **spec},
        }

    def target_url(self, name: str) -> str:
        """Where calls of that endpoint are delivered."""
        return f"{self.target.url}/{self.namespace}/{name}"

    def create(self, name: str, **spec: Any) -> Object:
        """Create an endpoint and return it as stored."""
        return self.plane.admin.create(self.endpoint(name, **spec))

    def created(self, name: str, **spec: Any) -> Object:
        """Create an endpoint, wait until it is Ready, and return it."""
        self.create(name, **spec)
        return self.ready(name)

    def patch(self, name: str, **spec: Any) -> Object:
        """Change the spec of an endpoint; what is None is removed."""
        return self.plane.admin.merge("WebhookEndpoint", self.namespace, name, {"spec": spec})

    def patched(self, name: str, **spec: Any) -> Object:
        """Change the spec of an endpoint, wait until it is Ready again, and return it."""
        self.patch(name, **spec)
        return self.ready(name)

    def delete(self, name: str) -> None:
        """Ask for an endpoint's deletion."""
        self.plane.admin.delete("WebhookEndpoint", self.namespace, name)

    def get(self, name: str) -> Object:
        """An endpoint as it is now."""
        return self.plane.admin.get("WebhookEndpoint", self.namespace, name)

    def ready(self, name: str, reason: str | None = None) -> Object:
        """Wait until an endpoint's newest spec is Ready (for that reason) and return it."""
        return self.until(name, "Ready", "True", reason)

    def until(self, name: str, kind: str, status: str, reason: str | None = None) -> Object:
        """Wait until a condition says so about the newest spec, and return the endpoint."""

        def holds() -> bool:
            found = condition(self.get(name), kind)
            return found["status"] == status and reason in (None, found["reason"])

        try:
            self.plane.wait(holds, f"{name} to be {kind}={status} {reason or ''}")
        except AssertionError as error:
            raise AssertionError(f"{error}\nstatus: {self.get(name).get('status')}") from None
        return self.get(name)

    def gone(self, name: str) -> None:
        """Wait until an endpoint is no more."""
        self.plane.wait(
            lambda: self.plane.admin.find("WebhookEndpoint", self.namespace, name) is None, f"{name} to be gone"
        )

    # What belongs to them -------------------------------------------------------------------------------------------

    def secret(self, name: str) -> dict[str, bytes] | None:
        """The data of a Secret here, None where there is none."""
        found = self.plane.admin.find("Secret", self.namespace, name)
        return None if found is None else data_of(found)

    def connection(self, name: str) -> dict[str, bytes]:
        """The data of an endpoint's connection Secret."""
        found = self.secret(f"{name}-webhook")
        assert found is not None, f"no connection Secret of {name}"
        return found

    def give_secret(self, name: str, value: bytes, *, labelled: bool = True, key: str = "secret") -> None:
        """Create a Secret of the team's own, allowed for webhooks or not."""
        labels = {"hookgate.dev/webhook": "true"} if labelled else {}
        self.plane.admin.create(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": self.namespace, "labels": labels},
                "data": encoded({key: value}),
            }
        )

    def binding(self, endpoint: Object) -> Object | None:
        """The binding Secret of an endpoint."""
        return self.plane.admin.find("Secret", BINDINGS, endpoint["metadata"]["uid"])

    def route(self, endpoint: Object, kind: str = "Ingress") -> Object | None:
        """The route of an endpoint."""
        return self.plane.admin.find(kind, SYSTEM, route_name(endpoint))

    def left_of(self, endpoint: Object) -> list[str]:
        """What is left of an endpoint: Secret, binding, Ingress."""
        name = f"{endpoint['metadata']['name']}-webhook"
        found = {
            "connection Secret": self.secret(name),
            "binding": self.binding(endpoint),
            "Ingress": self.route(endpoint),
        }
        return [what for what, there in found.items() if there is not None]

    def events(self, name: str) -> list[Object]:
        """The Events about an endpoint."""
        return [e for e in self.plane.admin.list("Event", self.namespace) if e["regarding"]["name"] == name]

    def holds_together(self, endpoint: Object) -> None:
        """Assert that binding, connection Secret, status and Ingress of an endpoint tell one story."""
        secret, route = self.binding(endpoint), self.route(endpoint)
        assert secret is not None
        assert route is not None
        binding = decode(data_of(secret)[DATA_KEY])
        assert isinstance(binding, Binding)
        connection = self.connection(endpoint["metadata"]["name"])
        (path,) = route["spec"]["rules"][0]["http"]["paths"]
        assert connection["url"].decode() == endpoint["status"]["url"] == binding.url
        assert connection["secret"] == binding.keys[0].value.reveal()
        assert f"https://{route['spec']['rules'][0]['host']}{path['path']}" == binding.url

    # Calls ----------------------------------------------------------------------------------------------------------

    def call(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
        """Post to an endpoint's URL, at the receiver of this plane."""
        return post(self.plane.public, urlsplit(url).path, body, headers)

    def answers(self, status: int, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Wait until a call gets ``status``."""
        self.plane.wait(
            lambda: self.call(url, body, headers).status == status, f"{status} from {urlsplit(url).hostname}"
        )


def condition(endpoint: Object, kind: str) -> Object:
    """A condition of the newest spec; one that is not told yet is Unknown."""
    for found in endpoint.get("status", {}).get("conditions", []):
        if found["type"] == kind and found["observedGeneration"] == endpoint["metadata"]["generation"]:
            assert isinstance(found, dict)
            return found
    return {"type": kind, "status": "Unknown", "reason": "", "message": ""}


def route_name(endpoint: Object) -> str:
    """The name of an endpoint's Ingress or HTTPRoute."""
    return f"hookgate-{endpoint['metadata']['uid']}"


def data_of(secret: Object) -> dict[str, bytes]:
    """A Secret's data, decoded."""
    return {key: base64.b64decode(value) for key, value in secret.get("data", {}).items()}


def encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    """Data as a Secret holds it."""
    return {key: base64.b64encode(value).decode() for key, value in data.items()}

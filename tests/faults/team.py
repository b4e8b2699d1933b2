"""A team on the test stand: a namespace, the endpoint ``ci`` in it, and what there is of both."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.cluster.calls import Response, github, post
from tests.cluster.rest import Reply, path_of
from tests.control.kstatus import is_current
from tests.faults.asked import BINDINGS, SYSTEM
from tests.faults.picture import picture

if TYPE_CHECKING:
    from tests.faults.stand import Stand

Object = dict[str, Any]
KIND = "WebhookEndpoint"
GITHUB = {"type": "hmac", "provider": "github"}
FINALIZER = "hookgate.dev/finalizer"
_UID = "hookgate.dev/endpoint-uid"


@dataclass(slots=True)
class Team:
    """Everything here is in ``namespace``. ``uids`` are those of all endpoints that this team ever made."""

    stand: Stand
    namespace: str
    uids: set[str] = field(default_factory=set)

    # What the team does ---------------------------------------------------------------------------------------------

    def endpoint(self, name: str = "ci", *, annotations: Mapping[str, str] | None = None, **spec: Any) -> Object:
        """A manifest, by default of GitHub's scheme with a generated secret and a target that is allowed."""
        usual = {"auth": GITHUB, "target": {"url": f"{self.stand.target.url}/{self.namespace}/{name}"}}
        metadata: Object = {"name": name, "namespace": self.namespace}
        if annotations:
            metadata["annotations"] = dict(annotations)
        return {
            "apiVersion": "hookgate.dev/v1alpha1",
            "kind": KIND,
            "metadata": metadata,
            "spec": {**usual, **spec},
        }

    def create(self, name: str = "ci", *, annotations: Mapping[str, str] | None = None, **spec: Any) -> Object:
        """Create an endpoint and return it as stored."""
        made = self.stand.admin.create(self.endpoint(name, annotations=annotations, **spec))
        self.stand.proxy.teams.learn(made)
        self.uids.add(made["metadata"]["uid"])
        return made

    def patch(self, name: str = "ci", **spec: Any) -> None:
        """Change the spec; what is None is removed."""
        self.stand.admin.merge(KIND, self.namespace, name, {"spec": spec})

    def change(self, kind: str, namespace: str, name: str, patch: Object) -> None:
        """Change any object by a merge patch."""
        self.stand.admin.merge(kind, namespace, name, patch)

    def delete(self, name: str = "ci") -> None:
        """Ask for the endpoint's deletion."""
        self.stand.admin.delete(KIND, self.namespace, name)

    def give(self, name: str, data: Mapping[str, bytes], *, labelled: bool = True) -> Reply:
        """Create a Secret of the team's own."""
        return self.stand.admin.try_create(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": name,
                    "namespace": self.namespace,
                    "labels": {"hookgate.dev/webhook": "true"} if labelled else {},
                },
                "data": encoded(data),
            }
        )

    def serve(self, name: str = "app", port: int = 8080) -> None:
        """Create a Service."""
        self.stand.admin.create(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {"ports": [{"port": port}]},
            }
        )

    def give_forged(self, name: str) -> None:
        """Create a Secret that claims to be what a deleted endpoint left behind."""
        uid = "00000000-0000-4000-8000-000000000000"
        metadata = {"name": name, "namespace": self.namespace, "annotations": {"hookgate.dev/retained-from": uid}}
        data = encoded({"url": b"https://hooks.example.com/h/" + b"a" * 32, "secret": b"chosen by somebody"})
        self.stand.admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})

    def hold_by_others(self, name: str = "ci") -> None:
        """Put a finalizer of somebody else's on an endpoint."""
        path = "/metadata/finalizers"
        patch = [{"op": "add", "path": path, "value": ["example.com/held"]}]
        self.stand.admin.send("PATCH", self.path(name), patch, content_type="application/json-patch+json")

    def label_like_ours(self, name: str = "ci") -> None:
        """Label an endpoint as if it were somebody's child."""
        labels = {"hookgate.dev/role": "binding", _UID: "x", "app.kubernetes.io/managed-by": "Helm"}
        self.change(KIND, self.namespace, name, {"metadata": {"labels": labels}})

    def leave(self, name: str | None = None) -> None:
        """Ask for the removal of an endpoint, or of all, whoever holds them, without waiting."""
        found = [o["metadata"]["name"] for o in self.stand.admin.list(KIND, self.namespace)]
        for each in found if name is None else {name} & set(found):
            self.delete(each)
            patch = {"metadata": {"finalizers": [FINALIZER]}}
            path = self.path(each)
            self.stand.admin.send("PATCH", path, patch, content_type="application/merge-patch+json")

    def force_away(self, name: str = "ci") -> None:
        """Take the finalizers off an endpoint by hand."""
        patch = {"metadata": {"finalizers": None}}
        path = path_of(KIND, self.namespace, name)
        self.stand.admin.send("PATCH", path, patch, content_type="application/merge-patch+json")

    # What there is --------------------------------------------------------------------------------------------------

    def path(self, name: str = "ci") -> str:
        """The path of an endpoint at the API server."""
        return path_of(KIND, self.namespace, name)

    def get(self, name: str = "ci") -> Object | None:
        """The endpoint as it is now."""
        return self.stand.admin.find(KIND, self.namespace, name)

    def objects(self) -> list[Object]:
        """The team's endpoints and Secrets, and what belongs to any endpoint that it ever had."""
        admin = self.stand.admin
        found = [_typed(o, KIND) for o in admin.list(KIND, self.namespace)]
        found += [_typed(o, "Secret") for o in admin.list("Secret", self.namespace)]
        selector = f"{_UID}%20in%20({','.join(sorted(self.uids))})"
        for kind, namespace in (("Secret", BINDINGS), ("Ingress", SYSTEM), ("HTTPRoute", SYSTEM)):
            if self.uids:
                found += [_typed(o, kind) for o in admin.list(kind, namespace, selector)]
        return found

    def children_only(self) -> list[Object]:
        """What belongs to any endpoint that it ever had, where the kind itself is no more."""
        admin, selector = self.stand.admin, f"{_UID}%20in%20({','.join(sorted(self.uids))})"
        places = (("Secret", BINDINGS), ("Secret", self.namespace), ("Ingress", SYSTEM), ("HTTPRoute", SYSTEM))
        return [_typed(o, kind) for kind, namespace in places for o in admin.list(kind, namespace, selector)]

    def picture(self) -> str:
        """All of it as text, without what is random."""
        return picture(self.objects(), self.namespace)

    def children(self) -> list[str]:
        """What there is of endpoints besides their objects: kind and role."""
        own = [o for o in self.objects() if o["kind"] != KIND and _UID in (o["metadata"].get("labels") or {})]
        return sorted(f"{o['kind']} {o['metadata']['labels']['hookgate.dev/role']}" for o in own)

    def connection(self, name: str = "ci-webhook") -> dict[str, bytes]:
        """The data of the connection Secret, empty where there is none."""
        return data_of(self.stand.admin.find("Secret", self.namespace, name) or {})

    def binding(self, uid: str | None = None) -> Object | None:
        """The binding Secret of the newest endpoint."""
        endpoint = self.get()
        uid = uid or (endpoint["metadata"]["uid"] if endpoint else "")
        return self.stand.admin.find("Secret", BINDINGS, uid)

    def says(self, kind: str = "Ready", name: str = "ci") -> str:
        """Status and reason of a condition of the newest generation, "" where it is not told yet."""
        endpoint = self.get(name) or {"metadata": {"generation": -1}}
        for found in (endpoint.get("status") or {}).get("conditions") or ():
            if found["type"] == kind and found.get("observedGeneration") == endpoint["metadata"]["generation"]:
                return f"{found['status']} {found['reason']}"
        return ""

    def judged(self, name: str = "ci", *, seconds: float = 60.0) -> None:
        """Wait until an endpoint is Ready or not."""
        told = lambda: self.says(name=name).partition(" ")[0] in ("True", "False")  # noqa: E731 -- a wait's condition
        self.stand.wait(told, f"a verdict on {self.namespace}/{name}", seconds=seconds)

    def current(self, name: str = "ci") -> bool:
        """Whether tools that wait for the endpoint would stop waiting."""
        endpoint = self.get(name)
        return endpoint is not None and is_current(endpoint["metadata"]["generation"], endpoint.get("status") or {})

    def until(self, said: str, kind: str = "Ready", name: str = "ci") -> None:
        """Wait until a condition says this."""
        self.stand.wait(
            lambda: self.says(kind, name) == said,
            lambda: f"{self.namespace}/{name} to say {said}, not {self.says(kind, name)}",
        )

    def gone(self, name: str = "ci") -> None:
        """Wait until the endpoint is no more."""
        self.stand.wait(lambda: self.get(name) is None, f"{self.namespace}/{name} to be gone")

    def settled(self, said: str = "True Active") -> Team:
        """Wait until Ready says this and nothing more is written about the team."""
        self.until(said)
        self.stand.quiet(team=self.namespace)
        return self

    def created(self, **spec: Any) -> Team:
        """Create the endpoint and wait until it is in force."""
        self.create(**spec)
        return self.settled()

    def call(self, connection: Mapping[str, bytes] | None = None, body: bytes = b"{}") -> Response:
        """Call the endpoint as its connection Secret says."""
        told = connection or self.connection()
        return post(self.stand.public, urlsplit(told["url"].decode()).path, body, github(told["secret"], body))


def data_of(secret: Object) -> dict[str, bytes]:
    """A Secret's data, decoded."""
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


def encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    """Data as a Secret holds it."""
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def _typed(obj: Object, kind: str) -> Object:
    return {**obj, "kind": kind}

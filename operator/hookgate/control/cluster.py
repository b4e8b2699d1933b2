"""What reconciliation asks of the world: the `Cluster` protocol, kept by an API server or by a folder of files.

Reads come from caches unless they say otherwise; writes carry the uid of the very object they mean. This module may not
know decisions: it names what can be seen and done, nothing else.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hookgate.control.values import Object, Routing, Served, Step


class Request(NamedTuple):
    """What there is to reconcile: a name, never an event."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ClusterError(Exception):
    """A read or write that did not happen. ``conflict``: what was seen is outdated, look again.

    ``retry_after`` is in seconds where the server named a time. ``refused``: a write that the server will not have,
    and that somebody has to be told of. The text names verb, kind, object and the kind of error, never contents.
    """

    def __init__(
        self, text: str, *, conflict: bool = False, retry_after: float | None = None, refused: bool = False
    ) -> None:
        super().__init__(text)
        self.conflict = conflict
        self.retry_after = retry_after
        self.refused = refused


class Cluster(Protocol):
    """The world as one control plane sees it."""

    system_namespace: str
    binding_namespace: str

    @property
    def routing(self) -> Routing:
        """What endpoints share of the ways that lead to them."""

    def endpoint(self, request: Request) -> Object | None:
        """Return the endpoint as last seen."""

    async def refresh(self, manifest: Object) -> None:
        """Look for the endpoint live: what is found is seen from now on. Raises `ClusterError`."""

    def elders(self, manifest: Object) -> int:
        """Count the endpoints of its namespace, absent ones aside, that were created before ``manifest``."""

    async def binding(self, uid: str, *, sure: bool) -> Object | None:
        """Return the binding Secret; with ``sure`` a missing one is looked for live before None is said."""

    async def connections(self, namespace: str, uid: str, name: str, *, sure: bool) -> tuple[Object, ...]:
        """Return the Secrets that name ``uid`` as their endpoint, and the one called ``name`` if it is known."""

    async def retained(self, uid: str) -> Object | None:
        """Return the binding that the deleted endpoint ``uid`` left behind, looked for live."""

    def referenced(self, namespace: str, name: str) -> Object | None:
        """Return a Secret that carries the label which allows references; None for any other."""

    def service(self, namespace: str, name: str) -> Object | None:
        """Return a Service."""

    def service_base(self, namespace: str, name: str) -> str | None:
        """Return the URL that stands for a Service outside a cluster; None inside one, always."""

    async def routes(self, uid: str, *, sure: bool) -> tuple[Object, ...]:
        """Return the Ingresses and HTTPRoutes that name ``uid``."""

    def segment_taken(self, segment: str, uid: str) -> bool:
        """Tell whether a binding other than that of ``uid`` has this path segment."""

    async def execute(self, step: Step) -> None:
        """Carry out one write, and see its result in later reads. Raises `ClusterError`."""

    async def write_status(self, manifest: Object, status: Object) -> None:
        """Write the endpoint's whole status. Raises `ClusterError`."""

    async def post_event(self, manifest: Object, *, normal: bool, reason: str, message: str) -> None:
        """Tell the endpoint's users something, once. Never raises for a refusal."""


class Receivers(Protocol):
    """The receivers that are ready, as far as the control plane can ask them."""

    async def served(self, uid: str, digest: str | None) -> Served:
        """Ask until all serve ``digest`` for ``uid`` (None: serve nothing for it), or until patience ends."""


def request_of(manifest: Object) -> Request:
    """Return the request that reconciles an endpoint as read."""
    return Request(str(manifest["metadata"].get("namespace") or "default"), str(manifest["metadata"]["name"]))

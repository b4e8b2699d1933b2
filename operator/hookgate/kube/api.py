"""The Kubernetes API as the project uses it: plain dicts in and out, one method per verb.

No models and no deserialisation beyond `json.loads`. Nothing is retried here: the callers' queues decide. It may not
know what the objects mean, and keeps no state between calls.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from hookgate.kube.documents import as_yaml, body
from hookgate.kube.errors import (
    MALFORMED,
    NOT_LEADER,
    SILENT,
    UNREACHABLE,
    ApiError,
    ClusterConfigError,
    from_reply,
)
from hookgate.kube.resources import (
    CONFIGMAPS,
    CUSTOMRESOURCEDEFINITIONS,
    DEPLOYMENTS,
    ENDPOINTSLICES,
    EVENTS,
    GATEWAYS,
    HTTPROUTES,
    INGRESSES,
    LEASES,
    NAMESPACES,
    NETWORKPOLICIES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    WEBHOOKENDPOINTS,
    Resource,
)
from hookgate.kube.transport import Call, HttpTransport, Refused, Silent, Transport, Unreachable

__all__ = [
    "CONFIGMAPS",
    "CUSTOMRESOURCEDEFINITIONS",
    "DEPLOYMENTS",
    "ENDPOINTSLICES",
    "EVENTS",
    "FIELD_MANAGER",
    "GATEWAYS",
    "HTTPROUTES",
    "INGRESSES",
    "LEASES",
    "NAMESPACES",
    "NETWORKPOLICIES",
    "PODS",
    "POD_DISRUPTION_BUDGETS",
    "SECRETS",
    "SERVICEACCOUNTS",
    "SERVICES",
    "WEBHOOKENDPOINTS",
    "Api",
    "ApiError",
    "ClusterConfigError",
    "Object",
    "Resource",
]

Object = dict[str, Any]
"""A Kubernetes object, or a part of one, as JSON gives it."""

Objects = list[Object]
"""Named here because `Api.list` hides the built-in name inside the class."""

FIELD_MANAGER = "hookgate"

PAGE_SIZE = 500
#: Nobody would hear the warnings of unknown or repeated fields, for which a server reads what is applied once more.
_WRITE = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Ignore"}
_LONGEST_LINE = 32 * 1024 * 1024  # etcd takes 1.5 MiB by default: anything near this is not an API server


class Api:
    """A client of one API server, used as an async context manager.

    Every method raises `ApiError`, whose text never holds a body; ``status`` 0 means that no usable answer came.
    """

    def __init__(self, transport: Transport, *, may_write: Callable[[], bool] | None = None) -> None:
        """Talk through ``transport``; see `fenced` for ``may_write``. Most callers want `connect`."""
        self._transport = transport
        self._may_write = may_write

    @classmethod
    async def connect(cls, *, kubeconfig: str | None = None, context: str | None = None, light: bool = False) -> Self:
        """Find the cluster and return a client; nothing is sent yet.

        Order: ``kubeconfig`` (or ``context`` in the default one), the file(s) in $KUBECONFIG, the service account
        of the pod that this runs in, ~/.kube/config. ``light`` never loads the kubernetes library, which saves
        memory; kubeconfigs whose user needs a plugin are then refused. Raises ClusterConfigError.
        """
        if light:
            from hookgate.kube.light import load  # noqa: PLC0415 - only one of the two is ever wanted
        else:
            from hookgate.kube.library import load  # noqa: PLC0415 - costs tens of MiB
        return cls(HttpTransport(await load(kubeconfig=kubeconfig, context=context)))

    def fenced(self, may_write: Callable[[], bool]) -> Api:
        """Return a client on the same connections that asks ``may_write`` right before it sends any change.

        Where the answer is no, the method raises an `ApiError` with ``not_leader`` and sends nothing. A process
        that was stopped and continued must not write with the authority that it had before. What remains are the
        microseconds between the answer and the socket, and a slow network: where that matters, preconditions.
        """
        return Api(self._transport, may_write=may_write)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, also those of every client made by `fenced`."""
        await self._transport.close()

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """Return one object, or None where it, or its kind, does not exist."""
        subject = _subject("get", resource, namespace, name)
        try:
            return await self._object(subject, Call(method="GET", path=resource.path(namespace, name)))
        except ApiError as error:
            if error.not_found:
                return None
            raise

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str | None = None
    ) -> tuple[Objects, str]:
        """Return every object (of all namespaces without ``namespace``) and the resourceVersion to watch from.

        ``labels`` is a label selector. Reads in pages; when the continue token expires half way, once more from the
        start. A kind that is not served raises with ``not_found``.
        """
        try:
            return await self._list(resource, namespace, labels)
        except ApiError as error:
            if not error.gone:
                raise
        return await self._list(resource, namespace, labels)

    async def pages(
        self, resource: Resource, namespace: str | None = None, *, labels: str | None = None, size: int = PAGE_SIZE
    ) -> AsyncGenerator[tuple[Objects, str], None]:
        """Yield a list in pages of ``size``, each with the list's resourceVersion, so that nobody need hold it all.

        An `ApiError` with ``gone`` after the first page means: forget the pages and start again.
        """
        subject = _subject("list", resource, namespace, None)
        query = {"limit": str(size)} | _selector(labels)
        while True:
            page = await self._object(subject, Call(method="GET", path=resource.path(namespace), query=query))
            metadata, items = page.get("metadata"), page.get("items") or []
            if not isinstance(metadata, dict) or not all(isinstance(item, dict) for item in items):
                raise ApiError(subject, status=0, reason=MALFORMED)
            for item in items:
                # Lists of the built-in kinds leave these out of their items.
                item.setdefault("apiVersion", resource.api_version)
                item.setdefault("kind", resource.kind)
            yield items, str(metadata.get("resourceVersion", ""))
            if not metadata.get("continue"):
                return
            query["continue"] = str(metadata["continue"])

    async def create(self, resource: Resource, obj: Mapping[str, Any]) -> Object:
        """Create ``obj`` in its own namespace. A taken name raises with ``already_exists``.

        The server counts a create as an update of the same manager: a later `apply` changes these fields, but leaving
        one out does not remove it. `merge_patch` with null does.
        """
        namespace, name = _address(obj)
        call = Call(
            method="POST",
            path=resource.path(namespace),
            query=_WRITE,
            body=body(resource, obj),
        )
        return await self._object(_subject("create", resource, namespace, name), call)

    async def replace(self, resource: Resource, obj: Mapping[str, Any]) -> Object:
        """Put ``obj`` in place of the one that is there; its resourceVersion must be current, else ``conflict``."""
        namespace, name = _address(obj)
        call = Call(
            method="PUT",
            path=resource.path(namespace, name),
            query=_WRITE,
            body=body(resource, obj),
        )
        return await self._object(_subject("replace", resource, namespace, name), call)

    async def apply(
        self,
        resource: Resource,
        obj: Mapping[str, Any],
        *,
        subresource: str | None = None,
        force: bool = True,
        manager: str = FIELD_MANAGER,
    ) -> Object:
        """Apply ``obj`` on the server's side as field manager ``manager``, creating it where it is missing.

        ``obj`` holds exactly the fields that are ours. A metadata.uid in it means: only that very object, never a
        new one of the same name; a metadata.resourceVersion: only in that version; otherwise ``conflict``. A
        resourceVersion without a uid still creates an object that is missing. Without ``force`` a field that
        another manager owns is a ``conflict`` too. Applying what is already so changes
        nothing, not even the resourceVersion.
        """
        namespace, name = _address(obj)
        call = Call(
            method="PATCH",
            path=resource.path(namespace, name, subresource),
            query=_WRITE | {"fieldManager": manager, "force": "true" if force else "false"},
            body=as_yaml(body(resource, obj)),
            content_type="application/apply-patch+yaml",
        )
        subject = _subject("apply", resource, namespace, name)
        try:
            return await self._object(subject, call)
        except ApiError as error:
            # A server calls another uid an invalid change of the field, and only a missing object a conflict.
            if error.status == 422 and "uid" in obj["metadata"] and "metadata.uid" in error.fields:
                raise ApiError(subject, status=409, reason="Conflict", message=error.message) from None
            raise

    async def merge_patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: Mapping[str, Any],
        *,
        subresource: str | None = None,
    ) -> Object:
        """Merge ``patch`` (RFC 7396: null removes) into an object that exists."""
        call = Call(
            method="PATCH",
            path=resource.path(namespace, name, subresource),
            query=_WRITE,
            body=json.dumps(patch).encode(),
            content_type="application/merge-patch+json",
        )
        return await self._object(_subject("patch", resource, namespace, name), call)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> bool:
        """Delete one object, and its dependents in the background; False: it was not there.

        ``uid`` and ``resource_version`` are preconditions: another object or version raises with ``conflict``. True
        says that the deletion is accepted: finalizers may keep the object for a while.
        """
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {key: value for key, value in preconditions.items() if value is not None},
        }
        call = Call(method="DELETE", path=resource.path(namespace, name), body=json.dumps(options).encode())
        try:
            await self._object(_subject("delete", resource, namespace, name), call)
        except ApiError as error:
            if error.not_found:
                return False
            raise
        return True

    async def watch(  # noqa: PLR0913 - what a watch is made of
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        resource_version: str,
        timeout_s: float,
        silence_s: float = 75.0,
        opened: Callable[[], None] | None = None,
    ) -> AsyncGenerator[Object, None]:
        """Yield events as they come, BOOKMARK and ERROR included, until the server ends the stream.

        ``timeout_s`` is when the server is asked to end it; ``silence_s`` without a single byte raises with
        reason Silent, for a half-open connection is never told of its end. ``opened`` is called once the server has
        agreed, which may be long before the first event. A line that is no event raises with reason Malformed: what
        it would have said is unknown, so the caller has to look again.
        """
        subject = _subject("watch", resource, namespace, None)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, int(timeout_s))),
        } | _selector(labels)
        call = Call(method="GET", path=resource.path(namespace), query=query, timeout_s=silence_s)
        try:
            async with self._transport.stream(call) as stream, aclosing(_lines(subject, stream.chunks)) as lines:
                if stream.reply.status != 200:
                    raise from_reply(subject, stream.reply.status, stream.reply.headers, stream.reply.body)
                if opened is not None:
                    opened()
                async for line in lines:
                    yield _event(subject, line)
        except Unreachable as error:
            reason = SILENT if isinstance(error, Silent) else UNREACHABLE
            raise ApiError(subject, status=0, reason=reason) from error

    async def _list(self, resource: Resource, namespace: str | None, labels: str | None) -> tuple[Objects, str]:
        """All pages of one list."""
        objects: Objects = []
        version = ""
        async with aclosing(self.pages(resource, namespace, labels=labels)) as pages:
            async for items, version in pages:  # noqa: B007 - the last one is returned
                objects += items
        return objects, version

    async def _object(self, subject: str, call: Call) -> Object:
        """Send ``call`` and return the object that the answer holds."""
        if call.method != "GET" and self._may_write is not None:
            call = replace(call, guard=self._may_write)
        try:
            if call.guard is not None and not call.guard():
                raise Refused
            reply = await self._transport.request(call)
        except Refused:
            raise ApiError(subject, status=0, reason=NOT_LEADER) from None
        except Unreachable as error:
            raise ApiError(subject, status=0, reason=UNREACHABLE) from error
        if not 200 <= reply.status < 300:
            raise from_reply(subject, reply.status, reply.headers, reply.body)
        return _parsed(subject, reply.body)


async def _lines(subject: str, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The complete lines of a stream; an unfinished one at its end was cut off and counts for nothing."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise ApiError(subject, status=0, reason=MALFORMED)
        for line in lines:
            if line:
                yield line


def _event(subject: str, line: bytes) -> Object:
    """One line of a watch as an event with ``type`` and ``object``."""
    event = _parsed(subject, line)
    if not isinstance(event.get("type"), str) or not isinstance(event.get("object"), dict):
        raise ApiError(subject, status=0, reason=MALFORMED)
    return event


def _parsed(subject: str, body: bytes) -> Object:
    """The JSON object in ``body``. The parser's own error would quote the body, so it is not chained."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ApiError(subject, status=0, reason=MALFORMED)
    return document


def _address(obj: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Namespace and name of ``obj``; either may be missing (cluster-scoped, generateName)."""
    metadata = obj["metadata"]
    return metadata.get("namespace"), metadata.get("name")


def _selector(labels: str | None) -> dict[str, str]:
    """The query parameter of a label selector."""
    return {"labelSelector": labels} if labels is not None else {}


def _subject(verb: str, resource: Resource, namespace: str | None, name: str | None) -> str:
    """``apply Secret team-a/github-push``: what an error says it was doing."""
    place = "/".join(part for part in (namespace, name) if part is not None)
    return f"{verb} {resource.kind} {place}".rstrip()

"""A cluster as the place of a command's endpoints, through its API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.facts import named
from hookgate.cli.gitops import keeper_of, others_annotate
from hookgate.cli.place import Change, Object, Rotation, Unheard
from hookgate.control.cluster import Request
from hookgate.control.deployment import PRIVATE_PORT, SELECTOR
from hookgate.kube.api import PODS, SECRETS, WEBHOOKENDPOINTS, Api, ApiError, ClusterConfigError, Resource
from hookgate.kube.proxy import ask_pod
from hookgate.model.endpoint import ANNOTATION_ROTATE


@asynccontextmanager
async def connect(
    *, kubeconfig: str | None, context: str | None, system_namespace: str = "hookgate-system", hint: str = ""
) -> AsyncIterator[ClusterPlace]:
    """Connect as kubectl would. Raises `Stop`, with ``hint`` at its end where there is no cluster."""
    async with open_api(kubeconfig=kubeconfig, context=context, hint=hint) as api:
        yield ClusterPlace(api, system_namespace)


@asynccontextmanager
async def open_api(*, kubeconfig: str | None, context: str | None, hint: str = "") -> AsyncIterator[Api]:
    """Connect as kubectl would, for what only a cluster has. Raises `Stop`, with ``hint`` at its end."""
    try:
        api = await Api.connect(kubeconfig=kubeconfig, context=context)
    except ClusterConfigError as error:
        raise Stop(Exit.USAGE, f"{error}{hint}") from None
    async with api:
        yield api


class ClusterPlace:
    """See `hookgate.cli.place.Place`."""

    def __init__(self, api: Api, system_namespace: str) -> None:
        """Ask ``api``, which somebody else closes. ``system_namespace`` is where receivers run."""
        self._api, self._system_namespace = api, system_namespace

    @property
    def caveat(self) -> str | None:
        """See `Place`. What is told by a cluster is watched over."""
        return None

    async def endpoints(self, namespace: str | None) -> list[Object]:
        """See `Place`."""
        with told(WEBHOOKENDPOINTS):
            found, _ = await self._api.list(WEBHOOKENDPOINTS, namespace)
        return sorted(found, key=lambda each: (each["metadata"]["namespace"], each["metadata"]["name"]))

    async def endpoint(self, request: Request) -> Object:
        """See `Place`."""
        with told(WEBHOOKENDPOINTS):
            found = await self._api.get(WEBHOOKENDPOINTS, request.name, request.namespace)
        if found is None:
            raise Stop(Exit.REFUSED, f"{request}: no such endpoint in this cluster; see `hookgate get`")
        return found

    async def secret(self, request: Request) -> Object | None:
        """See `Place`."""
        with told(SECRETS):
            return await self._api.get(SECRETS, request.name, request.namespace)

    async def ask_receivers(self, path: str, question: object) -> list[Mapping[str, Any]]:
        """See `Place`. The API server carries the question to the pods, for whoever may use pods/proxy."""
        place = f"in {self._system_namespace}"
        try:
            pods, _ = await self._api.list(PODS, self._system_namespace, labels=SELECTOR)
        except ApiError as error:
            raise Unheard(f"you may not list pods {place}" if error.forbidden else str(error)) from None
        ready = [(self._system_namespace, str(pod["metadata"]["name"])) for pod in pods if _is_ready(pod)]
        if not ready:
            raise Unheard(f"no receiver is ready {place}, or they run elsewhere")
        questions = (ask_pod(self._api, pod, PRIVATE_PORT, path=path, question=question) for pod in ready)
        answers = await asyncio.gather(*questions, return_exceptions=True)
        told: list[Mapping[str, Any]] = [answer for answer in answers if not isinstance(answer, BaseException)]
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        for failure in failures:
            if not isinstance(failure, ApiError):
                raise failure
        if not told and isinstance(failures[0], ApiError):
            why = f"you may not use pods/proxy {place}" if failures[0].forbidden else str(failures[0])
            raise Unheard(why)
        return told

    async def plan_state(self, manifest: Object, state: str) -> Change:
        """See `Place`. What a GitOps tool applies is changed in Git, or the tool would put it back."""
        keeper = keeper_of(manifest)
        if keeper is not None:
            raise Stop(
                Exit.NOT_CHANGED,
                f"{named(manifest)}: not changed, because {keeper} would put it back; change it in Git:\n\n"
                f"spec:\n  state: {state}",
            )
        meta = manifest["metadata"]

        async def change() -> bool:
            # With the uid, the change cannot meet another object of the same name.
            patch = {"metadata": {"uid": meta["uid"]}, "spec": {"state": state}}
            with told(WEBHOOKENDPOINTS):
                await self._api.merge_patch(WEBHOOKENDPOINTS, meta["name"], meta["namespace"], patch)
            return True

        return change

    async def plan_rotation(self, manifest: Object, rotation: Rotation) -> Change:
        """See `Place`. An annotation that nobody declares elsewhere is no matter of Git's."""
        keeper, meta = keeper_of(manifest), manifest["metadata"]
        declared = rotation.in_spec or others_annotate(manifest, ANNOTATION_ROTATE)
        if keeper is not None and declared:
            raise Stop(
                Exit.NOT_CHANGED,
                f"{named(manifest)}: not changed, because {keeper} would put it back; change it in Git:\n\n"
                f"{rotation.as_yaml()}",
            )

        async def change() -> bool:
            fields = rotation.fields()
            patch = {**fields, "metadata": {**fields.get("metadata", {}), "uid": meta["uid"]}}
            with told(WEBHOOKENDPOINTS):
                await self._api.merge_patch(WEBHOOKENDPOINTS, meta["name"], meta["namespace"], patch)
            return True

        return change


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


@contextmanager
def told(resource: Resource | None = None) -> Iterator[None]:
    """Turn what an API server refuses into one line that says what to do."""
    try:
        yield
    except ApiError as error:
        if error.unreachable or error.transient:
            raise Stop(Exit.UNREACHABLE, f"{error}: the cluster does not answer; check --context") from None
        if error.not_found and resource is WEBHOOKENDPOINTS:
            raise Stop(Exit.REFUSED, f"{error}: this cluster has no WebhookEndpoints; install Hookgate first") from None
        if error.forbidden:
            raise Stop(Exit.REFUSED, f"{error}: you may not do this there; ask for the role, or name -n") from None
        raise Stop(Exit.REFUSED, str(error)) from None

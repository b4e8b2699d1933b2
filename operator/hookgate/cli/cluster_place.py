"""A cluster as the place of a command's endpoints, through its API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.facts import named
from hookgate.cli.gitops import keeper_of
from hookgate.cli.place import Change, Object
from hookgate.control.cluster import Request
from hookgate.kube.api import SECRETS, WEBHOOKENDPOINTS, Api, ApiError, ClusterConfigError, Resource


@asynccontextmanager
async def connect(*, kubeconfig: str | None, context: str | None) -> AsyncIterator[ClusterPlace]:
    """Connect as kubectl would. Raises `Stop`."""
    try:
        api = await Api.connect(kubeconfig=kubeconfig, context=context)
    except ClusterConfigError as error:
        raise Stop(Exit.USAGE, f"{error}; for `hookgate serve` name --state-dir") from None
    async with api:
        yield ClusterPlace(api)


class ClusterPlace:
    """See `hookgate.cli.place.Place`."""

    def __init__(self, api: Api) -> None:
        """Ask ``api``, which somebody else closes."""
        self._api = api

    @property
    def caveat(self) -> str | None:
        """See `Place`. What is told by a cluster is watched over."""
        return None

    async def endpoints(self, namespace: str | None) -> list[Object]:
        """See `Place`."""
        with _told(WEBHOOKENDPOINTS):
            found, _ = await self._api.list(WEBHOOKENDPOINTS, namespace)
        return sorted(found, key=lambda each: (each["metadata"]["namespace"], each["metadata"]["name"]))

    async def endpoint(self, request: Request) -> Object:
        """See `Place`."""
        with _told(WEBHOOKENDPOINTS):
            found = await self._api.get(WEBHOOKENDPOINTS, request.name, request.namespace)
        if found is None:
            raise Stop(Exit.REFUSED, f"{request}: no such endpoint in this cluster; see `hookgate get`")
        return found

    async def secret(self, request: Request) -> Object | None:
        """See `Place`."""
        with _told(SECRETS):
            return await self._api.get(SECRETS, request.name, request.namespace)

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
            with _told(WEBHOOKENDPOINTS):
                await self._api.merge_patch(WEBHOOKENDPOINTS, meta["name"], meta["namespace"], patch)
            return True

        return change


@contextmanager
def _told(resource: Resource) -> Iterator[None]:
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

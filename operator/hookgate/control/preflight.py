"""What the operator has to find in a cluster, and why it cannot do its work: one clear line that says what to do."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from hookgate.kube.api import Api, ApiError
from hookgate.kube.resources import WEBHOOKENDPOINTS, Resource

#: How long a refusal must last until it counts, in seconds: an API server that has just started refuses everybody.
REFUSAL_PATIENCE = 5.0
#: How long after an answer that says nothing the API server is asked again, in seconds.
ASK_AGAIN = 1.0


class CannotRun(Exception):  # noqa: N818 -- what it says
    """The operator cannot do its work; the text says why and what to do."""


class WrongInput(CannotRun):
    """Nor could it anywhere else: what it was given to read is missing or wrong."""


async def is_served(api: Api, resource: Resource, namespace: str) -> bool:
    """Tell whether the cluster has a kind that it need not have. Raises `CannotRun` without rights on it."""
    while True:
        try:
            return await _serves(api, resource, namespace)
        except ApiError as error:
            explain(error, resource)
            await asyncio.sleep(max(ASK_AGAIN, error.retry_after or 0.0))


async def until_changed(api: Api, resource: Resource, namespace: str, *, served: bool, every: float) -> None:
    """Ask every so many seconds; return when `is_served` would say something else than ``served`` for good."""
    while True:
        await asyncio.sleep(every)
        try:
            if await _serves(api, resource, namespace) is not served:
                await asyncio.sleep(REFUSAL_PATIENCE)  # a server that comes up may not know yet
                if await _serves(api, resource, namespace) is not served:
                    return
        except ApiError as error:
            await asyncio.sleep(error.retry_after or 0.0)


async def _serves(api: Api, resource: Resource, namespace: str) -> bool:
    try:
        async with aclosing(api.pages(resource, namespace, size=1)) as pages:
            await anext(pages)
    except ApiError as error:
        if error.not_found:
            return False
        raise
    return True


def explain(error: ApiError, resource: Resource) -> None:
    """Raise `CannotRun` for a failure that waiting does not mend; return for all others."""
    plural = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    if error.not_found and resource is WEBHOOKENDPOINTS:
        raise CannotRun(
            f"the CustomResourceDefinition {plural} is not installed; apply the folder crds, then start again"
        )
    if error.forbidden:
        raise CannotRun(
            f"no permission to list {plural} ({error}); apply the roles in manifests/base, or check which service "
            "account this runs as; for rights in some namespaces only, name them with --namespaces"
        )
    if error.status == 401:
        raise CannotRun("the API server does not accept this operator's credentials; check the token or kubeconfig")

"""Ends the operator of an installation by its Deployment, and takes the Lease away that only operators have a use for.

It may not know what is done while no operator runs.
"""

from __future__ import annotations

from hookgate.control.uninstall import LEASE
from hookgate.kube.api import DEPLOYMENTS, LEASES, Api, ApiError

DEPLOYMENT = "hookgate-operator"


async def stop_operator(api: Api, namespace: str) -> bool:
    """Scale the operator's Deployment to nothing; tell whether there is one. Its pods may be ending still."""
    if await api.get(DEPLOYMENTS, DEPLOYMENT, namespace) is None:
        return False
    await api.merge_patch(DEPLOYMENTS, DEPLOYMENT, namespace, {"spec": {"replicas": 0}})
    return True


async def forget_lease(api: Api, namespace: str) -> None:
    """Delete the Lease; one that we may not delete stays, and does no harm."""
    try:
        await api.delete(LEASES, LEASE, namespace)
    except ApiError as error:
        if not error.forbidden:
            raise

"""Takes away what is left of endpoints that are gone, each object for itself. It may not know what makes an orphan."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from hookgate.control.cluster import Cluster, ClusterError
from hookgate.control.values import Step

logger = logging.getLogger(__name__)


async def sweep_up(cluster: Cluster, left: Sequence[Step]) -> int:
    """Carry out the deletions and return how many were done; one that is refused holds up no other.

    What could not be deleted is found again by the next look.
    """
    swept = 0
    for step in left:
        try:
            await cluster.execute(step)
            swept += 1
        except ClusterError as error:
            logger.warning("%s; it is left of an endpoint that is gone, and is tried again at the next look", error)
            await asyncio.sleep(error.retry_after or 0.0)
    if swept:
        logger.info("swept up %d objects of endpoints that are gone", swept)
    return swept

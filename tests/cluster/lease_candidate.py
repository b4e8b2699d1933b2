"""A candidate for a Lease as a process of its own, for tests that stop and continue it.

Arguments: kubeconfig, namespace, identity. While it leads, and only then, its fenced client writes one ConfigMap
after another, named by a counter; it ends with status 3 when it lost the lease.
"""

from __future__ import annotations

import asyncio
import sys

from hookgate.kube.api import CONFIGMAPS, Api
from hookgate.kube.lease import Elector, LeadershipLost, Timing

TIMING = Timing(lease_s=3.0, renew_deadline_s=2.0, retry_s=0.3)


async def main(kubeconfig: str, namespace: str, identity: str) -> int:
    async with await Api.connect(kubeconfig=kubeconfig, light=True) as api:
        elector = Elector(api, namespace=namespace, name="leader", identity=identity, timing=TIMING)
        fenced = api.fenced(elector.leading)

        async def work() -> None:
            count = 0
            while True:
                count += 1
                metadata = {"namespace": namespace, "name": f"{identity}-{count}"}
                await fenced.create(CONFIGMAPS, {"metadata": metadata, "data": {"by": identity}})
                await asyncio.sleep(0.02)

        try:
            await elector.lead(work)
        except LeadershipLost:
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:4])))

"""The operator's probes: ``/livez`` while the process turns, ``/readyz`` once every cache is full; and ``/metrics``.

An API server that is away makes no process dead: a new one would wait for it all the same. Dead is what stands still
for longer than every timeout and pause in here can explain. A blocked event loop does not answer at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from aiohttp import web

from hookgate.control.metrics import CONTENT_TYPE

#: What has not moved for so long never will, in seconds: an API server may ask for pauses of five minutes.
STILL = 600.0


class Health:
    """What the probes answer. ``ready`` is set by whoever knows; ``metrics`` gives the text of ``/metrics``.

    ``still`` gives, by what it is, for how many seconds each part has not moved.
    """

    def __init__(
        self,
        metrics: Callable[[], bytes] | None = None,
        still: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self.ready = False
        self._metrics = metrics
        self._still = still

    async def serve(self, host: str, port: int) -> None:
        """Serve until cancelled. Raises OSError where the address cannot be had."""
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        if self._metrics is not None:
            app.router.add_get("/metrics", self._tell_metrics)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        dead = [f"{what} has not moved for {age:.0f} s\n" for what, age in self._still().items() if age > STILL]
        return web.Response(status=503, text="".join(dead)) if dead else web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n") if self.ready else web.Response(status=503, text="caches are not full yet\n")

    async def _tell_metrics(self, _: web.Request) -> web.Response:
        assert self._metrics is not None, "the path is there with the text only"
        return web.Response(body=self._metrics(), headers={"Content-Type": CONTENT_TYPE})

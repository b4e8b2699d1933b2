"""The operator's probes: ``/livez`` while the process turns, ``/readyz`` once every cache is full; and ``/metrics``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from hookgate.control.metrics import CONTENT_TYPE


class Health:
    """What the probes answer. ``ready`` is set by whoever knows; ``metrics`` gives the text of ``/metrics``."""

    def __init__(self, metrics: Callable[[], bytes] | None = None) -> None:
        self.ready = False
        self._metrics = metrics

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
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n") if self.ready else web.Response(status=503, text="caches are not full yet\n")

    async def _tell_metrics(self, _: web.Request) -> web.Response:
        assert self._metrics is not None, "the path is there with the text only"
        return web.Response(body=self._metrics(), headers={"Content-Type": CONTENT_TYPE})

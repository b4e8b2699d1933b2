"""The operator's probes: ``/livez`` while the process turns, ``/readyz`` once every cache is full."""

from __future__ import annotations

import asyncio

from aiohttp import web


class Health:
    """What the probes answer. ``ready`` is set by whoever knows."""

    def __init__(self) -> None:
        self.ready = False

    async def serve(self, host: str, port: int) -> None:
        """Serve until cancelled. Raises OSError where the address cannot be had."""
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
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

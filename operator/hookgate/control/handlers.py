"""kopf's only room: it watches WebhookEndpoints and hands every event on, unjudged.

Low-level ``on.event`` handlers write nothing on the user's object. kopf hides the list and the bookmarks from handlers,
so missed deletions are found by a resync elsewhere. Bounded workers: kopf's are unlimited by default.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import kopf

from hookgate.model.endpoint import GROUP, PLURAL, VERSION

Seen = Callable[[str | None, dict[str, Any]], None]

#: Workers of kopf at once. Each ends as soon as its object is quiet, so that the limit is no queue.
_WORKERS = 64
_IDLE_S = 0.01


async def watch_endpoints(seen: Seen, *, namespaces: Sequence[str], stop: asyncio.Event) -> None:
    """Call ``seen`` with (event type, object) until ``stop``; the type is None for what a list brought.

    SIGTERM and SIGINT set ``stop``.
    ``namespaces`` empty means all of the cluster. Raises what kopf raises when it cannot log in.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        if os.environ.get("KUBECONFIG") is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
            return kopf.login_with_service_account(**kwargs)
        return kopf.login_via_client(**kwargs)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def event(type: str | None, body: Mapping[str, Any], **_: Any) -> None:  # noqa: A002 -- kopf's name
        seen(type, dict(body))  # async only so that kopf does not hand it to a thread

    @kopf.on.startup(registry=registry)
    async def started(**_: Any) -> None:
        # By now kopf has taken the process's signals. Left to it, a stop waits five seconds for tasks that are not its.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)

    logging.getLogger("kopf").setLevel(logging.WARNING)
    await kopf.operator(
        registry=registry,
        settings=_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        stop_flag=stop,
    )


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # Events are ours: on transitions only, and never a logged line
    settings.scanning.disabled = True  # no rights to read CRDs or namespaces are needed
    settings.queueing.worker_limit = _WORKERS
    settings.queueing.idle_timeout = _IDLE_S
    settings.watching.inactivity_timeout = 75.0
    settings.networking.error_backoffs = (0.2, 1, 2, 5, 10)
    settings.networking.enforce_retry_after = True
    return settings

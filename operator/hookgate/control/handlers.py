"""kopf's only room: it watches WebhookEndpoints and hands every event on, unjudged.

Low-level ``on.event`` handlers write nothing on the user's object. kopf hides the list and the bookmarks from handlers,
so missed deletions are found by a resync elsewhere. Bounded workers: kopf's are unlimited by default.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import kopf

from hookgate.model.endpoint import GROUP, PLURAL, VERSION

Seen = Callable[[str | None, dict[str, Any]], None]

#: How many endpoints kopf asks for at once when it lists.
_PAGE = 500
#: Workers of kopf at once. Each ends as soon as its object is quiet, so that the limit is no queue.
_WORKERS = 64
_IDLE_S = 0.01
#: How long kopf waits for an answer. Left alone, a start that gets none would see no endpoint for five minutes.
_ANSWER_S = 30.0


class WatchBroken(Exception):  # noqa: N818 -- what happened
    """kopf gave up on something that is none of its errors, such as an ERROR event or a torn line. Names its type."""


async def watch_endpoints(seen: Seen, *, namespaces: Sequence[str], stop: asyncio.Event) -> None:
    """Call ``seen`` with (event type, object) until cancelled; the type is None for what a list brought.

    ``namespaces`` empty means all of the cluster. SIGTERM and SIGINT set ``stop``; kopf would take them to itself.
    Raises `WatchBroken` where another watch may do better, else what kopf raises: it cannot log in, it is forbidden.
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

    logging.getLogger("kopf").setLevel(logging.WARNING)
    # Only peering would use the identity, and standalone means none. Left alone kopf asks for the user's name, and in a
    # container the user is a number without one.
    identity: Any = "hookgate"
    tasks = await kopf.spawn_tasks(
        registry=registry,
        identity=identity,
        settings=_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Not kopf.run_tasks: to that, every task of this process that is younger than kopf is kopf's own. It would wait
    # five seconds for them at a stop and then cancel them.
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancelled(tasks)
    for task in ended:
        _ended(task)


async def _cancelled(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: kopf uses `asyncio.wait_for`, which on Python 3.11 can forget a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1.0)


def _ended(task: asyncio.Task[None]) -> None:
    """Raise what ended a task of kopf's, if anything."""
    try:
        task.result()
    except Exception as error:
        if isinstance(error, kopf.LoginError) or getattr(error, "status", None) == HTTPStatus.FORBIDDEN:
            raise
        # Its own exceptions have no public names, and their texts quote whole objects.
        raise WatchBroken(type(error).__name__) from None


class _NoDiffs(kopf.DiffBaseStorage):
    """No memory of former states, and no copy of the present one: no handler here asks what has changed.

    kopf would copy every object deeply with each event, which costs more than all else that it does with one.
    """

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.posting.enabled = False  # Events are ours: on transitions only, and never a logged line
    settings.scanning.disabled = True  # no rights to read CRDs or namespaces are needed
    settings.queueing.worker_limit = _WORKERS
    settings.queueing.idle_timeout = _IDLE_S
    settings.watching.chunk_size = _PAGE
    settings.watching.inactivity_timeout = 75.0
    settings.networking.request_timeout = _ANSWER_S
    settings.networking.error_backoffs = (0.2, 1, 2, 5, 10)
    settings.networking.enforce_retry_after = True
    return settings

"""Keeps the receivers' objects as the configuration wants them, and tells how they are.

Does nothing but tell for receivers that somebody else runs. It may not know what the objects look like.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from types import MappingProxyType

from hookgate.config.platform import ManagedReceivers, PlatformConfig
from hookgate.control import deployment as receivers_as_objects
from hookgate.control import installation
from hookgate.control.installation import Told
from hookgate.control.objects import FIELD_MANAGER, LABEL_MANAGED, differs, meta, uid_of
from hookgate.control.repairs import Repairs, reference
from hookgate.control.status import rfc3339
from hookgate.control.values import Object
from hookgate.kube.api import Api, ApiError
from hookgate.kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    Resource,
)

logger = logging.getLogger(__name__)

#: How often the objects are compared with what is wanted, in seconds.
INTERVAL = 5.0
#: Owns the number of receivers between the operator, which gives it up, and the autoscaler, which changes it first.
_HANDOVER_MANAGER = "hookgate-autoscaling"

_RESOURCES = MappingProxyType(
    {each.kind: each for each in (DEPLOYMENTS, SERVICES, POD_DISRUPTION_BUDGETS, HORIZONTAL_POD_AUTOSCALERS)}
)


class _Contested(Exception):  # noqa: N818 -- what it says
    """Somebody else changes an object again as often as it is put right; the text names it."""


class Deployer:
    """Compares and applies; a second look writes nothing. ``clock`` gives unix seconds."""

    def __init__(  # noqa: PLR0913 -- what to keep, where, with whose image
        self,
        api: Api,
        config: Callable[[], PlatformConfig],
        *,
        namespace: str,
        binding_namespace: str,
        image: str,
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._config = config
        self._namespace = namespace
        self._binding_namespace = binding_namespace
        self._image = image
        self._clock = clock
        self._repairs = Repairs()
        self._deployment: Object | None = None  # as last seen
        self._manages = True  # until it is known that what an operator before this one told is no more so
        self._logged = ""

    async def run(self) -> None:
        """Look again and again until cancelled; a failure is told once and tried again."""
        while True:
            pause = INTERVAL
            try:
                await self.once()
            except ApiError as error:
                self._log(f"receivers: {error}; trying again")
                pause = max(pause, error.retry_after or 0.0)
            await asyncio.sleep(pause)

    async def once(self) -> int:
        """Bring the objects to what is wanted, tell how they are, and return how many writes that took.

        What the API server refuses is told as a condition. Raises `ApiError` where not even that can be told, and where
        the server asks for time.
        """
        receivers = self._config().receivers
        if not isinstance(receivers, ManagedReceivers):
            return await self._give_up()
        self._manages = True
        writes, applied = await self._keep_all(receivers)
        self._log("" if applied is installation.APPLIED else f"receivers: {applied.message}")
        return writes + await self._tell(installation.receivers_told(applied, self._deployment))

    async def _keep_all(self, receivers: ManagedReceivers) -> tuple[int, Told]:
        """Keep all objects as far as it goes; return the number of writes and what came of it."""
        if not (receivers.image or self._image):
            message = "receiver.managed.image: no image is known; name one in hookgate.yaml or set HOOKGATE_IMAGE"
            return 0, installation.refused("NoImage", message)
        wanted = receivers_as_objects.receiver_objects(
            self._config(),
            receivers,
            namespace=self._namespace,
            binding_namespace=self._binding_namespace,
            image=self._image,
        )
        writes, applied = 0, installation.APPLIED
        for each in (None, *wanted):
            try:
                writes += await (self._keep(each, receivers) if each else self._part_with_autoscaler(receivers))
            except ApiError as error:
                if not error.status or error.status == HTTPStatus.TOO_MANY_REQUESTS or error.retry_after:
                    raise  # no answer at all is no refusal; and neither can be told now
                applied = installation.refused(error.reason or "Refused", f"{error}; trying again")
            except _Contested as error:
                applied = installation.refused("FieldConflict", str(error))
        return writes, applied

    async def _keep(self, wanted: dict[str, object], receivers: ManagedReceivers) -> int:
        """Keep one object; return the number of writes. Raises `ApiError` and `_Contested`."""
        resource, name = _RESOURCES[str(wanted["kind"])], str(meta(wanted)["name"])
        found = await self._api.get(resource, name, self._namespace)
        self._saw(resource, found)
        if found is None:
            self._saw(resource, await self._api.apply(resource, receivers_as_objects.created(wanted, receivers)))
            return 1
        gives_up = resource is DEPLOYMENTS and receivers.autoscaling and receivers_as_objects.owns_replicas(found)
        if not gives_up and not differs(wanted, found):
            return 0
        key = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
        if self._repairs.wait(key, self._clock()):
            raise _Contested(
                f"somebody changes {reference(wanted)} again and again, so that it is put right only now and then; "
                "its managedFields tell who. For a number of receivers that follows the load, see "
                "receiver.managed.autoscaling in hookgate.yaml"
            )
        if gives_up:
            await self._api.apply(resource, receivers_as_objects.handover(found), manager=_HANDOVER_MANAGER)
        self._saw(resource, await self._api.apply(resource, wanted))
        self._repairs.note(key, self._clock())
        return 2 if gives_up else 1

    def _saw(self, resource: Resource, found: Object | None) -> None:
        if resource is DEPLOYMENTS:
            self._deployment = found

    async def _part_with_autoscaler(self, receivers: ManagedReceivers) -> int:
        """Remove the autoscaler that the operator once made, where none is asked for."""
        if receivers.autoscaling is not None:
            return 0
        resource: Resource = HORIZONTAL_POD_AUTOSCALERS
        found = await self._api.get(resource, receivers_as_objects.NAME, self._namespace)
        if found is None or (meta(found).get("labels") or {}).get(LABEL_MANAGED) != FIELD_MANAGER:
            return 0
        await self._api.delete(resource, receivers_as_objects.NAME, self._namespace, uid=uid_of(found))
        return 1

    async def _give_up(self) -> int:
        """Take back, once, what was told of receivers that are now somebody else's."""
        if not self._manages:
            return 0
        told = await self._api.get(CONFIGMAPS, installation.NAME, self._namespace)
        writes = await self._tell(installation.receivers_elsewhere()) if told is not None else 0
        self._manages = False
        return writes

    async def _tell(self, told: Sequence[Told]) -> int:
        """Write the conditions where they say anything new."""
        found = await self._api.get(CONFIGMAPS, installation.NAME, self._namespace)
        before: list[Object] = installation.conditions_in(found)
        now = installation.placed(told, before, rfc3339(self._clock()))
        if now == before:
            return 0
        await self._api.apply(CONFIGMAPS, installation.config_map(now, self._namespace))
        return 1

    def _log(self, text: str) -> None:
        if text and text != self._logged:
            logger.warning("%s", text)
        self._logged = text

"""Keeps the receiver's Deployment and Service as the configuration wants them. Does nothing for fixed receivers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hookgate.config.platform import ManagedReceivers, PlatformConfig
from hookgate.control.deployment import receiver_objects
from hookgate.control.objects import differs, meta
from hookgate.kube.api import Api, ApiError
from hookgate.kube.resources import DEPLOYMENTS, SERVICES

logger = logging.getLogger(__name__)

#: How often the objects are compared with what is wanted, in seconds.
INTERVAL = 5.0

_RESOURCES = {"Deployment": DEPLOYMENTS, "Service": SERVICES}


class Deployer:
    """Compares and applies; a second look writes nothing."""

    def __init__(
        self,
        api: Api,
        config: Callable[[], PlatformConfig],
        *,
        namespace: str,
        binding_namespace: str,
        image: str,
    ) -> None:
        self._api = api
        self._config = config
        self._namespace = namespace
        self._binding_namespace = binding_namespace
        self._image = image
        self._told = ""

    async def run(self) -> None:
        """Look again and again until cancelled; a failure is told once and tried again."""
        while True:
            try:
                await self.once()
                self._told = ""
            except ApiError as error:
                self._tell(f"receiver objects: {error}; trying again")
            await asyncio.sleep(INTERVAL)

    async def once(self) -> int:
        """Bring the objects to what is wanted and return how many writes that took. Raises `ApiError`."""
        config = self._config()
        receivers = config.receivers
        if not isinstance(receivers, ManagedReceivers):
            return 0
        if not (receivers.image or self._image):
            self._tell("receiver.managed.image: no image is known; name one in hookgate.yaml or set HOOKGATE_IMAGE")
            return 0
        writes = 0
        for wanted in receiver_objects(
            config,
            receivers,
            namespace=self._namespace,
            binding_namespace=self._binding_namespace,
            image=self._image,
        ):
            resource = _RESOURCES[wanted["kind"]]
            found = await self._api.get(resource, str(meta(wanted)["name"]), self._namespace)
            if found is None or differs(wanted, found):
                await self._api.apply(resource, wanted)
                writes += 1
        return writes

    def _tell(self, text: str) -> None:
        if text != self._told:
            logger.warning("%s", text)
        self._told = text

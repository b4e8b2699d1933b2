"""The platform's configuration in force: read at start, read again when the file changes, the last good one kept.

It may not know who uses the settings; `watch` tells them that there are new ones.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from hookgate.config.load import InvalidConfig, default_config, parse_config
from hookgate.control.reconcile import Settings
from hookgate.model.endpoint import FieldError
from hookgate.scheme.presets import InvalidPreset, Presets

logger = logging.getLogger(__name__)

#: How often the file is looked at, in seconds. A mounted ConfigMap changes by a swapped link, which no watch survives.
INTERVAL = 1.0


def settings_of(text: str, *, source: str) -> Settings:
    """Return the settings that a configuration file holds. Raises `InvalidConfig` naming ``source`` and fields."""
    config = parse_config(text, source=source)
    try:
        return Settings(config=config, presets=Presets.builtin().with_platform(config.providers))
    except InvalidPreset as error:
        errors = [FieldError(field=f"providers.{e.field}", message=e.message) for e in error.errors]
        raise InvalidConfig(*(f"{source}: {e}" for e in errors)) from None


class SettingsFile:
    """The settings of one file; without a file, the defaults, which allow nobody anything.

    ``current`` is always whole and valid; ``version`` is how the SHA-256 of its text begins. Raises `InvalidConfig` or
    OSError when the file is bad from the start.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._text = path.read_text(encoding="utf-8") if path else ""
        if path:
            self.current = settings_of(self._text, source=str(path))
            self.version = _version(self._text)
        else:
            self.current = Settings(config=default_config(), presets=Presets.builtin())
            self.version = "default"

    async def watch(self, changed: Callable[[], None]) -> None:
        """Look at the file every second, until cancelled."""
        while self._path is not None:
            await asyncio.sleep(INTERVAL)
            await self.look(changed)

    async def look(self, changed: Callable[[], None]) -> None:
        """Read the file again, and call ``changed`` after a good change. A bad change is told once and not taken."""
        if self._path is None:
            return
        try:
            text = await asyncio.to_thread(self._path.read_text, encoding="utf-8")
            if text == self._text:
                return
            self._text = text
            self.current = settings_of(text, source=str(self._path))
        except (OSError, UnicodeDecodeError) as error:
            if self._text:
                logger.error("%s: cannot be read (%s); the last good configuration stays", self._path, error)
            self._text = ""
        except InvalidConfig as error:
            logger.error("%s; the last good configuration stays in force", error)
        else:
            self.version = _version(text)
            logger.info("%s: new configuration %s in force", self._path, self.version)
            changed()


def _version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]

"""Where a receiver's bindings come from: the interface, and a folder of files.

A source may not know what a binding means: it hands raw bytes to the table, under the uid that it keeps them by.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from hookgate.receiver.table import BindingTable

_log = logging.getLogger(__name__)

_SUFFIX = ".json"
#: More than any binding can be; a Secret could not hold it either.
_MAX_FILE = 1 << 20


class BindingSource(Protocol):
    """Feeds a table for as long as it runs."""

    async def run(self, table: BindingTable) -> None:
        """Load the whole table, then follow changes until cancelled. While the origin is away the table stays."""
        ...


_Stamp = tuple[int, int, int, int]


class FolderSource:
    """A folder of ``<uid>.json`` files, looked at every ``interval`` seconds; other names are passed over.

    A file that is no binding, or may not be read, takes its endpoint out of service and no other. A file or a folder
    that fails to be read leaves all as it was: that is an outage of the origin, not the removal of what it holds.
    """

    def __init__(self, folder: Path, *, interval: float = 0.5) -> None:
        """Follow ``folder``."""
        self._folder, self._interval = folder, interval
        self._seen: dict[str, _Stamp] = {}
        self._readable = True
        self._unread: set[str] = set()

    async def run(self, table: BindingTable) -> None:
        """See `BindingSource`."""
        while True:
            await self.poll(table)
            await asyncio.sleep(self._interval)

    async def poll(self, table: BindingTable) -> None:
        """Bring the table up to the folder once."""
        try:
            found = await asyncio.to_thread(_stamps, self._folder)
        except OSError as error:
            if self._readable:
                _log.error("bindings folder cannot be read (%s): the last table stays in force", type(error).__name__)
            self._readable = False
            return
        self._readable = True
        heard = time.monotonic()
        table.heard_at = lambda: heard
        changed = {uid for uid, stamp in found.items() if self._seen.get(uid) != stamp}
        raws = await asyncio.to_thread(_read_all, self._folder, changed)
        if not table.loaded:
            table.replace(raws)
        else:
            for uid in self._seen.keys() - found.keys():
                table.remove(uid)
            for uid, raw in raws.items():
                table.put(uid, raw)
        self._look_again(found, changed - raws.keys())

    def _look_again(self, found: dict[str, _Stamp], unread: set[str]) -> None:
        """Remember what was seen; what failed to be read is still as it was seen before, and so has changed."""
        for uid in sorted(unread - self._unread):
            _log.error("binding %s cannot be read now: what was in force before stays so", uid)
        self._unread = unread
        for uid in unread:
            before = self._seen.get(uid)
            if before is None:
                del found[uid]
            else:
                found[uid] = before
        self._seen = found


def _stamps(folder: Path) -> dict[str, _Stamp]:
    """Return what tells one version of each file from the next."""
    stamps = {}
    with os.scandir(folder) as files:
        for file in files:
            if not file.name.endswith(_SUFFIX) or file.name.startswith("."):
                continue
            try:
                stat = file.stat()
            except OSError:
                continue  # gone since the listing
            stamps[file.name.removesuffix(_SUFFIX)] = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
    return stamps


def _read_all(folder: Path, uids: set[str]) -> Mapping[str, bytes]:
    """Read these files. One that may not be read is an empty binding, which the table refuses and counts.

    One that fails to be read, for want of a descriptor or by a fault of the disk, is left out.
    """
    raws = {}
    for uid in uids:
        try:
            with (folder / (uid + _SUFFIX)).open("rb") as file:
                raw = file.read(_MAX_FILE + 1)
        except (PermissionError, IsADirectoryError):
            raw = b""
        except OSError:
            continue
        raws[uid] = raw if len(raw) <= _MAX_FILE else b""
    return raws

"""The folder in which standalone mode keeps what an API server would keep: objects, bindings, and a lock on them.

``webhookendpoints/NAMESPACE/NAME.json`` and ``secrets/NAMESPACE/NAME.json`` hold objects with the file that declared
them; ``bindings/UID.json`` holds a binding's bytes as receivers read them; ``private`` tells the private port. Folders
are 0700 and files 0600, and a file is replaced whole or not at all. This module may not know what the objects mean.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hookgate.control.cluster import Request
from hookgate.control.values import Object

ENDPOINTS = "webhookendpoints"
SECRETS = "secrets"
BINDINGS = "bindings"
RETAINED = "retained"
_LOCK = "lock"
_PRIVATE = "private"
_SUFFIX = ".json"
#: A file's name may have 255 bytes; a Secret's may have 253 characters already.
_LONGEST_STEM = 200
#: Another command may look at the lock for a moment, which is no reason to give up.
_LOCK_TRIES = 10
_LOCK_PAUSE = 0.05


class StateError(Exception):
    """The state cannot be used. The text names the folder or file and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One object with the file that declares it; ``source`` is None for what Hookgate made itself."""

    source: str | None
    object: Object = field(repr=False)


class StateFolder:
    """One state folder. Reading needs no lock, since files are replaced whole; whoever writes holds it."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is opened yet."""
        self.folder = folder
        self._lock: int | None = None

    def open(self) -> None:
        """Make the folder where it is missing and lock it. Raises `StateError`."""
        try:
            for each in (self.folder, *(self.folder / name for name in (ENDPOINTS, SECRETS, BINDINGS, RETAINED))):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
            _keep_out_of_git(self.folder)
            self._lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(
                f"{self.folder}: the state cannot be kept here ({error.strerror}); name a folder that you may write "
                "to with --state-dir"
            ) from None
        if not _locks(self._lock):
            self.close()
            raise StateError(
                f"{self.folder}: in use by another `hookgate serve`; stop that one, or name another --state-dir"
            )

    def close(self) -> None:
        """Give up the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def in_use(self) -> bool:
        """Tell whether a process that serves holds the lock."""
        try:
            lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False

    def put_private(self, url: str) -> None:
        """Write where the process that serves tells of calls. Raises OSError."""
        self._write(self.folder / _PRIVATE, url.encode() + b"\n")

    def private(self) -> str | None:
        """Return where the process that serves tells of calls; None where none serves."""
        try:
            return (self.folder / _PRIVATE).read_text(encoding="ascii").strip() if self.in_use() else None
        except (OSError, UnicodeDecodeError):
            return None

    def objects(self, plural: str) -> dict[Request, Record]:
        """Return all objects of one kind. Raises `StateError` for a file that cannot be read."""
        found = {}
        for path in _files(self.folder / plural, "*/*"):
            record = _read_record(path)
            meta = record.object["metadata"]
            found[Request(str(meta["namespace"]), str(meta["name"]))] = record
        return found

    def bindings(self, folder: str = BINDINGS) -> dict[str, bytes]:
        """Return every binding's bytes by its uid, those in force or the `RETAINED` ones. Raises `StateError`."""
        return {path.name.removesuffix(_SUFFIX): _read(path) for path in _files(self.folder / folder, "*")}

    def put_object(self, plural: str, request: Request, record: Record) -> None:
        """Write one object. Raises OSError."""
        document = {"source": record.source, "object": record.object}
        self._write(self._object_path(plural, request), json.dumps(document, indent=1).encode() + b"\n")

    def drop_object(self, plural: str, request: Request) -> None:
        """Remove one object. Raises OSError."""
        self._object_path(plural, request).unlink(missing_ok=True)

    def put_binding(self, uid: str, raw: bytes, folder: str = BINDINGS) -> None:
        """Write one binding. Raises OSError."""
        self._write(self.folder / folder / (uid + _SUFFIX), raw)

    def drop_binding(self, uid: str, folder: str = BINDINGS) -> None:
        """Remove one binding. Raises OSError."""
        (self.folder / folder / (uid + _SUFFIX)).unlink(missing_ok=True)

    def _object_path(self, plural: str, request: Request) -> Path:
        stem = request.name
        if len(stem) > _LONGEST_STEM:
            stem = f"{stem[:100]}-{hashlib.sha256(stem.encode()).hexdigest()}"
        return self.folder / plural / request.namespace / (stem + _SUFFIX)

    def _write(self, path: Path, content: bytes) -> None:
        assert self._lock is not None, "whoever writes holds the lock"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
        # Without this a power failure could bring back an older secret than the one the sender was given.
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _keep_out_of_git(folder: Path) -> None:
    """The default folder stands in the project that it is used in; its secrets must not be committed with it."""
    try:
        file = os.open(folder / ".gitignore", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    with os.fdopen(file, "wb") as out:
        out.write(b"*\n")


def _locks(lock: int) -> bool:
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise StateError(f"the state's lock cannot be taken ({error.strerror}); use a local folder") from None
            time.sleep(_LOCK_PAUSE)
        else:
            return True
    return False


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(folder.glob(pattern + _SUFFIX)) if not path.name.startswith("."))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StateError(f"{path}: cannot be read ({error.strerror}); mend its permissions") from None


def _read_record(path: Path) -> Record:
    try:
        document = json.loads(_read(path))
        found = document["object"]
        if isinstance(found["metadata"]["name"], str) and isinstance(found["metadata"]["namespace"], str):
            return Record(source=document["source"], object=found)
    except (ValueError, KeyError, TypeError):
        pass
    raise StateError(f"{path}: not what Hookgate wrote here; restore it from a backup, or remove the file")

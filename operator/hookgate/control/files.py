"""The manifests of standalone mode: files and folders, looked at again and again, and what they declare together.

What is in force changes only where the files clearly say so. A file that cannot be understood keeps what it declared
last; so does one that is suddenly empty, as each is while a shell or an editor writes it anew, and a path that vanishes
as a whole, which looks more like an unmounted disk than like a wish; and a file has to be missing twice in a row, since
editors remove and rewrite. This module may not know what becomes of declarations.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hookgate.control.cluster import Request
from hookgate.control.manifests import SECRET, Claim, Content, read_manifests
from hookgate.control.state import Record
from hookgate.model.endpoint import KIND

SUFFIXES = (".yaml", ".yml", ".json")
#: More than any sane manifest; a dump that somebody left in the folder is not read whole.
_MAX_FILE = 8 << 20

_EMPTY = "empty, as it is while somebody writes it; to take away what it declared leave a comment in it"

_Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What all files declare together. ``problems`` and ``ignored`` are lines for people."""

    endpoints: Mapping[Request, Record] = field(repr=False)
    secrets: Mapping[Request, Record] = field(repr=False)
    problems: tuple[str, ...]
    ignored: tuple[str, ...]
    files: int


@dataclass(slots=True)
class _File:
    """One file as last looked at. ``claims`` are in force; ``content`` is what its bytes say now.

    ``present``: it stands among the files that are served. What it claims yields to a file that does.
    """

    present: bool = False
    claims: tuple[Claim, ...] = ()
    content: Content = field(default_factory=Content)
    stamp: _Stamp | None = None
    missing: int = 0


class ManifestFiles:
    """Files and folders, as given on the command line; folders are not descended, like `kubectl apply -f`.

    ``remembered`` is what was in force when the last process ended: a file that is broken now keeps that.
    """

    def __init__(self, paths: Iterable[Path], *, remembered: Iterable[Claim] = ()) -> None:
        """Name the paths; nothing is read yet."""
        self._paths = tuple(dict.fromkeys(Path(os.path.abspath(path)) for path in paths))
        self._listed: dict[Path, tuple[Path, ...]] = {}
        self._files: dict[Path, _File] = {}
        for claim in remembered:
            known = self._files.setdefault(Path(str(claim.record.source)), _File())
            known.claims += (claim,)
        self._in_force: dict[tuple[str, Request], str | None] = {}
        for claim in remembered:
            self._in_force[claim.kind, claim.request] = claim.record.source
        self._last: Reading | None = None

    def poll(self) -> Reading | None:
        """Look once. Return what is declared now, or None where nothing has changed since the last look."""
        away = {path: text for path in self._paths if (text := self._list(path))}
        problems = list(away.values())
        present = {file for files in self._listed.values() for file in files}
        for path in present:
            self._files.setdefault(path, _File())
        for path, file in list(self._files.items()):
            file.present = path in present
            if file.present:
                file.missing = 0
                if not away.keys() & {path, path.parent}:
                    _look(path, file)
            elif self._stood_in_a_folder(path):
                file.missing += 1
                if file.missing > 1 or self._last is None:
                    del self._files[path]
            elif file.claims:
                problems += self._left_alone(path, file)
        reading = self._merge(problems, len(present))
        if reading == self._last:
            return None
        self._last = reading
        return reading

    def _list(self, path: Path) -> str | None:
        """Bring the list of a path's files up to date, or say why it stays as it was."""
        try:
            if path.is_dir():
                with os.scandir(path) as entries:
                    names = sorted(e.name for e in entries if e.name.endswith(SUFFIXES) and not e.name.startswith("."))
                self._listed[path] = tuple(each for name in names if (each := path / name).is_file())
                return None
            path.stat()
        except OSError as error:
            return f"{path}: {error.strerror}; what it declared stays in force until it is back"
        self._listed[path] = (path,)
        return None

    def _stood_in_a_folder(self, path: Path) -> bool:
        return path.parent in self._paths and path.parent in self._listed

    def _left_alone(self, path: Path, file: _File) -> list[str]:
        if path in self._paths:
            return []  # its absence has been told
        names = ", ".join(f"{claim.kind} {claim.request}" for claim in file.claims)
        return [f"{path}: not among the paths that are served now; what it declared stays in force: {names}"]

    def _merge(self, problems: list[str], files: int) -> Reading:
        """Join all claims; each name is one object's."""
        found: dict[tuple[str, Request], Claim] = {}
        ignored: list[str] = []
        # Files that are not there any more come last, and yield without a word: what they declared has moved.
        for _, file in sorted(self._files.items(), key=lambda item: (not item[1].present, item[0])):
            problems += _told(file)
            ignored += file.content.ignored
            for claim in file.claims:
                key = (claim.kind, claim.request)
                other = found.setdefault(key, claim)
                if other is not claim and file.present:
                    found[key], loser = self._judge(key, other, claim)
                    problems.append(_rivalry(found[key], loser))
        self._in_force = {key: claim.record.source for key, claim in found.items()}
        return Reading(
            endpoints={q: claim.record for (kind, q), claim in found.items() if kind == KIND},
            secrets={q: claim.record for (kind, q), claim in found.items() if kind == SECRET},
            problems=tuple(problems),
            ignored=tuple(ignored),
            files=files,
        )

    def _judge(self, key: tuple[str, Request], first: Claim, second: Claim) -> tuple[Claim, Claim]:
        """Return the winner and the loser: the one in force stays, else the first."""
        if second.record.source == self._in_force.get(key) != first.record.source:
            return second, first
        return first, second


def _rivalry(winner: Claim, loser: Claim) -> str:
    return (
        f"{loser.where}: metadata.name: {winner.kind} {winner.request} stands in {winner.where} already, which stays "
        "in force; keep one of them"
    )


def _look(path: Path, file: _File) -> None:
    """Read a file if it changed; what was good in it comes into force, what is gone leaves unless it is broken."""
    try:
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        if stamp == file.stamp:
            return
        text = _text(path, stat.st_size)
        content = read_manifests(text, source=str(path))
        if file.claims and not text.strip():
            content = Content(problems=(f"{path}: {_EMPTY}",))
    except FileNotFoundError:
        return  # gone since it was listed; the next look counts that
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        stamp, content = (0, 0, 0, 0), Content(problems=(f"{path}: cannot be read ({why})",))
    file.stamp, file.content = stamp, content
    if not content.problems:
        file.claims = content.claims
        return
    fresh = {(claim.kind, claim.request) for claim in content.claims}
    kept = (claim for claim in file.claims if (claim.kind, claim.request) not in fresh)
    file.claims = (*content.claims, *kept)


def _told(file: _File) -> list[str]:
    """Return a file's problems, with what they mean for the endpoints that it declared before."""
    told = list(file.content.problems)
    fresh = {(claim.kind, claim.request) for claim in file.content.claims}
    kept = [str(c.request) for c in file.claims if c.kind == KIND and (c.kind, c.request) not in fresh]
    if told and kept:
        told[-1] += f" -- until then the last good version stays in force: {', '.join(kept)}"
    return told


def _text(path: Path, size: int) -> str:
    """Read a file as UTF-8. Raises OSError, or ValueError with a text for people."""
    if size > _MAX_FILE:
        raise ValueError(f"more than {_MAX_FILE >> 20} MiB; split it")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8; save it as UTF-8") from None

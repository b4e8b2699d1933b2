"""What the API server is known to hold of one kind: fed by a watch, and at once by our own writes.

A watch tells of our own writes too, a little later. Keeping both in one place, the newer resourceVersion winning, makes
a reconciliation see what the last one did, and keeps an echo of our own write from waking anybody. Effect free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from hookgate.control.objects import meta, number_of, version_of
from hookgate.control.values import Object
from hookgate.model.endpoint import LABEL_UID

Key = tuple[str, str]
Wake = Callable[[Object], None]
Alike = Callable[[Object, Object], bool]


@dataclass(slots=True)
class _Asked:
    """An object that we write or ask for: by how many, what the watch told, and the version of a list meanwhile."""

    by: int = 0
    told: list[tuple[str, Object]] = field(default_factory=list)
    listed: int = 0


class Mirror:
    """Objects of one kind by (namespace, name), and by the endpoint uid that their label names.

    ``wake`` is called with every object that changed without our doing, also with those that vanished. Versions that
    are ``alike``, the one known and the next, are no news: what was known counts, however it came to be known.
    """

    def __init__(self, wake: Wake, *, alike: Alike = lambda _known, _obj: False) -> None:
        self._wake = wake
        self._alike = alike
        self._objects: dict[Key, Object] = {}
        self._by_uid: dict[str, dict[Key, Object]] = {}
        self.filled = False  # whether there ever was a complete list
        self._asked: dict[Key, _Asked] = {}  # what answers of ours are on their way about
        self._deleted: dict[str, str] = {}  # uids that we deleted and the watch has yet to tell of, with the namespace

    def get(self, namespace: str, name: str) -> Object | None:
        """Return one object."""
        return self._objects.get((namespace, name))

    def of(self, uid: str) -> tuple[Object, ...]:
        """Return the objects whose label names the endpoint ``uid``."""
        return tuple(self._by_uid.get(uid, {}).values())

    def __iter__(self) -> Iterator[Object]:
        return iter(self._objects.values())

    def __len__(self) -> int:
        return len(self._objects)

    def observe(self, change: str, obj: Object) -> None:
        """Take one event of the watch."""
        asked = self._asked.get(_key(obj))
        if asked is not None:
            asked.told.append((change, obj))
            return
        uid = str(meta(obj).get("uid"))
        known = self._objects.get(_key(obj))
        if change == "DELETED":
            self._deleted.pop(uid, None)
            if known is not None and str(meta(known).get("uid")) == uid:
                self._drop(_key(obj))
                self._wake(obj)
        elif uid in self._deleted:
            return
        elif known is not None and _same(obj, known):
            self._put(obj)  # whoever watches keeps this one: one copy is enough
        elif known is None or _newer(obj, known):
            self._put(obj)
            if known is not None and _owner(known) != _owner(obj):
                self._wake(known)
            if known is None or not self._alike(known, obj):
                self._wake(obj)

    def replace(self, objects: Sequence[Object], version: str = "", *, namespace: str | None = None) -> None:
        """Take a complete list, of one namespace or of all; what it lacks is gone, whatever was known before."""
        listed = {_key(obj): obj for obj in objects}
        self.filled = True
        for key, asked in self._asked.items():
            if namespace in (None, key[0]):
                asked.told, asked.listed = [], number_of(version)
        self._deleted = {uid: place for uid, place in self._deleted.items() if namespace not in (None, place)}
        for key in [k for k in self._objects if k not in listed and namespace in (None, k[0])]:
            gone = self._objects[key]
            self._drop(key)
            self._wake(gone)
        for obj in listed.values():
            self.observe("MODIFIED", obj)

    @contextmanager
    def asking(self, namespace: str, name: str) -> Iterator[None]:
        """Let what the watch tells of an object wait while we write it or ask for it.

        An echo often comes before its answer, and a deletion has to come after it. Several may ask at a time.
        """
        key = namespace, name
        asked = self._asked.setdefault(key, _Asked())
        asked.by += 1
        try:
            yield
        finally:
            asked.by -= 1
            if not asked.by:
                del self._asked[key]
                for change, told in asked.told:
                    self.observe(change, told)

    def wrote(self, obj: Object) -> None:
        """Take the answer to our own write or question, unless a list that came meanwhile knows better."""
        known, asked = self._objects.get(_key(obj)), self._asked.get(_key(obj))
        outdated = known is None and asked is not None and version_of(obj) <= asked.listed
        if not outdated and (known is None or _newer(obj, known)):
            self._put(obj)

    def deleted(self, obj: Object) -> None:
        """Take note that we deleted exactly this object."""
        key, uid = _key(obj), str(meta(obj).get("uid"))
        known = self._objects.get(key)
        if known is not None and str(meta(known).get("uid")) == uid:
            self._drop(key)
            self._deleted[uid] = key[0]

    def _put(self, obj: Object) -> None:
        key = _key(obj)
        if key in self._objects:
            self._drop(key)
        self._objects[key] = obj
        owner = _owner(obj)
        if owner:
            self._by_uid.setdefault(owner, {})[key] = obj

    def _drop(self, key: Key) -> None:
        owner = _owner(self._objects.pop(key))
        if owner and key in self._by_uid.get(owner, {}):
            del self._by_uid[owner][key]
            if not self._by_uid[owner]:
                del self._by_uid[owner]


def _key(obj: Object) -> Key:
    return str(meta(obj).get("namespace") or ""), str(meta(obj)["name"])


def _owner(obj: Object) -> str | None:
    label = (meta(obj).get("labels") or {}).get(LABEL_UID)
    return str(label) if label else None


def _newer(obj: Object, known: Object) -> bool:
    """Tell whether ``obj`` is news. Another uid always is; versions of one object count up."""
    if meta(obj).get("uid") != meta(known).get("uid"):
        return True
    new, old = version_of(obj), version_of(known)
    return new > old if new and old else _version(obj) != _version(known)


def _same(obj: Object, known: Object) -> bool:
    return meta(obj).get("uid") == meta(known).get("uid") and _version(obj) == _version(known)


def _version(obj: Object) -> str:
    return str(meta(obj).get("resourceVersion"))

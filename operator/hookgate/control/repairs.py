"""PURE: how often the same thing was put right lately, so that nobody is fought for ever.

Two controllers that each insist on a field would write at the speed of the network. After a few repairs of one object
to one and the same content within ten minutes, for one and the same spec, the next has to wait, and the endpoint says
so. What is wanted anew, such as a rotation or another host, waits for nothing, and a binding never does: it is what
revokes. Kept in the memory of one process: a restart forgives.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from hookgate.control.objects import LABEL_ROLE, ROLE_BINDING, ROLE_RETAINED, meta, uid_of
from hookgate.control.values import Object, Step, Verb

#: So many repairs of one object to the same content are made within `WINDOW` seconds.
MOST = 5
WINDOW = 600.0
#: How long a status waits that was told so often, in seconds.
PAUSE = 10.0

_CONTENT = ("data", "spec", "type")


class Repairs:
    """Counts writes by what they were to bring about. Times are unix seconds, handed in."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def note(self, wanted: str, now: float) -> None:
        """Take note that ``wanted``, a `fingerprint`, was written."""
        self._times[wanted] = [*self._recent(wanted, now), now]
        self._times.move_to_end(wanted)
        while self._times and next(iter(self._times.values()))[-1] <= now - WINDOW:
            self._times.popitem(last=False)

    def wait(self, wanted: str, now: float) -> float:
        """Return for how many seconds ``wanted`` is not to be written again; 0 where it may be now."""
        recent = self._recent(wanted, now)
        return 0.0 if len(recent) < MOST else recent[-MOST] + WINDOW - now

    def pause(self, told: str, now: float) -> float:
        """Return for how many seconds a status that was told so often is not to be told again; 0 where it may be now.

        Much shorter than for objects: a status may go to and fro for reasons of its own, and must not stay wrong.
        """
        recent = self._recent(told, now)
        return 0.0 if len(recent) < MOST else max(0.0, recent[-1] + PAUSE - now)

    def contested(self, manifest: Object, steps: Iterable[Step], now: float) -> Mapping[str, float]:
        """Return which objects of ``steps`` have to wait, by their `reference`, and for how many seconds."""
        waits = {reference(s.object): self.wait(fingerprint(manifest, s.object), now) for s in steps if _repairs(s)}
        return {name: seconds for name, seconds in waits.items() if seconds > 0}

    def did(self, manifest: Object, step: Step, now: float) -> None:
        """Take note of a step that was carried out."""
        if _repairs(step):
            self.note(fingerprint(manifest, step.object), now)

    def _recent(self, wanted: str, now: float) -> list[float]:
        return [time for time in self._times.get(wanted, ()) if time > now - WINDOW]


def reference(obj: Object) -> str:
    """Name an object for people: kind, namespace, name."""
    return f"{obj['kind']} {meta(obj).get('namespace')}/{meta(obj)['name']}"


def fingerprint(manifest: Object, obj: Object) -> str:
    """Name what an object is to hold for an endpoint, apart from what the server or others note on it."""
    content: dict[str, Any] = {key: obj[key] for key in _CONTENT if key in obj}
    wish = [uid_of(manifest), meta(manifest).get("generation")]
    whole = [*wish, reference(obj), content, meta(obj).get("finalizers")]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def told_of(manifest: Object, status: Object) -> str:
    """Name what a status is to say of an endpoint, apart from when."""
    said = [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in status.get("conditions") or ()]
    whole = [uid_of(manifest), "status", {**status, "conditions": said}]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _repairs(step: Step) -> bool:
    role = (meta(step.object).get("labels") or {}).get(LABEL_ROLE)
    return step.verb is not Verb.DELETE and role not in (ROLE_BINDING, ROLE_RETAINED)

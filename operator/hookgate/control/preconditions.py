"""PURE: what an API server holds before it writes: an object is new where it must be, and the one that is meant.

It may not know what is written nor where to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookgate.control.cluster import ClusterError, Request
from hookgate.control.objects import meta
from hookgate.control.values import Object, Verb


def hold_write(verb: Verb, request: Request, wanted: Object, found: Object | None) -> None:
    """Hold what an API server holds before it creates, applies or replaces. Raises `ClusterError`."""
    if verb is Verb.CREATE:
        if found is not None:
            raise ClusterError(f"create Secret {request}: it exists already", conflict=True)
    elif found is not None or meta(wanted).get("uid") or verb is Verb.REPLACE:
        hold(verb.value, "Secret", request, meta(wanted), found)


def hold(verb: str, kind: str, request: Request, wanted: Mapping[str, Any], found: Object | None) -> None:
    """Hold the preconditions: the uid and the resourceVersion that the writer means. Raises `ClusterError`."""
    if found is None:
        raise ClusterError(f"{verb} {kind} {request}: it is gone", conflict=True)
    for name in ("uid", "resourceVersion"):
        if wanted.get(name) is not None and wanted[name] != meta(found).get(name):
            raise ClusterError(f"{verb} {kind} {request}: another {name} than the one that was read", conflict=True)


def unwritten(verb: str, kind: str, name: str, error: OSError) -> ClusterError:
    """Return the error for a write that the disk refused."""
    return ClusterError(f"{verb} {kind} {name}: the state folder cannot be written ({error.strerror})")

"""Events (events.k8s.io/v1): a line for people about one object, posted and forgotten.

No aggregation: callers post on transitions only. It may not know what is worth telling; what it is told must hold no
secret, URL path or header value.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from hookgate.kube.api import EVENTS, Api, Object
from hookgate.kube.errors import ApiError

log = logging.getLogger(__name__)

CONTROLLER = "hookgate.dev/operator"

_LONGEST_NOTE = 1024  # bytes
_LONGEST_INSTANCE = 128
_LONGEST_NAME = 57  # the server cuts more than this from a generated name's beginning anyway


def event(  # noqa: PLR0913 - the fields of an Event
    regarding: Mapping[str, Any],
    *,
    kind: Literal["Normal", "Warning"],
    reason: str,
    action: str,
    note: str,
    instance: str,
    now: datetime,
) -> Object:
    """Build the Event about the object ``regarding``, in its namespace (``default`` for a cluster-scoped one).

    ``reason`` and ``action`` are CamelCase words; ``instance`` names this process; ``now`` is UTC. Too long a note
    is cut as the API demands.
    """
    metadata = regarding["metadata"]
    reference = {
        "apiVersion": regarding.get("apiVersion"),
        "kind": regarding.get("kind"),
        "namespace": metadata.get("namespace"),
        "name": metadata["name"],
        "uid": metadata.get("uid"),
        "resourceVersion": metadata.get("resourceVersion"),
    }
    return {
        "metadata": {
            "namespace": metadata.get("namespace") or "default",
            "generateName": f"{metadata['name']}-",
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": kind,
        "reason": reason,
        "action": action,
        "note": note.encode()[:_LONGEST_NOTE].decode(errors="ignore"),
        "regarding": {key: value for key, value in reference.items() if value},
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:_LONGEST_INSTANCE],
    }


async def post(api: Api, obj: Mapping[str, Any]) -> bool:
    """Post one `event`; False where it was refused or lost, which never fails the caller's work."""
    try:
        await api.create(EVENTS, obj)
    except ApiError as error:
        log.info("%s", error)
        return False
    return True

"""The values that flow through a reconciliation: what was observed, what is found, what is planned.

Frozen data only. Objects of the API server stay plain dictionaries, as read; nothing here may fetch or write any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from hookgate.config.platform import PlatformConfig
from hookgate.model.conditions import ConditionType
from hookgate.model.endpoint import KeySet
from hookgate.scheme.presets import Presets

Object = Mapping[str, Any]

#: What more there is to do rests on nothing but the status.
AT_ONCE = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """Randomness for one decision, drawn beforehand so that deciding stays pure.

    ``segment`` is 160 bits in the path's alphabet, ``secret`` and ``signing`` 32 bytes, ``nonce`` and all ids hex.
    """

    segment: str
    secret: bytes
    nonce: str
    ids: tuple[str, ...]
    signing: bytes
    signing_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What the receivers say: of ``ready`` receivers, ``agreeing`` serve the binding named ``digest`` (None: none).

    Where it is None, those that should be ready and cannot be reached count among the ``ready`` ones.
    """

    digest: str | None
    ready: int
    agreeing: int

    @property
    def by_all(self) -> bool:
        """Tell whether there is a ready receiver and none disagrees."""
        return 0 < self.ready == self.agreeing


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """What receivers say of the calls to one endpoint since they started. Times are unix seconds.

    ``reason`` is that of the last refusal, "" where there was none; ``keys`` has the last use of each key by its id.
    """

    accepted: int
    refused: int
    last_accepted: float | None
    last_refused: float | None
    reason: str
    keys: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The key set of a token issuer: the last good one, and why there is none newer. Neither: not fetched yet."""

    value: bytes | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """What endpoints share of the ways that lead to them.

    ``classes`` tells of each IngressClass whether it is the default; None: they cannot be seen. ``shared`` has the
    routes of whole hosts by kind and name.
    """

    classes: Mapping[str, bool] | None = None
    shared: Mapping[tuple[str, str], Object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything a decision may look at. ``now`` is in unix seconds.

    ``connections`` are all Secrets that name the endpoint's uid, and the one of the wanted name whoever owns it.
    ``references`` holds each referenced Secret by name, None where there is none with our label. ``service_base``
    replaces the target Service's address outside a cluster. ``retained`` is the binding that a deleted endpoint left
    behind, where this one asks to adopt it. ``routes`` are all Ingresses and HTTPRoutes that name the
    uid. ``elders`` counts the namespace's endpoints created before this one. ``segment_taken`` tells whether another
    binding already has the path that this endpoint was told to have. ``calls`` is what receivers last said of calls.
    ``key_sets`` are those of the issuers that it names.
    ``contested`` are the objects, by their references, that were put right so often that the next repair waits so many
    seconds. ``refusal`` names a write that the API server has just refused: then there is nothing to do but to tell.
    """

    manifest: Object
    config: PlatformConfig
    presets: Presets
    system_namespace: str
    binding_namespace: str
    binding: Object | None
    connections: tuple[Object, ...]
    references: Mapping[str, Object | None]
    service: Object | None
    service_base: str | None
    retained: Object | None
    routes: tuple[Object, ...]
    served: Served | None
    elders: int
    segment_taken: bool
    now: float
    fresh: Fresh
    calls: CallReport | None = None
    key_sets: Mapping[KeySet, Published] = field(default_factory=lambda: MappingProxyType({}))
    routing: Routing = field(default_factory=Routing)
    contested: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    refusal: str | None = None


class Serve(Enum):
    """What a finding means for calls."""

    AS_DECLARED = "as declared"
    UNAVAILABLE = "503"
    CLOSED = "404"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that keeps an endpoint from being Ready. ``terminal``: only the user or the platform can end it."""

    condition: ConditionType
    reason: str
    message: str
    terminal: bool = True
    serve: Serve = Serve.AS_DECLARED


class Verb(Enum):
    """What a step does. CREATE fails where the object exists; the others only touch the uid that the object carries.

    REPLACE stands for the rare case that server-side apply cannot express: taking away what somebody else added.
    """

    CREATE = "create"
    APPLY = "apply"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One write. For DELETE the object needs no more than its kind, name, namespace and uid."""

    verb: Verb
    object: Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do next: ``steps`` in order, then wait until receivers serve ``awaited``, then decide again.

    ``awaits`` tells whether there is anything to wait for; ``awaited`` None means: until no receiver serves the uid.
    ``apart``: no step rests on another, so that each is taken whatever becomes of the others.
    ``final``: with its steps all is done, there is no need to look again. ``status`` is what holds if nothing more
    happens; None leaves the object's status alone. ``again`` asks for another look after that many seconds, `AT_ONCE`
    for one as soon as the status is written.
    ``warning`` is for an Event.
    """

    steps: tuple[Step, ...] = ()
    apart: bool = False
    awaits: bool = False
    awaited: str | None = None
    final: bool = False
    status: Object | None = None
    again: float | None = None
    warning: tuple[str, str] | None = None

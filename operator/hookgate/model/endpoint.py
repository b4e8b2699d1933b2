"""What a user declares: the WebhookEndpoint as frozen values.

`parse_endpoint` turns a manifest that already has the shape of the CRD's schema into these values and checks the rules
that the CRD states in CEL, so that a folder of files and an API server refuse the same objects for the same reasons.
This module may not know presets, platform policy or any other object: those are judged later, with a condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from hookgate.model.rate import Rate
from hookgate.model.replay import USUAL, ReplayPolicy

GROUP = "hookgate.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "WebhookEndpoint"
PLURAL = "webhookendpoints"

FINALIZER = f"{GROUP}/finalizer"
#: A referenced Secret must carry this label with the value "true"; it is the watch selector too.
LABEL_REFERABLE = f"{GROUP}/webhook"
#: The label under which children name their endpoint's uid.
LABEL_UID = f"{GROUP}/endpoint-uid"
ANNOTATION_SUSPEND = f"{GROUP}/suspend"
ANNOTATION_ROTATE = f"{GROUP}/rotate"
#: On an endpoint, "true": take over the connection Secret that a deleted endpoint left behind, with URL and secret.
ANNOTATION_ADOPT = f"{GROUP}/adopt"
#: On a connection Secret that was left behind: the uid of the endpoint that had it.
ANNOTATION_RETAINED = f"{GROUP}/retained-from"

#: Every endpoint's path is this plus its binding's random segment.
PATH_PREFIX = "/h/"


class State(StrEnum):
    """The desired state of an endpoint."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    ABSENT = "absent"


class AuthType(StrEnum):
    """How a sender proves who it is."""

    HMAC = "hmac"
    SIGNATURE = "signature"
    TOKEN = "token"  # noqa: S105 -- the name of a type
    BASIC = "basic"
    JWT = "jwt"
    #: One of several ways, each of a type above.
    ANY_OF = "anyOf"
    NONE = "none"


#: The types whose secret is made here unless one is referenced.
GENERATING = frozenset({AuthType.HMAC, AuthType.TOKEN, AuthType.BASIC})


class DeletionPolicy(StrEnum):
    """What becomes of the connection Secret when the object is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKeyRef:
    """One key of a Secret in the endpoint's own namespace."""

    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretPolicy:
    """Where the endpoint's secret comes from. ``overlap`` is in seconds."""

    ref: SecretKeyRef | None = None
    previous_refs: tuple[SecretKeyRef, ...] = ()
    rotate: str | None = None
    overlap: int = 86_400

    @property
    def refs(self) -> tuple[SecretKeyRef, ...]:
        """All references, the current one first; empty for a generated secret."""
        return (self.ref, *self.previous_refs) if self.ref else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """Where the keys of a token's issuer are published: at ``url``, else where discovery says."""

    issuer: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSpec:
    """``settings`` holds the fields given under ``auth.<type>`` that describe the scheme; presets fill the rest.

    Where keys come from is said beside it: ``secret``, or ``public_key`` of type signature, or ``key_set`` of type jwt.
    ``options`` are the ways of type anyOf, which has nothing else; ``path`` is where the block stands.
    """

    type: AuthType
    provider: str | None = None
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    secret: SecretPolicy = field(default_factory=SecretPolicy)
    public_key: str | None = None
    key_set: KeySet | None = None
    options: tuple[AuthSpec, ...] = ()
    path: str = "spec.auth"

    @property
    def ways(self) -> tuple[AuthSpec, ...]:
        """The blocks of which each alone is enough: the options, or this one itself."""
        return self.options or (self,)

    @property
    def generated(self) -> AuthSpec | None:
        """The way whose secret is made here; there is no more than one."""
        return next((way for way in self.ways if way.generates), None)

    @property
    def generates(self) -> bool:
        """Whether the secret is one that is made here, as far as the spec alone tells."""
        return self.type in GENERATING and self.secret.ref is None


class Scheme(StrEnum):
    """How a target Service is spoken to."""

    HTTP = "http"
    HTTPS = "https"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTarget:
    """A Service in the endpoint's own namespace."""

    name: str
    port: int
    path: str = "/"
    scheme: str = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where authenticated calls go: exactly one of ``service`` and ``url``. ``timeout_ms`` bounds the whole attempt.

    ``ca`` is where the certificates are that an https target is verified by; None: those of the system.
    ``rotate_signing`` asks for a new key to sign them with, beside which the former one signs for ``signing_overlap``
    seconds more.
    """

    service: ServiceTarget | None = None
    url: str | None = None
    timeout_ms: int = 10_000
    ca: SecretKeyRef | None = None
    rotate_signing: str | None = None
    signing_overlap: int = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSpec:
    """The spec with its defaults filled in. ``url_overlap`` is in seconds.

    ``rate`` and ``max_in_flight`` None: what the platform says. ``allowed_networks`` empty: from everywhere.
    """

    state: State
    auth: AuthSpec
    target: Target
    secret_name: str
    inactive_response: int = 503
    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    max_body_bytes: int = 1_048_576
    rate: Rate | None = None
    max_in_flight: int | None = None
    allowed_networks: tuple[str, ...] = ()
    host: str | None = None
    rotate_url: str | None = None
    url_overlap: int = 86_400
    replay: ReplayPolicy = USUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """One endpoint as declared."""

    namespace: str
    name: str
    uid: str
    generation: int
    deleting: bool
    annotations: Mapping[str, str]
    spec: EndpointSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing wrong with a manifest: ``field`` as a JSON path below the object (``spec.auth.type``)."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidSpec(ValueError):  # noqa: N818 -- the field's term: an invalid spec
    """A manifest that breaks the contract. ``errors`` is never empty; no text repeats a value that may be secret."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(str(e) for e in errors))
        self.errors = errors


def default_secret_name(name: str) -> str:
    """Return the connection Secret's name for an endpoint that does not choose one."""
    return f"{name}-webhook"

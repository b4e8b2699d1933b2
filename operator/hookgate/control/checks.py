"""PURE: what can keep an endpoint from being served, as ordered lists of small named checks.

Each check looks at one `Case` and answers with a finding or nothing. The two tuples at the end read as the
specification: the first finding of each becomes the condition's reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hookgate.config.platform import Exposure, Host
from hookgate.control import keys as keyring
from hookgate.control.objects import belongs_to, meta, owned_by
from hookgate.control.values import Finding, Object, Observed, Serve
from hookgate.model.binding import Binding, Key
from hookgate.model.conditions import ConditionType
from hookgate.model.endpoint import AuthType, WebhookEndpoint
from hookgate.model.replay import Protection, ReplayMode
from hookgate.scheme.presets import Resolved, Unresolvable
from hookgate.scheme.replay import protection


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One endpoint in its world. ``binding`` is what its binding Secret holds now, None where there is none.

    ``garbled`` tells that a binding Secret exists whose bytes this version cannot read; ``adopts`` that a deleted
    endpoint of this namespace left a binding behind which this one takes over, and the connection Secret with it.
    """

    observed: Observed
    endpoint: WebhookEndpoint
    scheme: Resolved | Unresolvable
    host: Host | None
    binding: Binding | None
    garbled: bool
    adopts: bool = False

    @property
    def connection(self) -> Object | None:
        """The Secret of the wanted connection name, whoever owns it."""
        name = self.endpoint.spec.secret_name
        return next((s for s in self.observed.connections if meta(s)["name"] == name), None)

    @property
    def header(self) -> str:
        """The header parameter's name, "" where the scheme has none or is unknown."""
        return self.scheme.header if isinstance(self.scheme, Resolved) else ""

    @property
    def generates(self) -> bool:
        """Whether the endpoint's secret is ours to make."""
        return self.endpoint.spec.auth.generated is not None

    @property
    def generating(self) -> tuple[AuthType, Mapping[str, Any]] | None:
        """The type and descriptor document of the way whose secret is ours to make."""
        if not isinstance(self.scheme, Resolved):
            return None
        ways = zip(self.endpoint.spec.auth.ways, self.scheme.ways, strict=True)
        return next(((way.type, resolved.document) for way, resolved in ways if way.generates), None)

    @property
    def had_secret(self) -> bool:
        """Whether this endpoint once had a secret, as far as its status tells."""
        return bool((self.observed.manifest.get("status") or {}).get("secretName"))


Check = Callable[[Case], Finding | None]


def first(checks: Iterable[Check], case: Case) -> Finding | None:
    """Return the first finding of ``checks``."""
    return next((finding for check in checks if (finding := check(case)) is not None), None)


def _refused(reason: str, message: str) -> Finding:
    return Finding(condition=ConditionType.ACCEPTED, reason=reason, message=message, serve=Serve.CLOSED)


def _unresolved(reason: str, message: str, *, terminal: bool, serve: Serve) -> Finding:
    return Finding(
        condition=ConditionType.RESOLVED_REFS, reason=reason, message=message, terminal=terminal, serve=serve
    )


def type_is_allowed(case: Case) -> Finding | None:
    """The platform allows this way of proving who one is."""
    allowed = case.observed.config.allowed_types
    refused = next((way for way in case.endpoint.spec.auth.ways if way.type not in allowed), None)
    if refused is None:
        return None
    choice = ", ".join(sorted(allowed)) or "none at all"
    return _refused(
        "AuthTypeNotAllowed",
        f"{refused.path}.type: {refused.type} is not allowed by the platform's configuration; choose one of: {choice}",
    )


def confirmation_is_allowed(case: Case) -> Finding | None:
    """Where an endpoint wants subscriptions confirmed, the platform lets its receivers call out for that."""
    if not isinstance(case.scheme, Resolved) or case.observed.config.confirm_subscriptions:
        return None
    ways = zip(case.endpoint.spec.auth.ways, case.scheme.ways, strict=True)
    asking = next((way for way, found in ways if (found.document.get("sns") or {}).get("confirm")), None)
    if asking is None:
        return None
    return _refused(
        "ConfirmationNotAllowed",
        f"{asking.path}.{asking.type}.sns.confirm: the platform's configuration does not let receivers confirm "
        "subscriptions (auth.confirmSubscriptions); remove it, and confirm the subscription by hand",
    )


def scheme_is_known(case: Case) -> Finding | None:
    """The provider exists and, with the fields given, describes a whole scheme."""
    if isinstance(case.scheme, Unresolvable):
        return _refused(case.scheme.reason, f"{case.scheme.field}: {case.scheme.message}")
    made = case.endpoint.spec.auth.generated
    if made is not None and not case.scheme.generates:
        return _refused(
            "SecretRefRequired",
            f"{made.path}.secret.ref: this provider issues the secret itself; put it into a Secret labelled "
            'hookgate.dev/webhook: "true" and name it here',
        )
    return None


def replay_is_possible(case: Case) -> Finding | None:
    """The scheme has what the endpoint wants repeated calls to be recognised by."""
    policy = case.endpoint.spec.replay
    if not isinstance(case.scheme, Resolved):
        return None
    found = protection(case.scheme.document, policy.mode)
    if policy.required and not found.proves:
        return _refused(
            "ReplayNotPossible",
            "spec.replay.required: this sender's signature covers neither a timestamp nor the delivery id; set "
            "spec.replay.mode to Signature where calls are signed, or remove required",
        )
    if found is Protection.NONE and policy.mode in (ReplayMode.DELIVERY_ID, ReplayMode.SIGNATURE):
        lacking = "names no delivery id" if policy.mode is ReplayMode.DELIVERY_ID else "signs nothing"
        return _refused(
            "ReplayNotPossible",
            f"spec.replay.mode: the scheme {lacking}, so that repeated calls cannot be recognised by it; choose "
            "another mode, or describe the scheme's deliveryId",
        )
    return None


def host_is_offered(case: Case) -> Finding | None:
    """The platform offers this namespace the host it asks for, or one at all."""
    if case.host is not None:
        return None
    wanted = case.endpoint.spec.host
    if wanted:
        message = f"spec.exposure.host: {wanted} is not offered to namespace {case.endpoint.namespace}"
    elif case.binding is not None and case.binding.url is not None:
        message = (
            "spec.exposure.host: the host of this endpoint's URL is no longer offered to its namespace; the URL and "
            "the secret are kept; name another host here to get a new URL"
        )
    else:
        message = f"spec.exposure.host: the platform offers no host to namespace {case.endpoint.namespace}"
    return _refused("HostNotAllowed", f"{message}; ask the platform team, hosts are offered in its hookgate.yaml")


def url_target_is_allowed(case: Case) -> Finding | None:
    """A target outside the cluster is one that the platform allows this namespace."""
    url = case.endpoint.spec.target.url
    if url is None or case.observed.config.may_target(case.endpoint.namespace, url):
        return None
    return _refused(
        "TargetNotAllowed",
        "spec.target.url: the platform's configuration does not allow this URL for this namespace; "
        "use spec.target.service, or ask for an entry under targets.urls in hookgate.yaml",
    )


def limits_are_allowed(case: Case) -> Finding | None:
    """The endpoint's limits stay below the platform's."""
    config, spec = case.observed.config, case.endpoint.spec
    too_much = (
        ("maxBodyBytes", config.max_body_bytes, spec.max_body_bytes > config.max_body_bytes),
        ("rate", config.rate, spec.rate is not None and config.rate is not None and spec.rate.exceeds(config.rate)),
        (
            "maxInFlight",
            config.max_in_flight,
            config.max_in_flight is not None and (spec.max_in_flight or 0) > config.max_in_flight,
        ),
    )
    found = next(((name, ceiling) for name, ceiling, exceeded in too_much if exceeded), None)
    if found is None:
        return None
    return _refused("LimitNotAllowed", f"spec.limits.{found[0]}: the platform allows at most {found[1]}")


def namespace_has_room(case: Case) -> Finding | None:
    """The namespace's older endpoints leave room for this one."""
    most = case.observed.config.max_endpoints
    if case.observed.elders < most:
        return None
    return _refused(
        "TooManyEndpoints",
        f"metadata.namespace: {case.endpoint.namespace} already has the {most} endpoints that the platform allows; "
        "delete one, or ask for more",
    )


def open_url_stays_unshown(case: Case) -> Finding | None:
    """Without authentication the URL is the only secret, so no object of its own may show it."""
    if case.endpoint.spec.auth.type is not AuthType.NONE:
        return None
    if case.host is None or case.host.exposure is Exposure.NONE or case.observed.config.shared_routes:
        return None
    return _refused(
        "ExposureNotAllowed",
        "spec.auth.type: none needs a host whose routes do not show single paths (exposure.granularity: shared, or the "
        "host's exposure: none, in hookgate.yaml); on this host the URL would stand in a route object",
    )


def secret_name_is_free(case: Case) -> Finding | None:
    """The connection Secret's name belongs to nobody else."""
    found = case.connection
    if found is None or belongs_to(found, case.endpoint.uid) or case.adopts:
        return None
    return _unresolved(
        "SecretNameTaken",
        f"spec.secretName: a Secret named {case.endpoint.spec.secret_name} exists and is not this endpoint's; "
        "choose another name, or delete that Secret if nobody needs it",
        terminal=True,
        serve=Serve.AS_DECLARED,
    )


def secret_is_not_lost(case: Case) -> Finding | None:
    """A secret that was generated is still known, here or in the connection Secret."""
    if not case.generates or case.binding is not None or not case.had_secret or isinstance(case.scheme, Unresolvable):
        return None
    if recoverable(case) or keyring.rotation_due(case.endpoint, rotation_seen_in_status(case)):
        return None
    return _unresolved(
        "SecretLost",
        "spec.auth.secret.rotate: both the binding and the connection Secret are gone, so the secret is lost; restore "
        "one of them, or set a new value here to have a new secret and URL made",
        terminal=True,
        serve=Serve.UNAVAILABLE,
    )


def binding_is_readable(case: Case) -> Finding | None:
    """The binding Secret is one that this version can read; it is never overwritten otherwise."""
    if not case.garbled:
        return None
    return _unresolved(
        "BindingUnreadable",
        f"the binding Secret {case.endpoint.uid} in {case.observed.binding_namespace} cannot be read by this version: "
        "restore it from a backup, run a newer operator, or delete it to rebuild it from the connection Secret",
        terminal=True,
        serve=Serve.UNAVAILABLE,
    )


def secret_form_fits(case: Case) -> Finding | None:
    """A generated secret has the form that the scheme's senders expect."""
    if not case.generates or case.binding is None or not case.binding.form or isinstance(case.scheme, Unresolvable):
        return None
    if case.binding.form == case.scheme.form or keyring.rotation_due(case.endpoint, case.binding.rotated):
        return None
    return _unresolved(
        "SecretFormatMismatch",
        f"spec.auth.secret.rotate: the secret was generated as {case.binding.form}, this type or provider needs "
        f"{case.scheme.form}; set a new value here to have a new secret made",
        terminal=True,
        serve=Serve.UNAVAILABLE,
    )


def references_are_usable(case: Case) -> Finding | None:
    """Every referenced Secret exists, is labelled for us, and is usable; so are public keys and issuers' key sets."""
    if isinstance(case.scheme, Unresolvable):
        return None
    ways = zip(case.endpoint.spec.auth.ways, case.scheme.ways, strict=True)
    unusable = [u for way, scheme in ways for u in keyring.given(way, scheme.document, case.binding, case.observed)[1]]
    if not unusable:
        return None
    return _unresolved(
        unusable[0].reason,
        "; ".join(f"{u.place}: {u.problem}" for u in unusable),
        terminal=False,
        serve=Serve.AS_DECLARED,  # without any usable key the receiver answers 503 by itself
    )


def target_service_exists(case: Case) -> Finding | None:
    """The target Service exists in the endpoint's namespace, has the port, and leads nowhere else."""
    wanted = case.endpoint.spec.target.service
    if wanted is None:
        return None
    found = case.observed.service
    if found is None:
        message = f"spec.target.service.name: no Service {wanted.name} in namespace {case.endpoint.namespace}"
        return _unresolved("TargetNotFound", message, terminal=False, serve=Serve.AS_DECLARED)
    spec = found.get("spec") or {}
    if spec.get("type") == "ExternalName":
        message = f"spec.target.service.name: {wanted.name} is an ExternalName Service, which could lead anywhere"
        return _unresolved("TargetNotAllowed", message, terminal=True, serve=Serve.UNAVAILABLE)
    if all(port.get("port") != wanted.port for port in spec.get("ports") or ()):
        message = f"spec.target.service.port: Service {wanted.name} has no port {wanted.port}"
        return _unresolved("TargetNotFound", message, terminal=False, serve=Serve.AS_DECLARED)
    return None


def recoverable(case: Case) -> bool:
    """Tell whether a lost binding can be rebuilt: a secret from the connection Secret, the path from there or status.

    The status must tell that there was one. A tenant can write Secrets, owner references included, but no status: so
    nobody plants a path or a key of their choice on an endpoint that has none yet.
    """
    found = case.connection
    if not case.had_secret or isinstance(case.scheme, Unresolvable):
        return False
    if not case.generates:
        return True  # it is about the path alone
    if found is None or not owned_by(found, case.endpoint.uid):
        return False
    return bool(recovered_keys(case))


def recovered_keys(case: Case) -> tuple[Key, ...]:
    """Return the current key that the connection Secret still holds, and those that were within their overlap."""
    made, observed = case.generating, case.observed
    if made is None or case.connection is None:
        return ()
    kind, document = made
    first = keyring.recovered(case.connection, kind, document, observed.fresh, observed.now)
    told = (observed.manifest.get("status") or {}).get("keys") or ()
    older = keyring.recovered_older(case.connection, told, document, observed.fresh, observed.now)
    return (*first, *older) if first else ()


def told_secret(case: Case, binding: Binding) -> dict[str, bytes]:
    """Return how the connection Secret tells the current generated secret."""
    made = case.endpoint.spec.auth.generated
    return keyring.told(made.type, binding.generated[0].value.reveal()) if made is not None else {}


def rotation_seen_in_status(case: Case) -> dict[str, str]:
    """Return the rotation requests that the status remembers, for when the binding that knew them is lost."""
    seen = (case.observed.manifest.get("status") or {}).get("rotated") or {}
    return {str(place): str(value) for place, value in seen.items()}


#: May this be served here at all?
ACCEPTED: tuple[Check, ...] = (
    type_is_allowed,  # hmac, token, ... as the platform says
    scheme_is_known,  # the provider and its fields
    replay_is_possible,  # what is asked for, the scheme can give
    confirmation_is_allowed,
    host_is_offered,  # never another namespace's host
    url_target_is_allowed,  # services are free, URLs are granted
    limits_are_allowed,
    namespace_has_room,  # older endpoints first
    open_url_stays_unshown,  # type none
)

#: Does everything that it names exist, and may it be used?
RESOLVED: tuple[Check, ...] = (
    secret_name_is_free,  # never take over what is not ours
    binding_is_readable,  # never overwrite what we cannot read
    secret_is_not_lost,  # never invent a second secret silently
    secret_form_fits,
    references_are_usable,  # labelled, present, decodable
    target_service_exists,
)

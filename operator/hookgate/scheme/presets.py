"""Presets: named descriptors, built in or the platform's own, and how one joins the fields that a user gives.

A preset is a row of data. This module knows neither where the platform keeps its rows nor which types it allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from hookgate.model.endpoint import AuthSpec, AuthType, FieldError
from hookgate.scheme.descriptor import Descriptor, InvalidDescriptor, PartKind, SchemeType
from hookgate.scheme.generate import FORMS, default_form
from hookgate.scheme.grammar import parse
from hookgate.scheme.jwt import parse_token_rules
from hookgate.scheme.ways import ANY_OF

_ISSUED = "issued"
_MEMBERS = frozenset({"docs", "where", "verified", "secret", "scheme"})
#: Types whose credential stands at a place that somebody has to name.
_PLACED = frozenset(kind.value for kind in (SchemeType.HMAC, SchemeType.TOKEN, SchemeType.SIGNATURE))
#: Written out in every resolved document, so that a binding says all of what it means.
_HMAC_DEFAULTS: Mapping[str, Any] = {"algorithm": "sha256", "encoding": "hex", "prefix": "", "message": ["body"]}
_UNSIGNED_BODY = (
    "the body is not among the parts that are signed, so one signature would pass with any body: add the body, or, "
    "where the sender does not sign it, say so with bodyAuthenticated: false"
)
_NO_TOPICS = (
    "Name the topics whose messages count: the key of Amazon SNS signs for every account, so anybody can have messages "
    "of a topic of their own signed."
)


class InvalidPreset(ValueError):  # noqa: N818 -- the term of the configuration: an invalid preset
    """Rows of presets that break the grammar. ``errors`` is never empty; fields begin with the preset's name."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(str(e) for e in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One sender. ``scheme`` is its descriptor document; ``form`` is "" where the sender issues the secret.

    ``verified`` says that a vector published by the sender proves the row; ``docs`` is the sender's page, ``where``
    the place among its settings at which a webhook is entered.
    """

    name: str
    type: str
    scheme: Mapping[str, Any]
    form: str
    issued: bool
    docs: str = ""
    where: str = ""
    verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What authenticates an endpoint's calls. ``document`` is JSON-able and complete.

    ``form`` names the format of a generated secret and is "" where none is generated; ``header`` is the header
    parameter name, "" where the credential is in no header; ``generates`` is False where a sender issues the secret,
    which then has to be referenced, and for type none, which has no secret. Of several ways ``options`` tells each;
    form and header are then those of the way whose secret is generated.
    """

    document: Mapping[str, Any]
    form: str
    header: str
    generates: bool
    options: tuple[Resolved, ...] = ()

    @property
    def ways(self) -> tuple[Resolved, ...]:
        """What `AuthSpec.ways` came to, in the same order."""
        return self.options or (self,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolvable:
    """Why there is no descriptor: a condition's reason, a sentence with what to do, and the field at fault."""

    reason: str
    message: str
    field: str


class Presets:
    """An immutable set of presets by name."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Mapping[str, Preset]) -> None:
        self._rows = MappingProxyType(dict(sorted(rows.items())))

    @classmethod
    def builtin(cls) -> Presets:
        """Return the packaged presets, read once."""
        return _builtin()

    def with_platform(self, providers: Mapping[str, Mapping[str, Any]]) -> Presets:
        """Return these presets and the platform's own, which replace rows of the same name.

        Raises `InvalidPreset` with one error for each row at fault. The platform cannot call its rows verified.
        """
        rows, errors = dict(self._rows), []
        for name, raw in providers.items():
            row = _read(name, raw)
            if isinstance(row, FieldError):
                errors.append(row)
            elif row.verified:
                errors.append(
                    FieldError(field=f"{name}.verified", message="only built-in presets are verified; remove it")
                )
            else:
                rows[name] = row
        if errors:
            raise InvalidPreset(*errors)
        return Presets(rows)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(self._rows)

    def get(self, name: str) -> Preset | None:
        """Return the preset of that exact name."""
        return self._rows.get(name)


@cache
def _builtin() -> Presets:
    text = files("hookgate.scheme").joinpath("presets.yaml").read_text(encoding="utf-8")
    rows = {}
    for name, raw in yaml.safe_load(text).items():
        row = _read(name, raw)
        if isinstance(row, FieldError):
            raise InvalidPreset(row)
        rows[name] = row
    return Presets(rows)


def _read(name: str, raw: object) -> Preset | FieldError:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("scheme"), Mapping):
        return FieldError(field=name, message="must be an object with a scheme; give the descriptor there")
    unknown = sorted(str(m) for m in raw if m not in _MEMBERS)
    if unknown:
        return FieldError(field=f"{name}.{unknown[0]}", message=f"unknown; known: {', '.join(sorted(_MEMBERS))}")
    try:
        descriptor = parse(raw["scheme"])
    except InvalidDescriptor as error:
        return FieldError(field=f"{name}.scheme.{error.error.field}", message=error.error.message)
    if descriptor.signs and not descriptor.covers_body and raw["scheme"].get("bodyAuthenticated") is not False:
        return FieldError(field=f"{name}.scheme.message", message=_UNSIGNED_BODY)
    form = raw.get("secret", default_form(descriptor) or _ISSUED)
    if form not in (*FORMS, _ISSUED):
        return FieldError(field=f"{name}.secret", message=f"must be one of {', '.join((*FORMS, _ISSUED))}")
    return Preset(
        name=name,
        type=descriptor.type.value,
        scheme=_copied(raw["scheme"]),
        form="" if form == _ISSUED else form,
        issued=form == _ISSUED,
        docs=str(raw.get("docs", "")),
        where=str(raw.get("where", "")),
        verified=raw.get("verified") is True,
    )


def resolve(auth: AuthSpec, presets: Presets) -> Resolved | Unresolvable:
    """Join the provider's preset and the user's own fields, which win, into one complete descriptor document."""
    if auth.type is AuthType.ANY_OF:
        return _resolve_any(auth, presets)
    preset = presets.get(auth.provider) if auth.provider is not None else None
    if auth.provider is not None and preset is None:
        known = ", ".join(presets.names)
        message = f'There is no provider "{auth.provider}". Known are: {known}.'
        return Unresolvable(reason="UnknownProvider", message=message, field=f"{auth.path}.provider")
    if preset is not None and preset.type != auth.type.value:
        message = f"Provider {preset.name} is of type {preset.type}, not {auth.type}: set the type to {preset.type}."
        return Unresolvable(reason="ProviderTypeMismatch", message=message, field=f"{auth.path}.provider")
    document = _joined(auth, preset)
    if auth.type.value in _PLACED and not document.keys() & {
        "header",
        "source",
    }:
        message = (
            f"Type {auth.type} needs the header that carries the credential: set {auth.type}.header or a provider."
        )
        return Unresolvable(reason="IncompleteAuth", message=message, field=f"{auth.path}.{auth.type}.header")
    try:
        if auth.type is AuthType.JWT:
            if auth.key_set is not None:
                document["jwks"] = {"url": auth.key_set.url} if auth.key_set.url else {}
            header = parse_token_rules(document).header
            return Resolved(document=MappingProxyType(document), form="", header=header, generates=False)
        descriptor = parse(document)
    except InvalidDescriptor as error:
        field = f"{auth.path}.{auth.type}.{error.error.field}"
        return Unresolvable(reason="InvalidAuth", message=f"{error.error.message}.", field=field)
    if descriptor.signs and not descriptor.covers_body and document.get("bodyAuthenticated") is not False:
        field = f"{auth.path}.{auth.type}.message"
        return Unresolvable(reason="BodyNotSigned", message=f"{_UNSIGNED_BODY}.", field=field)
    if descriptor.has(PartKind.SNS_LINES) and descriptor.sns is None:
        return Unresolvable(reason="IncompleteAuth", message=_NO_TOPICS, field=f"{auth.path}.{auth.type}.sns.topics")
    return _resolved(document, descriptor, preset, auth)


def _resolve_any(auth: AuthSpec, presets: Presets) -> Resolved | Unresolvable:
    options = list[Resolved]()
    for way in auth.options:
        resolved = resolve(way, presets)
        if isinstance(resolved, Unresolvable):
            return resolved
        options.append(resolved)
    made = [resolved for way, resolved in zip(auth.options, options, strict=True) if way.generates]
    told = (made or options)[0]
    document = {"type": ANY_OF, "options": [dict(option.document) for option in options]}
    return Resolved(
        document=MappingProxyType(document),
        form=told.form if made else "",
        header=told.header,
        generates=bool(made) and told.generates,
        options=tuple(options),
    )


def _joined(auth: AuthSpec, preset: Preset | None) -> dict[str, Any]:
    settings = {name: _copied(value) for name, value in auth.settings.items() if value is not None}
    inherited = _copied(preset.scheme) if preset is not None else {}
    if settings.keys() & {"header", "source"}:
        inherited = {name: value for name, value in inherited.items() if name not in ("header", "source")}
    if "message" in settings:  # what the preset says about its own message
        inherited.pop("bodyAuthenticated", None)
    defaults = _HMAC_DEFAULTS if auth.type.value == SchemeType.HMAC.value else {}
    return {**defaults, **inherited, **settings, "type": str(auth.type)}


def _resolved(document: dict[str, Any], descriptor: Descriptor, preset: Preset | None, auth: AuthSpec) -> Resolved:
    # A key rule of the user's own replaces what the preset says about the secret's form.
    form = preset.form if preset is not None and "key" not in auth.settings else default_form(descriptor)
    source = descriptor.source
    header = source.headers[0] if source is not None and source.headers else ""
    return Resolved(document=MappingProxyType(document), form=form, header=header, generates=bool(form))


def _copied(value: Any) -> Any:
    """Return plain, unshared containers: a document that leaves this module changes no preset."""
    if isinstance(value, Mapping):
        return {str(name): _copied(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(member) for member in value]
    return value

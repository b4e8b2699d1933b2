"""From the text of one manifest file to the objects that it declares, and to every error in it.

Endpoints are checked as an API server checks them; Secrets as far as they are used. Other kinds are noted and left
alone, so that the files of a whole application can stand beside. No text repeats a value. This module may not know
where a text comes from: it is told a name for it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hookgate.config.document import InvalidDocument, read_documents
from hookgate.config.manifest import load_endpoint
from hookgate.control.cluster import Request
from hookgate.control.objects import encode_data
from hookgate.control.state import Record
from hookgate.model import grammar
from hookgate.model.endpoint import API_VERSION, GROUP, KIND, FieldError, InvalidSpec
from hookgate.model.parse import parse_endpoint

SECRET = "Secret"  # noqa: S105 -- the name of a kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One object that a file declares; ``where`` names file and document for people."""

    kind: str
    request: Request
    record: Record
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a file says. ``problems`` are whole sentences; while there are any, the file's silence means nothing."""

    claims: tuple[Claim, ...] = ()
    problems: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def read_manifests(text: str, *, source: str) -> Content:
    """Read the text of the file ``source``."""
    try:
        documents = read_documents(text)
    except InvalidDocument as error:
        return Content(problems=tuple(f"{source}: {each}" for each in error.errors))
    claims, problems, ignored = list[Claim](), list[str](), list[str]()
    for number, document in _objects(documents):
        where = source if len(documents) == 1 else f"{source}, document {number}"
        match _read(document, source, where):
            case Claim() as claim:
                claims.append(claim)
            case str() as kind:
                ignored.append(f"{where}: {kind}")
            case errors:
                problems += (f"{where}: {': '.join(p for p in (e.field, e.message) if p)}" for e in errors)
    return Content(claims=tuple(claims), problems=tuple(problems), ignored=tuple(ignored))


def _objects(documents: list[Any]) -> Iterator[tuple[int, Any]]:
    """Yield each object with the number of its document, those of a v1 List one by one."""
    for number, document in enumerate(documents, start=1):
        items = document.get("items") if isinstance(document, dict) and document.get("kind") == "List" else None
        for each in items if isinstance(items, list) else (document,):
            yield number, each


def _read(document: Any, source: str, where: str) -> Claim | str | tuple[FieldError, ...]:
    """Return the claim, the kind of a document that is none of ours, or the errors."""
    if not isinstance(document, dict):
        return (FieldError(field="", message="not a Kubernetes manifest; write a mapping with apiVersion and kind"),)
    version, kind = document.get("apiVersion"), document.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        missing = "kind" if isinstance(version, str) else "apiVersion"
        return (FieldError(field=missing, message="every manifest needs apiVersion and kind; add them"),)
    try:
        if kind == KIND and (version == GROUP or version.startswith(f"{GROUP}/")):
            return _claim(KIND, _endpoint(document), source, where)
        if version == API_VERSION:
            return (FieldError(field="kind", message=f"write {KIND}; there is no other kind in {API_VERSION}"),)
        if (version, kind) == ("v1", SECRET):
            return _claim(SECRET, _secret(document), source, where)
    except InvalidSpec as error:
        return error.errors
    return f"{version} {kind}"


def _claim(kind: str, manifest: Mapping[str, Any], source: str, where: str) -> Claim:
    meta = manifest["metadata"]
    request = Request(meta["namespace"], meta["name"])
    return Claim(kind=kind, request=request, record=Record(source=source, object=manifest), where=where)


def _endpoint(document: Mapping[str, Any]) -> dict[str, Any]:
    manifest = load_endpoint(document)
    manifest["metadata"].setdefault("namespace", "default")
    parse_endpoint(manifest)
    return manifest


def _secret(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Secret with its ``stringData`` joined into its ``data``. Raises `InvalidSpec`."""
    errors: list[FieldError] = []
    if "sops" in document:
        errors.append(FieldError(field="sops", message="this Secret is encrypted; decrypt it first"))
    meta = document.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    name, namespace = meta.get("name"), meta.get("namespace") or "default"
    for field, value, rule in (("name", name, grammar.SECRET_NAME), ("namespace", namespace, grammar.SERVICE_NAME)):
        if not isinstance(value, str) or rule.fault(value) is not None:
            errors.append(FieldError(field=f"metadata.{field}", message=f"write the {field} of a Secret"))
    labels = _strings(meta, "labels", errors, "metadata.")
    data = _strings(document, "data", errors)
    for key, value in data.items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            message = "not base64; encode the value, or move it to stringData as it is"
            errors.append(FieldError(field=f"data.{key}", message=message))
    plain = {key: value.encode() for key, value in _strings(document, "stringData", errors).items()}
    if errors:
        raise InvalidSpec(*errors)
    return {
        "apiVersion": "v1",
        "kind": SECRET,
        "type": str(document.get("type") or "Opaque"),
        "metadata": {"name": name, "namespace": namespace, **({"labels": labels} if labels else {})},
        "data": {**data, **encode_data(plain)},
    }


def _strings(holder: Mapping[str, Any], name: str, errors: list[FieldError], below: str = "") -> dict[str, str]:
    found = holder.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        errors.append(FieldError(field=f"{below}{name}", message="write a mapping of strings"))
        return {}
    strings = {}
    for key, value in found.items():
        if isinstance(key, str) and isinstance(value, str):
            strings[key] = value
        else:
            message = "write a string (put quotes around it if it looks like something else)"
            errors.append(FieldError(field=f"{below}{name}.{key}" if isinstance(key, str) else name, message=message))
    return strings

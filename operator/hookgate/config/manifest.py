"""The CRD as data, and manifests checked against it as an API server checks them with ``fieldValidation=Strict``.

Only shapes, sizes and defaults are judged here; the CRD's CEL rules are in `hookgate.model.parse`. The file is read
once. This module may not know where manifests come from.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, cast

import yaml

from hookgate.config.schema import faults, plain_faults
from hookgate.model.endpoint import API_VERSION, GROUP, KIND, PLURAL, VERSION, FieldError, InvalidSpec

_FILE = f"{PLURAL}.{GROUP}.yaml"
# Members of ObjectMeta that a manifest may carry because it was read from a server; none of them means anything here.
_SERVED = (
    "selfLink resourceVersion creationTimestamp deletionTimestamp deletionGracePeriodSeconds ownerReferences "
    "finalizers managedFields generateName"
)
_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z"
_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z"
_QUALIFIED = r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z"
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z"


def crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition; the caller owns the copy."""
    return copy.deepcopy(_crd())


def load_endpoint(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of ``manifest`` with the defaults filled in, ready for `hookgate.model.parse.parse_endpoint`.

    ``status`` is dropped, since it is never the writer's to give. Raises `InvalidSpec` with every error that the
    schema finds; unknown fields are errors.
    """
    wrong = plain_faults(manifest)
    if wrong:
        raise InvalidSpec(*wrong)
    if not isinstance(manifest, dict):
        raise InvalidSpec(FieldError(field="", message=f"write a {KIND} as a mapping"))
    filled = copy.deepcopy(manifest)
    _fill(_schema(), filled)
    wrong = [fault for fault in faults(_schema(), filled) if not _is_ignored(fault)]
    if wrong:
        raise InvalidSpec(*wrong)
    filled.pop("status", None)
    return filled


def _is_ignored(fault: FieldError) -> bool:
    # A server knows the fields of a status that comes with a manifest, but looks at none of their values.
    return fault.field.split(".")[0] == "status" and not fault.message.startswith("remove this field")


@cache
def _crd() -> dict[str, Any]:
    here = resources.files("hookgate.config")
    packaged = here.joinpath(_FILE)
    # In a source checkout the file stands where the users of the repository look for it.
    source = packaged if packaged.is_file() else here.joinpath("..", "..", "..", "crds", _FILE)
    return cast("dict[str, Any]", yaml.safe_load(source.read_text("utf-8")))


@cache
def _schema() -> dict[str, Any]:
    """Turn the structural schema into a JSON Schema that knows the object's envelope too and refuses unknown fields."""
    version = next(v for v in _crd()["spec"]["versions"] if v["name"] == VERSION)
    schema = _closed(version["schema"]["openAPIV3Schema"])
    schema["properties"] |= {
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": KIND},
        "metadata": _metadata_schema(),
    }
    schema["required"] = ["apiVersion", "kind", "metadata", *schema["required"]]
    return schema


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    closed = {
        k: v for k, v in schema.items() if not k.startswith("x-kubernetes-") and k not in ("format", "description")
    }
    if schema["type"] == "object" and "additionalProperties" not in schema:
        closed["properties"] = {name: _closed(each) for name, each in schema.get("properties", {}).items()}
        closed["additionalProperties"] = False
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    return closed


def _metadata_schema() -> dict[str, Any]:
    """Return what an API server demands of ObjectMeta, as far as a manifest's writer gives it."""
    strings = {"type": "object", "propertyNames": {"pattern": _QUALIFIED, "x-message": _BAD_KEY}}
    return {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "maxLength": 253, "pattern": _SUBDOMAIN, "x-message": _BAD_NAME},
            "namespace": {"type": "string", "maxLength": 63, "pattern": _LABEL, "x-message": _BAD_NAMESPACE},
            "labels": {
                **strings,
                "additionalProperties": {"type": "string", "pattern": _LABEL_VALUE, "x-message": _BAD_VALUE},
            },
            "annotations": {**strings, "additionalProperties": {"type": "string"}},
            "uid": {"type": "string"},
            "generation": {"type": "integer"},
            **{name: {} for name in _SERVED.split()},
        },
    }


_BAD_NAME = 'write a name: lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit'
_BAD_NAMESPACE = 'write a namespace: lower-case letters, digits and "-", at most 63 characters'
_BAD_KEY = 'write a key such as "team" or "example.com/team", with at most 63 characters behind the "/"'
_BAD_VALUE = 'write a label value: a string of at most 63 letters, digits, "-", "_" and "."'


def _fill(schema: Mapping[str, Any], value: Any) -> None:
    """Do to ``value`` what an API server does before it validates: drop nulls, fill in defaults."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name in [name for name in value if name in known and value[name] is None]:
            del value[name]
        for name, member in known.items():
            if "default" in member and name not in value:
                value[name] = copy.deepcopy(member["default"])
            if name in value:
                _fill(member, value[name])
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            _fill(schema["items"], item)

"""Bring what the chart shares with the rest of the repository up to date: `make chart`; with --check, say what is not.

Helm packs only what is below the folder of the chart. So the definition, the roles and the alerts lie there as copies,
and values.schema.json has the schema of hookgate.yaml inside. Standard library and PyYAML only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
MANIFESTS = ROOT / "manifests"
CHART = MANIFESTS / "chart"
COPIED = (
    ROOT / "crds" / "webhookendpoints.hookgate.dev.yaml",
    MANIFESTS / "base" / "rbac-operator.yaml",
    MANIFESTS / "base" / "rbac-classes.yaml",
    MANIFESTS / "base" / "rbac-receiver.yaml",
    MANIFESTS / "base" / "rbac-users.yaml",
    MANIFESTS / "namespaced" / "finalizers.yaml",
    MANIFESTS / "components" / "prometheus" / "monitors.yaml",
    MANIFESTS / "components" / "prometheus" / "rules.yaml",
)
SCHEMA = CHART / "values.schema.json"
_CONFIGURATION = ROOT / "operator" / "hookgate" / "config" / "schema.yaml"


def wanted() -> dict[Path, str]:
    """Every file that is made here, with its text."""
    files = {CHART / "files" / source.name: source.read_text(encoding="utf-8") for source in COPIED}
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["$defs"]["config"] = _for_helm(yaml.safe_load(_CONFIGURATION.read_text(encoding="utf-8")))
    files[SCHEMA] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return files


def _for_helm(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of hookgate.yaml for values: the chart adds what names the document, and Go has no \\Z."""
    kept = {key: value for key, value in schema.items() if key not in ("$schema", "required")}
    kept["properties"] = {
        key: value for key, value in schema["properties"].items() if key not in ("apiVersion", "kind")
    }
    result: dict[str, Any] = _translated(kept)
    return result


def _translated(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: inner.replace(r"\Z", "$") if key == "pattern" and isinstance(inner, str) else _translated(inner)
            for key, inner in value.items()
            if key != "x-message"
        }
    if isinstance(value, list):
        return [_translated(inner) for inner in value]
    return value


def main(arguments: list[str]) -> int:
    """Write what differs, or only tell of it; 1 if it was to be told and there was something."""
    stale = {
        path: text for path, text in wanted().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        print(f"{path.relative_to(ROOT)}: {'out of date, run make chart' if arguments else 'written'}")
        if not arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

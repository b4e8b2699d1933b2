"""PURE: endpoints as rows under columns, and what keeps one from being Ready. Shared by all commands that show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hookgate.control.status import ready_of
from hookgate.control.values import Object

COLUMNS = ("NAMESPACE", "NAME", "STATE", "READY", "REASON", "HEADER", "URL")


def row_of(manifest: Object) -> tuple[str, ...]:
    """Return an endpoint as a row of the table."""
    meta, status = manifest["metadata"], manifest.get("status") or {}
    ready, reason = ready_of(status)
    if meta.get("deletionTimestamp"):
        ready, reason = "False", "Deleting"
    elif status.get("observedGeneration") != meta.get("generation"):
        ready, reason = "Unknown", "Pending"
    state = str((manifest.get("spec") or {}).get("state") or "active")
    shown = (status.get("header") or "-", status.get("url") or "-")
    return (str(meta["namespace"]), str(meta["name"]), state, ready or "Unknown", reason or "Pending", *shown)


def table(rows: Iterable[Sequence[str]], columns: Sequence[str] = COLUMNS) -> str:
    """Lay rows out under their columns, two spaces apart."""
    lines = [tuple(columns), *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def why_not_ready(manifest: Object) -> str | None:
    """Return what keeps an endpoint from being Ready, None where nothing does."""
    conditions: Sequence[Mapping[str, Any]] = (manifest.get("status") or {}).get("conditions") or ()
    found = next((c for c in conditions if c.get("type") == "Ready" and c.get("status") == "False"), None)
    if found is None or manifest["metadata"].get("deletionTimestamp"):
        return None
    meta, reason = manifest["metadata"], found.get("reason")
    text = f"{meta['namespace']}/{meta['name']}: {found.get('message')}"
    service = (manifest["spec"].get("target") or {}).get("service")
    if reason == "TargetNotFound" and service:
        text += f" -- say where it runs here: --forward {meta['namespace']}/{service['name']}=http://127.0.0.1:PORT"
    return text

"""PURE: who keeps an object's declaration. What Argo CD or Flux apply, they would put back; it changes in Git."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookgate.control.objects import FIELD_MANAGER

_ARGO_ID = "argocd.argoproj.io/tracking-id"
_ARGO_LABEL = "app.kubernetes.io/instance"
_FLUX = {
    "kustomize.toolkit.fluxcd.io/name": "the Flux Kustomization",
    "helm.toolkit.fluxcd.io/name": "the Flux HelmRelease",
}


def keeper_of(manifest: Mapping[str, Any]) -> str | None:
    """Return the tool and the name of what applies this object, None where nothing does."""
    meta = manifest["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    for label, tool in _FLUX.items():
        if label in labels:
            return f"{tool} {labels[label]}"
    if _ARGO_ID in annotations:
        return f"the Argo CD application {str(annotations[_ARGO_ID]).partition(':')[0]}"
    managers = (str(entry.get("manager")) for entry in meta.get("managedFields") or ())
    # The label alone is a common one that Helm charts set too.
    if _ARGO_LABEL in labels and any(manager.startswith("argocd") for manager in managers):
        return f"the Argo CD application {labels[_ARGO_LABEL]}"
    return None


def others_annotate(manifest: Mapping[str, Any], annotation: str) -> bool:
    """Tell whether somebody else than these commands has set an annotation of this object."""
    for entry in manifest["metadata"].get("managedFields") or ():
        annotated = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {}
        if f"f:{annotation}" in annotated and entry.get("manager") != FIELD_MANAGER:
            return True
    return False

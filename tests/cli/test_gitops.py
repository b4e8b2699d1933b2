"""Who keeps an object's declaration is read from the marks that Argo CD and Flux leave."""

from __future__ import annotations

from typing import Any

import pytest

from hookgate.cli.gitops import keeper_of

ARGO = {"managedFields": [{"manager": "argocd-controller"}]}
INSTANCE = {"labels": {"app.kubernetes.io/instance": "hooks"}}


@pytest.mark.parametrize(
    ("metadata", "keeper"),
    [
        ({}, None),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "hooks:hookgate.dev/WebhookEndpoint:a/b"}},
            "the Argo CD application hooks",
        ),
        ({**INSTANCE, **ARGO}, "the Argo CD application hooks"),
        (INSTANCE, None),
        ({**INSTANCE, "managedFields": [{"manager": "helm"}]}, None),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "the Flux Kustomization apps"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "ci"}}, "the Flux HelmRelease ci"),
    ],
)
def test_the_keeper_is_named(metadata: dict[str, Any], keeper: str | None) -> None:
    """A label that Helm sets too says nothing alone."""
    assert keeper_of({"metadata": metadata}) == keeper

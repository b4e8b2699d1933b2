"""Why the operator cannot do its work, in one clear line that says what to do."""

from __future__ import annotations

from hookgate.kube.api import ApiError
from hookgate.kube.resources import WEBHOOKENDPOINTS, Resource

#: How long a refusal must last until it counts, in seconds: an API server that has just started refuses everybody.
REFUSAL_PATIENCE = 5.0


class CannotRun(Exception):  # noqa: N818 -- what it says
    """The operator cannot do its work; the text says why and what to do."""


class WrongInput(CannotRun):
    """Nor could it anywhere else: what it was given to read is missing or wrong."""


def explain(error: ApiError, resource: Resource) -> None:
    """Raise `CannotRun` for a failure that waiting does not mend; return for all others."""
    plural = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    if error.not_found and resource is WEBHOOKENDPOINTS:
        raise CannotRun(
            f"the CustomResourceDefinition {plural} is not installed; apply the folder crds, then start again"
        )
    if error.forbidden:
        raise CannotRun(
            f"no permission to list {plural} ({error}); apply the roles in manifests/base, or check which service "
            "account this runs as; for rights in some namespaces only, name them with --namespaces"
        )
    if error.status == 401:
        raise CannotRun("the API server does not accept this operator's credentials; check the token or kubeconfig")

"""The health rules that are shipped for Argo CD and Flux, run by real interpreters over statuses that Hookgate made."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import celpy
import lupa
import pytest
import yaml
from celpy.adapter import json_to_cel

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"


class Expected(NamedTuple):
    """What each tool is to say of one golden case."""

    argo: str
    flux: str


CASES = {
    "active-hmac": Expected("Healthy", "current"),
    "absent": Expected("Healthy", "current"),
    "deactivated": Expected("Suspended", "current"),
    "inactive-first": Expected("Suspended", "current"),
    "refused": Expected("Degraded", "failed"),
}


@cache
def endpoint(case: str) -> dict[str, Any]:
    """Return the WebhookEndpoint of a golden case as Hookgate left it."""
    documents = yaml.safe_load_all((GOLDEN / f"{case}.out.yaml").read_text(encoding="utf-8"))
    return next(d for d in documents if isinstance(d, dict) and d.get("kind") == "WebhookEndpoint")


def reconciling() -> dict[str, Any]:
    """Return an active endpoint that no receiver serves yet."""
    found = yaml.safe_load(yaml.safe_dump(endpoint("active-hmac")))
    for condition in found["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition |= {"status": "False", "reason": "ReceiversPending"}
    found["status"]["conditions"].append({"type": "Reconciling", "status": "True", "reason": "ReceiversPending"})
    return dict(found)


def of_another_generation() -> dict[str, Any]:
    """Return an endpoint whose newest spec has not been looked at."""
    found = yaml.safe_load(yaml.safe_dump(endpoint("active-hmac")))
    found["metadata"]["generation"] += 1
    return dict(found)


def argo(obj: dict[str, Any]) -> str:
    """Return the health status that Argo CD shows for ``obj``."""
    config = yaml.safe_load((ROOT / "manifests/gitops/argocd-cm.yaml").read_text(encoding="utf-8"))
    script = config["data"]["resource.customizations.health.hookgate.dev_WebhookEndpoint"]
    lua = lupa.LuaRuntime()
    health = lua.eval("function(obj)\n" + script + "\nend")(lua.table_from(obj, recursive=True))
    return str(health["status"])


def flux(obj: dict[str, Any]) -> str:
    """Return what Flux concludes: the first of inProgress, failed and current that holds, in its order."""
    manifest = yaml.safe_load((ROOT / "manifests/gitops/flux-healthchecks.yaml").read_text(encoding="utf-8"))
    (rules,) = manifest["spec"]["healthCheckExprs"]
    seen = {name: obj[name] for name in ("metadata", "status")}
    environment = celpy.Environment()
    for name in ("inProgress", "failed", "current"):
        program = environment.program(environment.compile(rules[name]))
        if program.evaluate({k: json_to_cel(v) for k, v in seen.items()}):
            return name
    return "inProgress"


@pytest.mark.parametrize("case", CASES)
def test_argo_cd_shows_an_endpoint_as_it_is(case: str) -> None:
    """An inactive endpoint is Suspended, a refused one Degraded, one that is as declared Healthy."""
    assert argo(endpoint(case)) == CASES[case].argo


@pytest.mark.parametrize("case", CASES)
def test_flux_waits_for_an_endpoint_and_fails_on_a_refused_one(case: str) -> None:
    """A reached state is current, whichever it is; a refused one fails at once."""
    assert flux(endpoint(case)) == CASES[case].flux


def test_both_tools_wait_while_something_may_still_come() -> None:
    """Reconciling is progress, not failure."""
    assert (argo(reconciling()), flux(reconciling())) == ("Progressing", "inProgress")


def test_both_tools_wait_for_a_change_that_was_not_looked_at() -> None:
    """A status of an older generation proves nothing."""
    assert (argo(of_another_generation()), flux(of_another_generation())) == ("Progressing", "inProgress")


def test_both_tools_wait_for_an_object_that_nobody_looked_at() -> None:
    """A new object is in progress. By the definition's default it has a status: Flux cannot judge without."""
    new = {**endpoint("active-hmac"), "status": {}}
    assert (argo(new), flux(new)) == ("Progressing", "inProgress")

"""Argo CD and Flux on a real API server: the folder of examples/gitops, applied, re-applied and pruned as they do it.

Each tool is played by what it asks the API server for: server-side apply under its own field manager, with its tracking
labels or annotations on every object, a dry run to find differences, and a search for what bears its mark and is no
longer in Git.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.team import FINALIZER, Team
from tests.gitops.test_health import argo, flux
from tests.manifests.render import ROOT, render

EXAMPLE = ROOT / "examples" / "gitops"
APPLICATION = "webhooks"
Object = dict[str, Any]


def argo_marks(obj: Object) -> Object:
    """Argo CD's annotation, and its label, which older versions go by."""
    group, _, _ = obj["apiVersion"].partition("/")
    place = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
    return {
        "annotations": {"argocd.argoproj.io/tracking-id": f"{APPLICATION}:{group}/{obj['kind']}:{place}"},
        "labels": {"app.kubernetes.io/instance": APPLICATION},
    }


def flux_marks(obj: Object) -> Object:
    """Flux's labels."""
    owner = "kustomize.toolkit.fluxcd.io"
    return {"labels": {f"{owner}/name": APPLICATION, f"{owner}/namespace": "flux-system"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One of the two: how it marks, under which name it applies, and what it concludes of an object's health."""

    manager: str
    marks: Callable[[Object], Object]
    health: Callable[[Object], str]
    well: dict[str, str]


TOOLS = {
    "argocd": Tool(
        manager="argocd-controller",
        marks=argo_marks,
        health=argo,
        well={"github-push": "Healthy", "gitlab-push": "Suspended"},
    ),
    "flux": Tool(
        manager="kustomize-controller",
        marks=flux_marks,
        health=flux,
        well={"github-push": "current", "gitlab-push": "current"},
    ),
}


@dataclass(frozen=True, slots=True)
class Repository:
    """What a tool keeps in a team's namespace as Git has it."""

    tool: Tool
    team: Team
    folder: Path

    def wanted(self) -> list[Object]:
        """What Git has, with the tool's marks."""
        found = render(self.folder)
        for obj in found:
            for kind, marks in self.tool.marks(obj).items():
                obj["metadata"][kind] = {**(obj["metadata"].get(kind) or {}), **marks}
        return found

    def apply(self, *options: str) -> list[Object]:
        """Server-side apply as the tool does it; returns the objects as the server has them afterwards."""
        done = self.team.plane.cluster.kubectl(
            *("apply", "--server-side", "--force-conflicts", f"--field-manager={self.tool.manager}", "-o", "json"),
            *(*options, "-f", "-"),
            input=yaml.safe_dump_all(self.wanted()),
        )
        read = json.loads(done.stdout)
        items: list[Object] = read["items"] if read["kind"] == "List" else [read]
        return items

    def differences(self) -> list[str]:
        """What the tool would show as out of sync: where a dry run gives another object than the one that is there."""
        return [
            obj["metadata"]["name"]
            for obj in self.apply("--dry-run=server")
            if compared(obj) != compared(self.team.get(obj["metadata"]["name"]))
        ]

    def marked(self) -> set[tuple[str, str]]:
        """Every object in the team's namespace and in ours that the tool takes for its own."""
        cluster = self.team.plane.cluster
        kinds = cluster.kubectl("api-resources", "--verbs=list,delete", "--namespaced", "-o", "name").stdout.split()
        listed: list[Object] = []
        for namespace in (self.team.namespace, "hookgate-system", "hookgate-bindings"):
            found = json.loads(cluster.kubectl("get", ",".join(kinds), f"--namespace={namespace}", "-o", "json").stdout)
            listed += found["items"]
        return {(obj["kind"], obj["metadata"]["name"]) for obj in listed if self._is_marked(obj)}

    def prune(self) -> list[str]:
        """Delete what bears the tool's mark and is no longer in Git, without waiting; returns the names."""
        kept = {(obj["kind"], obj["metadata"]["name"]) for obj in self.wanted()}
        gone = sorted(self.marked() - kept)
        for kind, name in gone:
            self.team.plane.admin.delete(kind, self.team.namespace, name)
        return [name for _, name in gone]

    def _is_marked(self, obj: Object) -> bool:
        mine = self.tool.marks({**obj, "apiVersion": "x/v1", "kind": "x"})
        return any(
            key in (obj["metadata"].get(kind) or {})
            if kind == "annotations"
            else (obj["metadata"].get(kind) or {}).get(key) == value
            for kind, marks in mine.items()
            for key, value in marks.items()
        )


def compared(obj: Object) -> Object:
    """An object without what every request changes in it."""
    metadata = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion")}
    return {**obj, "metadata": metadata}


@pytest.fixture(params=TOOLS)
def repository(request: pytest.FixtureRequest, team: Team, tmp_path: Path) -> Repository:
    """The example's folder in a team's namespace, applied once, and everything as declared."""
    tool = TOOLS[request.param]
    service = {"selector": {"app": "ci"}, "ports": [{"port": 80}]}
    place = {"name": "ci", "namespace": team.namespace}
    team.plane.admin.create({"apiVersion": "v1", "kind": "Service", "metadata": place, "spec": service})
    found = Repository(tool, team, tmp_path)
    write(tmp_path, team.namespace, "github-push.yaml", "gitlab-push.yaml")
    found.apply()
    team.ready("github-push", "Active")
    team.ready("gitlab-push", "Inactive")
    return found


def write(folder: Path, namespace: str, *files: str) -> None:
    """Lay these files of the example into the repository, and nothing else."""
    for name in files:
        (folder / name).write_text((EXAMPLE / "webhooks" / name).read_text())
    document = {"kind": "Kustomization", "namespace": namespace, "resources": list(files)}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(document))


def test_the_example_is_the_folder_that_both_tools_are_told_to_apply() -> None:
    """Its kustomization lists every endpoint, and both tools name the folder."""
    listed = yaml.safe_load((EXAMPLE / "webhooks" / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == ["github-push.yaml", "gitlab-push.yaml"]
    application = yaml.safe_load((EXAMPLE / "argocd.yaml").read_text())["spec"]
    assert application["source"]["path"] == "webhooks"
    assert "ServerSideApply=true" in application["syncPolicy"]["syncOptions"]
    _, kustomization = yaml.safe_load_all((EXAMPLE / "flux.yaml").read_text())
    assert kustomization["spec"]["path"] == "./webhooks"
    rules = yaml.safe_load((ROOT / "manifests" / "gitops" / "flux-healthchecks.yaml").read_text())["spec"]
    assert kustomization["spec"]["healthCheckExprs"] == rules["healthCheckExprs"]


def test_at_rest_there_is_no_difference(repository: Repository) -> None:
    """Neither the finalizer nor the status nor any default is a change to the tool."""
    assert repository.differences() == []


def test_a_difference_is_noticed(repository: Repository) -> None:
    """The comparison above can fail, and the tool puts back what it owns."""
    repository.team.patch("github-push", state="inactive")
    assert repository.differences() == ["github-push"]
    repository.apply()
    repository.team.ready("github-push", "Active")
    assert repository.differences() == []


def test_applying_again_changes_nothing(repository: Repository) -> None:
    """Not one version of an object is new, and the operator writes nothing."""
    plane = repository.team.plane
    plane.quiet()
    mark = plane.mark()
    before = {name: repository.team.get(name)["metadata"]["resourceVersion"] for name in repository.tool.well}
    for _ in range(3):
        repository.apply()
    after = {name: repository.team.get(name)["metadata"]["resourceVersion"] for name in repository.tool.well}
    plane.quiet()
    assert after == before
    assert [each for each in plane.writes(mark) if each.namespace == repository.team.namespace] == []


def test_nothing_that_was_generated_is_pruned(repository: Repository) -> None:
    """No Secret, binding or route bears the tool's marks: its own endpoints are all that it finds."""
    team = repository.team
    assert repository.marked() == {("WebhookEndpoint", name) for name in repository.tool.well}
    assert repository.prune() == []
    endpoint = team.get("github-push")
    assert team.connection("github-push")
    assert team.binding(endpoint) is not None
    assert team.route(endpoint) is not None


def test_its_health_is_what_was_declared(repository: Repository) -> None:
    found = {name: repository.tool.health(repository.team.get(name)) for name in repository.tool.well}
    assert found == repository.tool.well


def test_what_leaves_git_is_removed_whole_and_its_deletion_waits_for_the_operator(repository: Repository) -> None:
    """The tool sees the endpoint until nothing serves it any more: pruned is gone."""
    team, plane = repository.team, repository.team.plane
    endpoint = team.get("github-push")
    write(repository.folder, team.namespace, "gitlab-push.yaml")
    plane.operator.end(signal.SIGTERM)
    assert repository.prune() == ["github-push"]
    waiting = team.get("github-push")["metadata"]
    assert waiting["deletionTimestamp"]
    assert FINALIZER in waiting["finalizers"]
    assert team.binding(endpoint) is not None
    plane.start()
    team.gone("github-push")
    assert team.binding(endpoint) is None
    assert team.route(endpoint) is None
    plane.wait(lambda: team.secret("github-push-webhook") is None, "the connection Secret to be gone")
    assert repository.tool.health(team.get("gitlab-push")) == repository.tool.well["gitlab-push"]

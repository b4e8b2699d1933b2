"""Render kustomizations with kubectl, and pick objects out of the result.

It knows no cluster: rendering is a local computation.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import binaries

ROOT = Path(__file__).parents[2]
BASE = ROOT / "manifests" / "base"
COMPONENTS = ROOT / "manifests" / "components"

Object = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Reads what Go writes: a plain "=" is text there, and has a meaning that nobody uses in YAML 1.1."""


yaml.add_constructor("tag:yaml.org,2002:value", lambda loader, node: str(node.value), _Loader)


def documents(text: str) -> list[Object]:
    """Every object in a stream of YAML that kubectl or helm wrote."""
    return [obj for obj in yaml.load_all(text, Loader=_Loader) if obj]


@cache
def kubectl() -> str:
    """The kubectl on PATH, else the one built for the tests. Raises binaries.Unavailable."""
    return shutil.which("kubectl") or str(binaries.locate().path("kubectl"))


def render(folder: Path) -> list[Object]:
    """Every object that the kustomization in ``folder`` yields."""
    done = subprocess.run(
        [kubectl(), "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    return documents(done.stdout)


def overlay(folder: Path, *, components: Iterable[Path] = ()) -> list[Object]:
    """What an overlay in ``folder`` yields that puts ``components`` on the base."""
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(BASE, folder.resolve())],
        "components": [os.path.relpath(path, folder.resolve()) for path in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return render(folder)


def of_kind(objects: Iterable[Object], *kinds: str) -> Iterator[Object]:
    """The objects of these kinds."""
    return (obj for obj in objects if obj["kind"] in kinds)


def find(objects: Iterable[Object], kind: str, name: str, namespace: str | None = None) -> Object:
    """The one object of this kind, name and namespace. Raises ValueError where there is not exactly one."""
    (found,) = (
        obj
        for obj in of_kind(objects, kind)
        if obj["metadata"]["name"] == name and obj["metadata"].get("namespace") == namespace
    )
    return found


def pod_templates(objects: Iterable[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod that a workload among the objects would run: the workload's name and the pod's template."""
    for obj in objects:
        template = obj.get("spec", {}).get("template") if obj["kind"] != "CustomResourceDefinition" else None
        if template:
            yield f"{obj['kind']}/{obj['metadata']['name']}", template

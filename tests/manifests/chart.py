"""Render the Helm chart with a real helm, and tell how what it yields differs from what kustomize yields.

It knows no cluster: rendering is a local computation.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import binaries
from tests.manifests.render import ROOT, Object, documents

CHART = ROOT / "manifests" / "chart"
SYSTEM = "hookgate-system"

Key = tuple[str, str, str | None]


@cache
def program() -> str:
    """The helm built for the tests. Raises binaries.Unavailable."""
    return str(binaries.locate("helm").path("helm"))


def helm(*arguments: str | Path, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm with no settings but these, without a cluster unless ``kubeconfig`` names one."""
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(
            [program(), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "KUBECONFIG": str(kubeconfig or os.devnull)},
        )


def template(values: dict[str, Any] | None = None, *, namespace: str = SYSTEM, chart: Path = CHART) -> list[Object]:
    """Every object that the chart yields for these values, hooks included."""
    done = _template(json.dumps(values or {}), namespace, chart)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def refusal(values: dict[str, Any]) -> str:
    """What helm says against these values."""
    done = _template(json.dumps(values), SYSTEM, CHART)
    assert done.returncode != 0, "these values were taken"
    return done.stderr


@cache
def _template(values: str, namespace: str, chart: Path) -> subprocess.CompletedProcess[str]:
    return helm("template", "hookgate", chart, "--namespace", namespace, *as_options(json.loads(values)))


def as_options(values: dict[str, Any]) -> list[str]:
    """The values as options of helm."""
    return [part for key, value in values.items() for part in ("--set-json", f"{key}={json.dumps(value)}")]


def is_hook(obj: Object) -> bool:
    """Whether helm makes the object for a moment only."""
    return "helm.sh/hook" in (obj["metadata"].get("annotations") or {})


def by_key(objects: Iterable[Object]) -> dict[Key, Object]:
    """Objects by kind, name and namespace."""
    found: dict[Key, Object] = {}
    for obj in objects:
        key = (obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace"))
        assert key not in found, f"{key}: twice"
        found[key] = obj
    return found


def essence(obj: Object) -> Object:
    """An object without what says who installed it: helm's labels and annotations, and the layout of hookgate.yaml."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in ("labels", "annotations")}
    labels = {k: v for k, v in (obj["metadata"].get("labels") or {}).items() if not _of_the_installer(k)}
    annotations = {k: v for k, v in (obj["metadata"].get("annotations") or {}).items() if not k.startswith("helm.sh/")}
    rest = {key: value for key, value in obj.items() if key != "metadata"}
    if obj["kind"] == "ConfigMap":
        rest["data"] = {key: yaml.safe_load(text) for key, text in obj["data"].items()}
    return {"metadata": {**metadata, "labels": labels, "annotations": annotations}, **rest}


def _of_the_installer(label: str) -> bool:
    names = ("version", "instance", "managed-by")
    return label == "helm.sh/chart" or label in [f"app.kubernetes.io/{name}" for name in names]

"""CustomResourceDefinitions of other projects, taken out of their Go modules: for dry runs of objects of their kinds.

It knows nothing of pytest and starts no server.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.binaries import MODULES, Say, _digest, _go, _locked, _require_go, cache_folder, say_on_stderr

#: Folder of the go.mod that pins it -> the module, and where in it the definitions are.
SOURCES: Mapping[str, tuple[str, str]] = {
    "cert-manager": ("github.com/cert-manager/cert-manager", "deploy/crds/cert-manager.io_*.yaml"),
    "prometheus-operator": (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_*s.yaml",
    ),
}


def definitions(name: str, *, say: Say = say_on_stderr) -> Path:
    """A folder with a project's definitions. Raises binaries.Unavailable."""
    module, pattern = SOURCES[name]
    source = MODULES / name
    folder = cache_folder() / name / _digest(source, module + pattern)
    found = folder / "definitions"
    with _locked(folder, say):
        if not found.is_dir():
            _require_go(source)
            say(f"hookgate tests: downloading {module} for its CustomResourceDefinitions")
            described = json.loads(_go(source, "mod", "download", "-json", module))
            partial = folder / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            for manifest in sorted(Path(described["Dir"]).glob(pattern)):
                shutil.copyfile(manifest, partial / manifest.name)
            partial.rename(found)
    return found

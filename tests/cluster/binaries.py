"""Finds the programs that the cluster tests run, and builds them from source when it must.

Order: the folder in `KUBEBUILDER_ASSETS`, then the project's cache folder, then a build with the Go toolchain
on PATH into that cache. This module imports the standard library only, so that it also runs as a script:
`python tests/cluster/binaries.py` builds everything ahead of time and prints where it is.
It knows nothing of pytest and starts no server.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parent / "binaries"
"""One Go module per tool family: their dependencies disagree, so they cannot share one."""

OLDEST_GO = (1, 25)

VARIABLE = "HOOKGATE_TEST_KUBERNETES"
"""Which Kubernetes the tests run on: `newest` (the default) or `oldest`, the two ends of the supported range."""

Say = Callable[[str], None]


class Unavailable(Exception):  # noqa: N818 - it is an answer more than an error
    """The programs are neither there nor can they be built; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Programs that are built from one Go module, `MODULES/folder`, at the versions its go.mod pins."""

    folder: str
    version: str
    programs: Mapping[str, str]
    """File name of each program -> its Go package."""
    variables: Mapping[str, str]
    """Go variables set at link time (a program built as a module knows no version of its own)."""
    from_assets: bool = False
    """Whether a folder given by KUBEBUILDER_ASSETS may stand in for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A folder that holds every program of one family, and the version they report."""

    folder: Path
    version: str

    def path(self, program: str) -> Path:
        """Where `program` is."""
        return self.folder / program


def _reported(version: str) -> Mapping[str, str]:
    """The variables without which a Kubernetes program calls itself v0.0.0, and clients complain."""
    major, minor, _ = version.removeprefix("v").split(".")
    component = "k8s.io/component-base/version."
    return {
        component + "gitVersion": version,
        component + "gitMajor": major,
        component + "gitMinor": minor,
    }


def _kubernetes(version: str, folder: str, *, from_assets: bool = False) -> Family:
    """A control plane of a Kubernetes version."""
    return Family(
        folder=folder,
        version=version,
        programs={
            "etcd": "go.etcd.io/etcd/server/v3",
            "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
            "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
            "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        },
        variables=_reported(version),
        from_assets=from_assets,
    )


def _one(program: str, version: str, package: str, variables: Mapping[str, str] | None = None) -> Family:
    """A family of one program, in a module folder of its name."""
    return Family(folder=program, version=version, programs={program: package}, variables=variables or {})


FAMILIES: Mapping[str, Family] = {
    "kubernetes": _kubernetes("v1.35.4", "kubernetes", from_assets=True),
    "kubernetes-oldest": _kubernetes("v1.31.13", "kubernetes-oldest"),
    "node": Family(
        folder="node",
        version="v1.35.4",
        programs={
            "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
            "kubelet": "k8s.io/kubernetes/cmd/kubelet",
            "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
        },
        variables=_reported("v1.35.4"),
    ),
    "coredns": _one("coredns", "v1.15.0", "github.com/coredns/coredns"),
    # Its programs elsewhere are told their version at link time; nothing here asks for it.
    "kube-router": _one("kube-router", "v2.1.0", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"),
    "contour": _one("contour", "v1.33.8", "github.com/projectcontour/contour/cmd/contour"),
    # Its source is in its folder: a change of it needs another version, or the program in the cache stays.
    "pause": _one("pause", "v1", "."),
    "helm": _one("helm", "v4.3.1", "helm.sh/helm/v4/cmd/helm", {"helm.sh/helm/v4/internal/version.version": "v4.3.1"}),
    "actionlint": _one("actionlint", "v1.7.12", "github.com/rhysd/actionlint/cmd/actionlint"),
    "promrules": _one("promrules", "v0.316.0", "."),
}
"""To add one: a folder with go.mod, go.sum and tools.go under MODULES, and a line here."""


def say_on_stderr(line: str) -> None:
    """The default way to report progress."""
    print(line, file=sys.stderr, flush=True)


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The project's cache: `$HOOKGATE_CACHE`, else `$XDG_CACHE_HOME/hookgate`, else `~/.cache/hookgate`."""
    if own := environment.get("HOOKGATE_CACHE"):
        return Path(own).absolute()
    if shared := environment.get("XDG_CACHE_HOME"):
        return Path(shared).absolute() / "hookgate"
    return Path.home() / ".cache" / "hookgate"


def wanted_kubernetes(environment: Mapping[str, str] = os.environ) -> str:
    """The family that the environment asks for. Raises Unavailable for a word that names none."""
    names = {"newest": "kubernetes", "oldest": "kubernetes-oldest"}
    word = environment.get(VARIABLE) or "newest"
    if word not in names:
        raise Unavailable(f"{VARIABLE}={word}: say {' or '.join(names)}")
    return names[word]


def locate(name: str | None = None, *, say: Say = say_on_stderr) -> Binaries:
    """Every program of family `name` (default: the wanted Kubernetes), built now if need be (minutes, once).

    `say` gets one line before and one after each build. Raises Unavailable.
    """
    family = FAMILIES[name or wanted_kubernetes()]
    if family.from_assets and (assets := os.environ.get("KUBEBUILDER_ASSETS")):
        missing = [program for program in family.programs if not _runs(Path(assets) / program)]
        if not missing:
            return Binaries(folder=Path(assets), version=_reported_version(Path(assets) / "kube-apiserver"))
        say(f"hookgate tests: KUBEBUILDER_ASSETS={assets} lacks {', '.join(missing)}: not used")
    recipe = json.dumps([dict(family.programs), dict(family.variables)], sort_keys=True)
    folder = cache_folder() / family.folder / f"{family.version}-{_digest(MODULES / family.folder, recipe)}"
    if not all(_runs(folder / program) for program in family.programs):
        with _locked(folder, say):
            _build_missing(family, folder, say)
    return Binaries(folder=folder, version=family.version)


def gateway_crds(*, say: Say = say_on_stderr) -> Path:
    """A folder with the Gateway API's standard CustomResourceDefinitions, taken out of its Go module.

    Raises Unavailable.
    """
    return _crds("gateway-api", "sigs.k8s.io/gateway-api", "config/crd/standard/*.yaml", say)


def contour_crds(*, say: Say = say_on_stderr) -> Path:
    """A folder with Contour's own CustomResourceDefinitions, taken out of its Go module. Raises Unavailable."""
    return _crds("contour", "github.com/projectcontour/contour", "examples/contour/*-crds.yaml", say)


def _crds(source: str, module: str, pattern: str, say: Say) -> Path:
    """A folder in the cache with the files of `module` that match, at the version that MODULES/source pins."""
    folder = cache_folder() / source / _digest(MODULES / source, module)
    crds = folder / "standard"
    if not crds.is_dir():
        with _locked(folder, say):
            if not crds.is_dir():
                _require_go(MODULES / source)
                say(f"hookgate tests: downloading {module} for its CustomResourceDefinitions")
                described = json.loads(_go(MODULES / source, "mod", "download", "-json", module))
                partial = folder / "partial"
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                for manifest in sorted(Path(described["Dir"]).glob(pattern)):
                    shutil.copyfile(manifest, partial / manifest.name)
                partial.rename(crds)
    return crds


def _digest(module: Path, recipe: str) -> str:
    """Changes with the pinned versions, their checksums and the way of building."""
    digest = hashlib.sha256(recipe.encode())
    for name in ("go.mod", "go.sum"):
        digest.update((module / name).read_bytes())
    return digest.hexdigest()[:12]


def _runs(program: Path) -> bool:
    return program.is_file() and os.access(program, os.X_OK)


def _reported_version(program: Path) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.split()[-1] if done.stdout.split() else "unknown"


@contextlib.contextmanager
def _locked(folder: Path, say: Say) -> Iterator[None]:
    """One process at a time works in `folder`; the others wait and then find the work done."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"hookgate tests: waiting for another process that builds in {folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_missing(family: Family, folder: Path, say: Say) -> None:
    module = MODULES / family.folder
    missing = [program for program in family.programs if not _runs(folder / program)]
    if missing:
        _require_go(module)
    settings = " ".join(f"-X {name}={value}" for name, value in sorted(family.variables.items()))
    for position, program in enumerate(missing, start=1):
        count = f"{position}/{len(missing)}"
        say(f"hookgate tests: building {program} ({family.folder} {family.version}, {count}); minutes, once")
        began = time.monotonic()
        # A name of this process's own: a compiler orphaned by a killed run may still write to another.
        for leftover in folder.glob(f".{program}.*.partial"):
            leftover.unlink()
        partial = folder / f".{program}.{os.getpid()}.partial"
        try:
            _go(
                module,
                "build",
                "-trimpath",
                "-mod=readonly",
                f"-ldflags=-s -w {settings}",
                f"-o={partial}",
                family.programs[program],
            )
            partial.replace(folder / program)
        finally:
            partial.unlink(missing_ok=True)
        say(f"hookgate tests: built {program} in {time.monotonic() - began:.0f} s")


def _require_go(module: Path) -> None:
    """Raises Unavailable unless a Go that can build `module` is on PATH (Go may fetch a newer one of itself)."""
    oldest = ".".join(map(str, OLDEST_GO))
    if shutil.which("go") is None:
        raise Unavailable(
            f"no Go on PATH and no ready programs: install Go {oldest} or newer, or point KUBEBUILDER_ASSETS "
            "at a folder with etcd, kube-apiserver, kube-controller-manager and kubectl"
        )
    reported = _go(module, "env", "GOVERSION").strip()
    number = re.match(r"go(\d+)\.(\d+)", reported)
    if number is None or (int(number[1]), int(number[2])) < OLDEST_GO:
        raise Unavailable(f"Go on PATH is {reported}: install Go {oldest} or newer")


def _go(module: Path, *arguments: str) -> str:
    """Runs go in `module`; its standard output. Raises Unavailable with the end of what it complained of."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    done = subprocess.run(
        ["go", *arguments],
        cwd=module,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        complaint = "\n".join((done.stderr or done.stdout).splitlines()[-15:])
        raise Unavailable(f"`go {arguments[0]}` failed in {module}:\n{complaint}")
    return done.stdout


def main() -> int:
    """Builds everything the cluster tests need and prints where it is; 1 with the reason if that fails."""
    try:
        for name in FAMILIES:
            found = locate(name)
            print(f"{name} {found.version}: {found.folder}")
        print(f"gateway-api: {gateway_crds()}")
    except Unavailable as reason:
        print(f"hookgate tests: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

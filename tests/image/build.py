"""Builds the container image without any image registry: a base from Debian's packages, then the Containerfile on it.

`python -m tests.image.build FILE [NAME]` writes the image to FILE as a docker archive, which `ctr images import`,
`podman load` and `kind load image-archive` take, and prints the name that it has. The base and all layers are kept in
the cache folder of the tests. It needs root, buildah and mmdebstrap, and knows nothing of pytest or Kubernetes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hookgate import __version__
from tests.cluster.binaries import Say, Unavailable, cache_folder, say_on_stderr

ROOT = Path(__file__).parents[2]
NAME = f"localhost/hookgate:{__version__}"
SUITE, PACKAGES = "bookworm", "python3,python3-venv,ca-certificates"
BASE = f"localhost/hookgate-base:{SUITE}"
#: Where this machine keeps the authorities that it trusts; pip has to believe in them while the image is built.
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_BUILD_SECONDS = 1200
_UNITS = {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Buildah with a storage of its own below ``folder``."""

    folder: Path

    def command(self, *arguments: str | Path) -> list[str | Path]:
        """The command line of a buildah with this storage."""
        return ["buildah", "--root", self.folder / "storage", "--runroot", self.folder / "run", *arguments]

    def run(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run buildah. Raises Unavailable with the end of what it said, where it fails and ``check`` is true."""
        done = subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_SECONDS,
        )
        if check and done.returncode != 0:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise Unavailable(f"buildah {arguments[0]}: exit code {done.returncode}\n{said}")
        return done

    def has(self, image: str) -> bool:
        """Whether the storage has an image of this name."""
        return self.run("inspect", "--type=image", image, check=False).returncode == 0

    def size(self, image: str) -> int:
        """How many bytes the files of an image are, as `buildah images` tells it."""
        (found,) = json.loads(self.run("images", "--json", image).stdout)
        number, unit = str(found["size"]).split()
        return int(float(number) * _UNITS[unit])


def require_tools() -> None:
    """Raises Unavailable with what to do, unless images can be built here."""
    missing = [tool for tool in ("buildah", "mmdebstrap") if shutil.which(tool) is None]
    if missing:
        raise Unavailable(f"to build the image: apt-get install --no-install-recommends {' '.join(missing)}")
    if os.geteuid() != 0:
        raise Unavailable("to build the image: be root, for its files belong to root")


def build(*, name: str = NAME, version: str = __version__, say: Say = say_on_stderr) -> Builder:
    """Build the image from the sources as they are, and return the builder that has it. Raises Unavailable.

    ``version`` is what its label tells. Minutes the first time, seconds where nothing changed.
    """
    require_tools()
    builder = Builder(folder=cache_folder() / "image")
    with _locked(builder.folder):
        if not builder.has(BASE):
            _make_base(builder, say)
        say(f"hookgate tests: building the image {name}; minutes, once")
        builder.run(
            *("bud", "--layers", "--isolation=chroot", f"--tag={name}"),
            *(f"--build-arg={setting}" for setting in (f"BASE={BASE}", f"VERSION={version}")),
            *([f"--volume={_AUTHORITIES}:{_AUTHORITIES}:ro"] if _AUTHORITIES.exists() else []),
            *("--file", ROOT / "Containerfile", ROOT),
        )
    return builder


def export(builder: Builder, archive: Path, *, name: str = NAME) -> None:
    """Write the image to ``archive``, replacing it."""
    archive.unlink(missing_ok=True)
    with _locked(builder.folder):
        builder.run("push", "--quiet", name, f"docker-archive:{archive.absolute()}:{name}")


def _make_base(builder: Builder, say: Say) -> None:
    say(f"hookgate tests: making a base image of Debian {SUITE}; half a minute, once")
    archive = builder.folder / "base.tar"
    made = subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(archive)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_BUILD_SECONDS,
    )
    if made.returncode != 0:
        raise Unavailable(f"mmdebstrap: exit code {made.returncode}\n{made.stderr[-2000:]}")
    container = builder.run("from", "scratch").stdout.strip()
    try:
        builder.run("add", "--quiet", container, archive, "/")
        builder.run("commit", "--quiet", container, BASE)
    finally:
        builder.run("rm", container, check=False)
        archive.unlink()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time works on the storage."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    """Build, write the archive, print the image's name; 1 with the reason if that fails, 2 for wrong usage."""
    if not 1 <= len(arguments) <= 2:
        print("usage: python -m tests.image.build FILE [NAME]", file=sys.stderr)
        return 2
    name = arguments[1] if len(arguments) == 2 else NAME
    try:
        export(build(name=name), Path(arguments[0]), name=name)
    except Unavailable as reason:
        print(f"hookgate tests: {reason}", file=sys.stderr)
        return 1
    print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

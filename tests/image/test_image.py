"""The image as it is built: small, without rights, without need of a shell, and with both planes in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookgate import __version__
from tests.cluster import binaries
from tests.cluster.controlplane import ControlPlane
from tests.cluster.fixtures import refuse
from tests.cluster.plane import SYSTEM, installed, probe
from tests.cluster.processes import Server, Watchdog, free_port, wait_until
from tests.image.build import BASE, NAME, Builder

pytestmark = pytest.mark.slow

#: What the image may add to its base, in bytes.
MOST = 150_000_000
PYTHON = "/opt/hookgate/bin/python"
SHELLS = ("/bin/sh", "/bin/bash", "/bin/dash")
ANSWERS = ("--user=65532:65532", "--isolation=chroot")


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    """Ends whatever a test leaves running."""
    found = Watchdog()
    yield found
    found.close()


def configuration(image: Builder) -> dict[str, Any]:
    """What the image says about how it is to be run."""
    told = json.loads(image.run("inspect", "--type=image", NAME).stdout)
    found: dict[str, Any] = told["OCIv1"]["config"]
    return found


def inside(image: Builder, container: str, *command: str) -> str:
    """What a command prints in the container, run as the image's user."""
    done = image.run("run", *ANSWERS, container, "--", *command, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def started(
    image: Builder, container: str, log: Path, watchdog: Watchdog, arguments: list[str], *mounts: str
) -> Server:
    """The image's own program with these arguments, running as its user."""
    program = configuration(image)["Entrypoint"]
    command = image.command("run", *ANSWERS, *mounts, container, "--", *program, *arguments)
    server = Server("image", command, log=log, environment={"PATH": os.environ["PATH"]}, watchdog=watchdog)
    server.start()
    return server


def test_it_adds_little_to_its_base(image: Builder) -> None:
    added = image.size(NAME) - image.size(BASE)
    print(f"\nthe image adds {added / 1e6:.0f} MB to its base")
    assert 0 < added < MOST


def test_it_runs_without_rights_and_is_started_without_a_shell(image: Builder) -> None:
    """A number, so that Kubernetes sees that it is not root; an entry point of one word, which no shell has to read."""
    config = configuration(image)
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/opt/hookgate/bin/hookgate"]


def test_its_labels_tell_what_it_is(image: Builder) -> None:
    labels = configuration(image)["Labels"]
    prefix = "org.opencontainers.image."
    assert {f"{prefix}{each}" for each in ("title", "description", "licenses", "revision", "source")} <= labels.keys()
    assert labels[f"{prefix}version"] == __version__


def test_what_a_call_passes_through_is_compiled(image: Builder, container: str) -> None:
    code = "import hookgate.scheme.verify as v, hookgate.receiver.lean.protocol as p; print(v.__file__, p.__file__)"
    assert inside(image, container, PYTHON, "-c", code).count(".so") == 2


def test_what_builds_it_is_not_in_it(image: Builder, container: str) -> None:
    """Neither pip nor a compiler nor mypy."""
    code = (
        "import importlib.util as u, shutil as s;"
        "print([m for m in ('pip', 'setuptools', 'mypy') if u.find_spec(m)], [p for p in ('gcc', 'cc') if s.which(p)])"
    )
    assert inside(image, container, PYTHON, "-c", code).strip() == "[] []"


def test_the_receiver_runs_where_there_is_no_shell(
    image: Builder, container: str, tmp_path: Path, watchdog: Watchdog
) -> None:
    """It listens, and ends in peace when told to."""
    image.run("run", "--isolation=chroot", "--user=0:0", container, "--", "/bin/rm", *SHELLS)
    (tmp_path / "bindings").mkdir()
    public, private = free_port(), free_port()
    ports = [f"--listen=127.0.0.1:{public}", f"--private-listen=127.0.0.1:{private}", "--drain-delay=0"]
    server = started(
        *(image, container, tmp_path / "log", watchdog),
        ["receiver", "--bindings=/bindings", *ports],
        f"--volume={tmp_path / 'bindings'}:/bindings:ro",
    )
    wait_until(lambda: probe(private, "/readyz") == 200, "the receiver to be ready", needs=[server], seconds=60)
    assert probe(public, "/h/nobody-knows") == 404
    server.stop()


def test_the_operator_runs_with_the_rights_of_the_base(
    image: Builder, container: str, tmp_path: Path, watchdog: Watchdog, pytestconfig: pytest.Config
) -> None:
    """Against a real API server."""
    try:
        found = binaries.locate()
    except binaries.Unavailable as reason:
        refuse(pytestconfig, str(reason))
    with ControlPlane(tmp_path, binaries=found) as cluster:
        installed(cluster)
        kubeconfig = cluster.kubeconfig_for(SYSTEM, "hookgate-operator")
        kubeconfig.chmod(0o644)
        port = free_port()
        server = started(
            *(image, container, tmp_path / "log", watchdog),
            ["operator", "--kubeconfig=/kubeconfig", f"--health=127.0.0.1:{port}"],
            f"--volume={kubeconfig}:/kubeconfig:ro",
        )
        wait_until(lambda: probe(port, "/readyz") == 200, "the operator to be ready", needs=[server], seconds=120)
        wait_until(
            lambda: cluster.exists("lease", "hookgate-operator", f"--namespace={SYSTEM}"),
            "the operator to lead",
            needs=[server],
        )
        server.stop()

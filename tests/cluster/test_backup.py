"""`hookgate backup`, and moving to another cluster: two real control planes, and senders that notice nothing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from hookgate.cli.main import main
from tests.cluster.calls import github
from tests.cluster.controlplane import ControlPlane
from tests.cluster.plane import BARE_HOST, BINDINGS, ROOT, Plane, audited, configuration, installed
from tests.cluster.processes import free_port
from tests.cluster.target import Target
from tests.cluster.team import Object, Team

Run = Callable[..., tuple[int, str]]
ADOPT = {"hookgate.dev/adopt": "true"}


@pytest.fixture
def run(team: Team, capsys: pytest.CaptureFixture[str]) -> Run:
    """Back the team's namespace up as the administrator; returns the exit code and what was said."""

    def run(*arguments: str) -> tuple[int, str]:
        cluster = team.plane.cluster
        code = main(["backup", "-n", team.namespace, "--kubeconfig", str(cluster.admin_kubeconfig), *arguments])
        return code, capsys.readouterr().err

    return run


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, operated: Plane, target: Target) -> Iterator[Plane]:
    """Another cluster with an installation of its own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with ControlPlane(folder, binaries=operated.cluster.binaries, apiserver_flags=audited(folder)) as cluster:
        installed(cluster)
        ports = [free_port() for _ in range(3)]
        plane = Plane(folder, cluster, configuration(target.url, [ports[1]]), ports)
        try:
            plane.start()
            yield plane
        finally:
            plane.stop()


def moved(team: Team, name: str, target: Team) -> Object:
    """Declare the team's endpoint in the other cluster as it is declared here, to be adopted."""
    declared = team.get(name)["spec"]
    made = {**target.endpoint(name), "spec": declared}
    made["metadata"]["annotations"] = ADOPT
    return target.plane.admin.create(made)


def test_senders_do_not_notice_a_move_to_another_cluster(
    run: Run, team: Team, elsewhere: Plane, target: Target, tmp_path: Path
) -> None:
    """URLs and secrets are the same, older secrets within their overlap and open URLs included."""
    team.created("push")
    old = team.connection("push")["secret"]
    team.patched("push", auth={"secret": {"rotate": "1"}})
    team.created("open", auth={"type": "none"}, exposure={"host": BARE_HOST})
    team.created("idle", state="inactive")
    team.give_secret("mine", b"a value of the team's own")
    own = {"type": "hmac", "provider": "github", "secret": {"ref": {"name": "mine"}}}
    team.created("own", auth=own)
    names = ("push", "open", "idle", "own")
    told = {name: team.connection(name) for name in names}
    assert run("-o", str(tmp_path / "backup.yaml"))[0] == 0

    there = Team(elsewhere, target, team.namespace)
    elsewhere.cluster.kubectl("create", "namespace", team.namespace)
    elsewhere.cluster.kubectl("apply", "--server-side", "-f", tmp_path / "backup.yaml")
    there.give_secret("mine", b"a value of the team's own")
    for name in names:
        moved(team, name, there)
    for name in names:
        there.ready(name)
    assert {name: there.connection(name) for name in names} == told
    assert there.get("push")["status"]["url"] == team.get("push")["status"]["url"]
    url = told["push"]["url"].decode()
    for secret in (old, told["push"]["secret"]):
        assert there.call(url, b"{}", github(secret, b"{}")).status == 200
    assert there.call(url, b"{}", github(b"guessed", b"{}")).status == 401
    assert there.call(told["open"]["url"].decode(), b"{}").status == 200
    assert elsewhere.admin.list("Secret", BINDINGS, "hookgate.dev/role=retained") == []
    assert team.call(url, b"{}", github(old, b"{}")).status == 200  # the cluster that was left is as before
    for name in names:
        there.delete(name)
        there.gone(name)


def test_a_plain_apply_brings_it_back_too(
    run: Run, team: Team, elsewhere: Plane, target: Target, tmp_path: Path
) -> None:
    """What kubectl notes about an object does not disturb; without the annotation nothing is taken over."""
    team.created("push")
    assert run("-o", str(tmp_path / "backup.yaml"))[0] == 0
    there = Team(elsewhere, target, team.namespace)
    elsewhere.cluster.kubectl("create", "namespace", team.namespace)
    elsewhere.cluster.kubectl("apply", "-f", tmp_path / "backup.yaml")
    there.create("push")
    there.until("push", "Ready", "False", "SecretNameTaken")
    elsewhere.admin.merge("WebhookEndpoint", team.namespace, "push", {"metadata": {"annotations": ADOPT}})
    assert there.ready("push", "Active")["status"]["url"] == team.get("push")["status"]["url"]
    assert there.connection("push") == team.connection("push")
    there.delete("push")
    there.gone("push")


def test_an_endpoint_that_lost_everything_is_brought_back_in_its_own_cluster(
    run: Run, team: Team, tmp_path: Path
) -> None:
    """Binding and connection Secret are gone; the object is still there."""
    plane = team.plane
    endpoint = team.created("push")
    told = team.connection("push")
    assert run("-o", str(tmp_path / "backup.yaml"))[0] == 0
    plane.operator.end(signal.SIGTERM)
    plane.admin.delete("Secret", BINDINGS, endpoint["metadata"]["uid"])
    plane.admin.delete("Secret", team.namespace, "push-webhook")
    plane.start()
    team.until("push", "Ready", "False", "SecretLost")
    plane.cluster.kubectl("apply", "--server-side", "-f", tmp_path / "backup.yaml")
    plane.admin.merge("WebhookEndpoint", team.namespace, "push", {"metadata": {"annotations": ADOPT}})
    team.ready("push", "Active")
    assert team.connection("push") == told
    assert team.call(told["url"].decode(), b"{}", github(told["secret"], b"{}")).status == 200


# The file -----------------------------------------------------------------------------------------------------------


def test_the_file_is_for_its_owner_alone_and_never_an_old_one(run: Run, team: Team, tmp_path: Path) -> None:
    """It says so, too."""
    team.created("push")
    team.created("gone", state="absent")
    path = tmp_path / "backup.yaml"
    code, said = run("-o", str(path))
    assert (code, stat.S_IMODE(path.stat().st_mode)) == (0, 0o600)
    assert said == (
        "hookgate: 1 endpoint is in it, with its secret: keep it as you keep those; "
        f"without anything to keep: {team.namespace}/gone\n"
    )
    before = path.read_bytes()
    code, said = run("-o", str(path))
    assert (code, path.read_bytes()) == (2, before)
    assert "exists already" in said


def backed_up(team: Team, output: int) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a process of its own that writes to an open file."""
    command = [sys.executable, "-m", "hookgate", "backup", "-n", team.namespace]
    command += ["--kubeconfig", str(team.plane.cluster.admin_kubeconfig)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
    return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, env=environment, check=False, timeout=60)


def test_a_file_that_output_is_redirected_to_becomes_its_owners_alone(team: Team, tmp_path: Path) -> None:
    """The shell made it readable for others."""
    team.created("push")
    path = tmp_path / "backup.yaml"
    with path.open("wb") as file:
        path.chmod(0o644)
        done = backed_up(team, file.fileno())
    assert done.returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len([each for each in yaml.safe_load_all(path.read_text()) if each]) == 2


def test_a_terminal_is_refused(team: Team) -> None:
    """Secrets would stay in its scrollback."""
    master, terminal = os.openpty()
    done = backed_up(team, terminal)
    os.close(terminal)
    os.close(master)
    assert (done.returncode, b"which a terminal would show" in done.stderr) == (2, True)

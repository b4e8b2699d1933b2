"""An operator that cannot work says in one line why and what to do; one that works takes good new configurations in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.cluster.calls import github
from tests.cluster.cluster import write_kubeconfig
from tests.cluster.controlplane import ControlPlane
from tests.cluster.plane import GATEWAY_HOST, HOST, SYSTEM, Plane
from tests.cluster.team import Team, condition

Ended = Callable[[Path, Path], list[str]]
HEAD = "apiVersion: config.hookgate.dev/v1alpha1\nkind: HookgateConfiguration\n"


@pytest.fixture
def ended(plane: Plane) -> Ended:
    """Runs another operator that is to fail: all that it said, line by line, before it ended with an error."""
    numbers = itertools.count()

    def run(config: Path, kubeconfig: Path) -> list[str]:
        program = plane.operator_with(f"refused-{next(numbers)}", config, kubeconfig)
        program.log.unlink(missing_ok=True)
        program.start()
        assert program.exit_code() not in (0, None)
        return program.log.read_text().splitlines()

    return run


@pytest.fixture
def good(plane: Plane, tmp_path: Path) -> Path:
    """A hookgate.yaml without any error."""
    path = tmp_path / "hookgate.yaml"
    path.write_text(yaml.safe_dump(plane.configuration))
    return path


# Cannot work --------------------------------------------------------------------------------------------------------

#: A broken hookgate.yaml, and what the lines about it begin with after the name of the file.
BROKEN: dict[str, tuple[str, list[str]]] = {
    "syntax": ("hosts: [", ["line 1"]),
    "another-kind": ("apiVersion: v1\nkind: ConfigMap\n", ["apiVersion", "kind"]),
    "unknown-field": (HEAD + "hots: []\n", ["hots"]),
    "two-errors": (
        HEAD + "hosts:\n- {name: A, exposure: ingress}\n- {name: b.example.com, exposure: door}\n",
        ["hosts[0].name", "hosts[1].exposure"],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_configuration_is_told_by_file_and_field(
    plane: Plane, ended: Ended, tmp_path: Path, case: str
) -> None:
    """Every error at once, before anything is done."""
    text, named = BROKEN[case]
    path = tmp_path / "hookgate.yaml"
    path.write_text(text)
    said = ended(path, plane.cluster.admin_kubeconfig)
    assert [line.partition(f"{path}: ")[2][: len(name)] for line, name in zip(said, named, strict=True)] == named


def test_a_missing_configuration_is_told_by_its_name(plane: Plane, ended: Ended, tmp_path: Path) -> None:
    """The file that was asked for, and that it is not there."""
    (said,) = ended(tmp_path / "none.yaml", plane.cluster.admin_kubeconfig)
    assert str(tmp_path / "none.yaml") in said
    assert "No such file" in said


def test_without_rights_it_says_which_roles_to_apply(plane: Plane, ended: Ended, good: Path) -> None:
    """The receiver's account stands for one that may not do an operator's work."""
    (said,) = ended(good, plane.cluster.kubeconfig_for(SYSTEM, "hookgate-receiver"))
    assert "webhookendpoints.hookgate.dev" in said
    assert "manifests/base" in said


def test_without_credentials_that_count_it_says_so(plane: Plane, ended: Ended, good: Path, tmp_path: Path) -> None:
    """A token that the API server does not know."""
    cluster = plane.cluster
    other = write_kubeconfig(tmp_path / "kubeconfig", server=cluster.url, ca=cluster.ca_file.read_bytes(), token="x")
    (said,) = ended(good, other)
    assert "credentials" in said
    assert "token" in said


def test_without_a_kubeconfig_it_names_the_file(ended: Ended, good: Path, tmp_path: Path) -> None:
    """The one that was asked for."""
    (said,) = ended(good, tmp_path / "none")
    assert str(tmp_path / "none") in said


@pytest.fixture
def bare_server(plane: Plane) -> Iterator[ControlPlane]:
    """An API server on which nothing of ours is installed."""
    with ControlPlane(binaries=plane.cluster.binaries, controller_manager=False) as cluster:
        yield cluster


def test_without_the_definition_of_endpoints_it_says_what_to_install(
    bare_server: ControlPlane, ended: Ended, good: Path
) -> None:
    """The folder that has it."""
    (said,) = ended(good, bare_server.admin_kubeconfig)
    assert "webhookendpoints.hookgate.dev is not installed" in said
    assert "crds" in said


# Reload -------------------------------------------------------------------------------------------------------------


def serves(team: Team, name: str) -> bool:
    """Whether a call signed with the endpoint's secret gets through."""
    told = team.connection(name)
    return team.call(told["url"].decode(), b"{}", github(told["secret"], b"{}")).status == 200


def test_a_withdrawn_host_closes_its_endpoints_and_a_returned_one_opens_them(team: Team) -> None:
    """404 meanwhile, no route, and afterwards the same URL and secret as before. Other hosts' endpoints go on."""
    plane = team.plane
    before = team.created("push")
    team.created("other", exposure={"host": GATEWAY_HOST})
    told = team.connection("push")
    url = before["status"]["url"]

    plane.configure(plane.with_hosts(GATEWAY_HOST))
    team.until("push", "Accepted", "False", "HostNotAllowed")
    team.answers(404, url, b"{}", github(told["secret"], b"{}"))
    plane.wait(lambda: team.route(before) is None, "the Ingress to be gone")
    assert condition(team.get("push"), "Stalled")["status"] == "True"
    assert serves(team, "other")

    plane.configure(plane.configuration)
    assert team.ready("push", "Active")["status"]["url"] == url
    assert team.connection("push") == told
    assert serves(team, "push")
    assert team.route(before) is not None


def _tells_of_the_last_good_one(plane: Plane, since: int) -> bool:
    return "last good" in plane.operator_log()[since:]


def test_a_broken_new_configuration_changes_nothing_and_is_told(team: Team) -> None:
    """The last good one stays in force, for what exists and for what is new, until a good one comes."""
    plane = team.plane
    team.created("push")
    pid = plane.operator.pid
    for i, broken in enumerate(["hosts: [", HEAD + "hots: []\n", ""]):
        before = len(plane.operator_log())
        plane.configure(broken)
        told = partial(_tells_of_the_last_good_one, plane, before)
        plane.wait(told, "the operator to tell of it")
        assert str(plane.config_file) in plane.operator_log()[before:]
        assert serves(team, "push")
        team.created(f"new-{i}")
        assert serves(team, f"new-{i}")
    plane.reload(plane.with_hosts(HOST))
    team.create("late", exposure={"host": GATEWAY_HOST})
    assert team.until("late", "Accepted", "False", "HostNotAllowed")
    assert plane.operator.pid == pid


def test_what_the_platform_no_longer_allows_ends_and_comes_back(team: Team) -> None:
    """A type of authentication, a target, a number of endpoints: withdrawn, then offered again with the same URLs."""
    plane, token = team.plane, {"type": "token", "token": {"header": "X-Token"}}
    service = {"metadata": {"name": "ci", "namespace": team.namespace}, "spec": {"ports": [{"port": 80}]}}
    plane.admin.create({"apiVersion": "v1", "kind": "Service", **service})
    urls = {
        "typed": team.created("typed")["status"]["url"],
        "aimed": team.created("aimed", auth=token)["status"]["url"],
        "youngest": team.created("youngest", auth=token, target={"service": {"name": "ci", "port": 80}})["status"][
            "url"
        ],
    }
    plane.configure(
        {
            **plane.configuration,
            "auth": {"allowedTypes": ["token"]},
            "targets": {},
            "limits": {"maxEndpointsPerNamespace": 2},
        }
    )
    reasons = {"typed": "AuthTypeNotAllowed", "aimed": "TargetNotAllowed", "youngest": "TooManyEndpoints"}
    for name, reason in reasons.items():
        assert team.until(name, "Accepted", "False", reason)["status"]["url"] == urls[name]
        team.answers(404, urls[name], b"{}")
    plane.configure(plane.configuration)
    assert {name: team.ready(name, "Active")["status"]["url"] for name in urls} == urls
    assert {name: team.call(url, b"{}").status for name, url in urls.items()} == dict.fromkeys(urls, 401)

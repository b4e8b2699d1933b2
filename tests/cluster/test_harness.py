"""The cluster harness keeps its promises: a real API server, real tokens and RBAC, real outages."""

from __future__ import annotations

import gc
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.binaries import FAMILIES, Unavailable, wanted_kubernetes
from tests.cluster.cluster import Cluster, ExistingCluster
from tests.cluster.controlplane import ControlPlane
from tests.cluster.processes import Server, Watchdog, wait_until
from tests.cluster.rest import Rest
from tests.kube.pki import Authority


def config_map(name: str, **data: str) -> dict[str, object]:
    """A ConfigMap without a namespace of its own."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def owned_by(owner: dict[str, Any]) -> dict[str, object]:
    """A ConfigMap `owned` that is to go when `owner`, as read from the server, goes."""
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    reference |= {field: owner["metadata"][field] for field in ("name", "uid")}
    return config_map("owned") | {"metadata": {"name": "owned", "ownerReferences": [reference]}}


READER = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {kind: ServiceAccount, name: reader}
"""


def test_the_server_is_ready_and_of_the_version_that_the_binaries_were_built_as(process_control: ControlPlane) -> None:
    """The pinned one of the wanted end of the range, unless KUBEBUILDER_ASSETS brought another."""
    assert process_control.request("GET", "/readyz").status == 200
    assert process_control.request("GET", "/version").json()["gitVersion"] == process_control.binaries.version
    if "KUBEBUILDER_ASSETS" not in os.environ:
        assert process_control.binaries.version == FAMILIES[wanted_kubernetes()].version


def test_a_service_account_may_do_what_its_role_allows_and_nothing_else(control_plane: Cluster, namespace: str) -> None:
    """TokenRequest tokens are real identities under real RBAC."""
    control_plane.apply(READER, namespace=namespace)
    control_plane.until_allowed(f"system:serviceaccount:{namespace}:reader", "list", "configmaps", namespace)
    control_plane.apply(config_map("greeting", hello="world"), namespace=namespace)
    reader = control_plane.kubeconfig_for(namespace, "reader")

    who = control_plane.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", kubeconfig=reader)
    assert who.stdout == f"system:serviceaccount:{namespace}:reader"
    assert control_plane.get("configmap", "greeting", kubeconfig=reader)["data"] == {"hello": "world"}

    refused = control_plane.kubectl("get", "secrets", kubeconfig=reader, check=False)
    assert refused.returncode == 1
    assert "Forbidden" in refused.stderr
    assert 'cannot list resource "secrets"' in refused.stderr


def test_an_unknown_token_is_no_identity(process_control: ControlPlane) -> None:
    """Authentication is on."""
    assert process_control.request("GET", "/api/v1/namespaces", token="wrong").status == 401


def test_a_kubeconfig_may_lead_through_another_server(control_plane: Cluster, namespace: str) -> None:
    """So that a test can put a proxy in between."""
    control_plane.apply(READER, namespace=namespace)
    proxied = control_plane.kubeconfig_for(namespace, "reader", server="http://127.0.0.1:9/proxy")
    view = control_plane.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster}", kubeconfig=proxied)
    assert view.stdout == '{"server":"http://127.0.0.1:9/proxy"}'


def test_a_watch_from_before_a_compaction_and_restart_gets_410_gone(
    process_control: ControlPlane, namespace: str
) -> None:
    """The true answer, for operators that must list anew."""
    process_control.apply(config_map("early"), namespace=namespace)
    collection = f"/api/v1/namespaces/{namespace}/configmaps"
    early = process_control.request("GET", collection).json()["metadata"]["resourceVersion"]
    process_control.apply(config_map("late"), namespace=namespace)

    process_control.expire_watches()

    watch = process_control.request("GET", f"{collection}?watch=1&resourceVersion={early}&timeoutSeconds=5")
    first = watch.events()[0]
    assert (first["type"], first["object"]["code"], first["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_the_next_page_of_a_list_from_before_is_gone_too(process_control: ControlPlane, namespace: str) -> None:
    """expire_watches takes the history away from lists as well."""
    collection = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("one", "two"):
        process_control.apply(config_map(name), namespace=namespace)
    page = process_control.request("GET", f"{collection}?limit=1").json()["metadata"]
    process_control.apply(config_map("three"), namespace=namespace)

    process_control.expire_watches()

    follow = process_control.request("GET", f"{collection}?limit=1&continue={page['continue']}")
    assert follow.status == 410


def test_what_belongs_to_a_deleted_owner_is_garbage_collected(control_plane: Cluster, namespace: str) -> None:
    """ownerReferences are acted upon, and nothing else goes."""
    control_plane.apply([config_map("owner"), config_map("bystander")], namespace=namespace)
    owner = control_plane.get("configmap", "owner", f"--namespace={namespace}")
    control_plane.apply(owned_by(owner), namespace=namespace)

    control_plane.kubectl("delete", "configmap", "owner", f"--namespace={namespace}")

    there = (f"--namespace={namespace}",)
    wait_until(lambda: not control_plane.exists("configmap", "owned", *there), "the owned object to be collected")
    assert control_plane.exists("configmap", "bystander", *there)


def test_an_outage_keeps_the_data_and_the_address(process_control: ControlPlane, namespace: str) -> None:
    """stop_apiserver and start_apiserver: refused in between, everything there afterwards."""
    process_control.apply(config_map("survivor", hello="world"), namespace=namespace)
    before = process_control.get("configmap", "survivor", f"--namespace={namespace}")

    process_control.stop_apiserver(kill=True)
    with pytest.raises(OSError, match="Connection refused"):
        process_control.request("GET", "/readyz")
    process_control.start_apiserver()

    assert process_control.get("configmap", "survivor", f"--namespace={namespace}") == before


def test_a_paused_server_accepts_and_does_not_answer(process_control: ControlPlane) -> None:
    """pause_apiserver: a hang, not a refusal; resume_apiserver ends it."""
    process_control.pause_apiserver()
    with pytest.raises(OSError, match="timed out"):
        process_control.request("GET", "/readyz", seconds=0.5)
    process_control.resume_apiserver()
    assert process_control.request("GET", "/readyz").status == 200


def test_the_store_can_be_searched_for_what_must_not_be_in_it(process_control: ControlPlane, namespace: str) -> None:
    """dump_etcd shows keys and values in the clear."""
    assert b"needle-in-the-store" not in process_control.dump_etcd()
    process_control.apply(config_map("hay", value="needle-in-the-store"), namespace=namespace)
    stored = process_control.dump_etcd()
    assert b"needle-in-the-store" in stored
    assert f"/registry/configmaps/{namespace}/hay".encode() in stored


def test_kinds_of_the_gateway_api_are_served_and_garbage_collected(
    control_plane: Cluster, gateway_crds: list[str], namespace: str
) -> None:
    """install_crds returns when the kinds can be used, and the garbage collector knows them soon."""
    assert "httproutes.gateway.networking.k8s.io" in gateway_crds
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "route"},
        "spec": {"hostnames": ["example.test"]},
    }
    control_plane.apply(route, namespace=namespace)
    there = f"--namespace={namespace}"
    control_plane.apply(owned_by(control_plane.get("httproute", "route", there)), namespace=namespace)

    control_plane.kubectl("delete", "httproute", "route", there)

    collected = "the owned object to be collected"  # elsewhere than here the collector may need half a minute
    wait_until(lambda: not control_plane.exists("configmap", "owned", there), collected, seconds=60)


def test_a_cluster_named_by_a_kubeconfig_has_the_same_surface(
    process_control: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """ExistingCluster: apply, get and service-account kubeconfigs, without any process of its own."""
    cluster = ExistingCluster(tmp_path, str(process_control.admin_kubeconfig))
    assert cluster.url == process_control.url
    assert cluster.ca_file.read_bytes() == process_control.ca_file.read_bytes()
    cluster.apply(READER, namespace=namespace)
    cluster.until_allowed(f"system:serviceaccount:{namespace}:reader", "list", "configmaps", namespace)
    reader = cluster.kubeconfig_for(namespace, "reader")
    assert cluster.get("configmaps", kubeconfig=reader)["items"] == []


def test_a_control_plane_of_ones_own_leaves_nothing_behind(process_control: ControlPlane) -> None:
    """Started next to the shared one, without controllers, and gone with its folder."""
    with ControlPlane(binaries=process_control.binaries, controller_manager=False) as own:
        assert own.ready()
        assert own.url != process_control.url
    assert not own.folder.exists()
    with pytest.raises(OSError, match=r"Connection refused|No such file"):
        own.request("GET", "/readyz")


@pytest.mark.parametrize(
    ("required", "exit_code", "outcome"),
    [
        ("", 0, "1 skipped"),
        ("1", 1, "1 error"),
    ],
)
def test_without_programs_and_without_go_tests_skip_aloud_or_fail_where_a_cluster_is_required(
    required: str, exit_code: int, outcome: str, tmp_path: Path
) -> None:
    """One line on stderr with the way out; HOOKGATE_REQUIRE_CLUSTER=1 makes it a failure."""
    root = Path(__file__).parents[2]
    environment = {"PATH": str(tmp_path), "HOOKGATE_CACHE": str(tmp_path), "HOOKGATE_REQUIRE_CLUSTER": required}
    one_test = "tests/cluster/test_harness.py::test_an_unknown_token_is_no_identity"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", one_test]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert outcome in done.stdout
    assert "install Go 1.25 or newer, or point KUBEBUILDER_ASSETS" in (done.stdout if required else done.stderr)


def test_a_word_that_names_no_end_of_the_range_is_told() -> None:
    """Instead of testing on the newest and calling it the oldest."""
    assert wanted_kubernetes({}) == "kubernetes"
    assert wanted_kubernetes({"HOOKGATE_TEST_KUBERNETES": "oldest"}) == "kubernetes-oldest"
    with pytest.raises(Unavailable, match="HOOKGATE_TEST_KUBERNETES=2: say newest or oldest"):
        wanted_kubernetes({"HOOKGATE_TEST_KUBERNETES": "2"})


def test_no_server_outlives_the_process_that_started_it(tmp_path: Path) -> None:
    """Even one that is killed: the watchdog ends what it left."""
    orphan = tmp_path / "pid"
    script = (
        "import os, pathlib\n"
        "from tests.cluster.processes import Server, Watchdog\n"
        f"log = pathlib.Path({str(tmp_path / 'log')!r})\n"
        "server = Server('sleep', ['sleep', '600'], log=log, environment=os.environ, watchdog=Watchdog())\n"
        "server.start()\n"
        f"pathlib.Path({str(orphan)!r}).write_text(str(server.pid))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = str(Path(__file__).parents[2])
    died = subprocess.run([sys.executable, "-c", script], cwd=root, check=False, timeout=60)
    assert died.returncode == -9
    pid = int(orphan.read_text())
    wait_until(lambda: not alive(pid), "the orphan to be killed")


def alive(pid: int) -> bool:
    """Whether `pid` runs; a killed one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_server_that_dies_at_once_shows_its_last_words(tmp_path: Path) -> None:
    """The exception carries the end of the log."""
    watchdog = Watchdog()
    command = ["sh", "-c", "echo the reason; exit 3"]
    server = Server("brief", command, log=tmp_path / "log", environment=os.environ, watchdog=watchdog)
    server.start()
    with pytest.raises(AssertionError, match=r"(?s)brief ended while waiting for godot.*the reason"):
        wait_until(lambda: False, "godot", needs=[server])
    server.stop()
    watchdog.close()


def test_a_connection_that_is_reset_before_the_handshake_leaves_no_socket_open(tmp_path: Path) -> None:
    """As by an API server that ends at this moment; an open one would fail whichever test runs when it is found."""
    rest = Rest("https://127.0.0.1:1", str(Authority(tmp_path).ca_file), "token")
    with socket.create_server(("127.0.0.1", 0)) as server:
        calling = socket.create_connection(server.getsockname())
        called, _ = server.accept()
        called.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        called.close()
        wait_until(lambda: not _connected(calling), "the connection to be reset")
        with pytest.raises(ConnectionResetError):
            rest._context.wrap_socket(calling, server_hostname="127.0.0.1")
    gc.collect()


def _connected(connection: socket.socket) -> bool:
    try:
        connection.getpeername()
    except OSError:
        return False
    return True

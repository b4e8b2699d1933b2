"""Both ways of finding a cluster agree, keep credentials fresh, and never let one into an error."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hookgate.kube import light
from hookgate.kube.api import SECRETS, Api, ApiError, ClusterConfigError
from hookgate.kube.light import TokenFile
from hookgate.kube.place import find
from hookgate.kube.transport import HttpTransport
from tests.kube.asyncrun import run
from tests.kube.fakeserver import FakeApiServer
from tests.kube.pki import Authority

both = pytest.mark.parametrize("light_", [False, True], ids=["library", "light"])


def kubeconfig(folder: Path, server: str, user: Mapping[str, Any], **cluster: Any) -> str:
    """Write a kubeconfig (JSON is YAML) with one context; its path."""
    path = folder / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "me", "user": dict(user)}],
    }
    path.write_text(json.dumps(document))
    return str(path)


def b64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@both
def test_a_token_in_a_kubeconfig_is_sent(tmp_path: Path, light_: bool) -> None:
    """As a bearer token, also to a server behind a path prefix."""

    async def test() -> None:
        async with FakeApiServer() as server:
            server.put("a")
            path = kubeconfig(tmp_path, server.url + "/clusters/c-1/", {"token": "t0ken"})
            async with await Api.connect(kubeconfig=path, light=light_) as api:
                assert await api.get(SECRETS, "a", "ns") is not None
            assert server.seen[0].path == "/clusters/c-1/api/v1/namespaces/ns/secrets/a"
            assert server.seen[0].headers["authorization"].lower() == "bearer t0ken"
            assert server.seen[0].headers["user-agent"].startswith("hookgate/")

    run(test())


@both
@pytest.mark.parametrize("inline", [False, True], ids=["files", "data"])
def test_a_client_certificate_is_presented(tmp_path: Path, authority: Authority, light_: bool, inline: bool) -> None:
    """From files beside the kubeconfig or from data within it; the server's own certificate is checked."""

    async def test() -> None:
        certificate, key = authority.issue("me")
        user = {"client-certificate": certificate.name, "client-key": key.name}
        cluster = {"certificate-authority": authority.ca_file.name}
        if inline:
            user = {"client-certificate-data": b64(certificate), "client-key-data": b64(key)}
            cluster = {"certificate-authority-data": b64(authority.ca_file)}
        async with FakeApiServer(tls=authority.server_context(client_certificates=True)) as server:
            path = kubeconfig(tmp_path, server.url, user, **cluster)
            async with await Api.connect(kubeconfig=path, light=light_) as api:
                assert await api.get(SECRETS, "a", "ns") is None

    run(test())


@both
def test_a_server_of_another_authority_is_not_talked_to(tmp_path: Path, authority: Authority, light_: bool) -> None:
    """A certificate that does not verify is no answer, and the token was never sent."""

    async def test() -> None:
        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other")
        async with FakeApiServer(tls=authority.server_context()) as server:
            path = kubeconfig(tmp_path, server.url, {"token": "t"}, **{"certificate-authority": str(other.ca_file)})
            async with await Api.connect(kubeconfig=path, light=light_) as api:
                with pytest.raises(ApiError) as caught:
                    await api.get(SECRETS, "a", "ns")
            assert caught.value.unreachable
            assert server.seen == []

    run(test())


@both
def test_a_rotated_service_account_token_is_taken_up_after_a_401(
    tmp_path: Path, authority: Authority, light_: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refused request is sent once more with the new token, and nobody notices."""
    token = tmp_path / "token"
    token.write_text("old\n")
    service_account(monkeypatch, tmp_path)

    async def test() -> None:
        async with FakeApiServer(tls=authority.server_context(), tokens={"old"}) as server:
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
            async with await Api.connect(light=light_) as api:
                assert await api.get(SECRETS, "a", "ns") is None
                token.write_text("new\n")
                server.tokens = {"new"}
                assert await api.get(SECRETS, "a", "ns") is None
                assert [seen.headers["authorization"].split()[1] for seen in server.seen] == ["old", "old", "new"]
                watch = api.watch(SECRETS, "ns", resource_version="1", timeout_s=1)
                server.tokens = {"newer"}
                token.write_text("newer")
                server.put("b")
                assert (await anext(watch))["type"] == "ADDED"
                await watch.aclose()

    run(test())


@both
def test_a_token_that_stays_refused_is_told(
    tmp_path: Path, authority: Authority, light_: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a newer token there is no second attempt; a token file that is gone changes nothing about that."""
    (tmp_path / "token").write_text("old")
    service_account(monkeypatch, tmp_path)

    async def test() -> None:
        async with FakeApiServer(tls=authority.server_context(), tokens=set()) as server:
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
            async with await Api.connect(light=light_) as api:
                for _ in range(2):
                    with pytest.raises(ApiError) as caught:
                        await api.get(SECRETS, "a", "ns")
                    assert str(caught.value) == "get Secret ns/a: 401 Unauthorized"
                    (tmp_path / "token").unlink(missing_ok=True)
            assert len(server.seen) == 2

    run(test())


def service_account(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Pretend to be in a pod whose service account is mounted at ``folder``."""
    from kubernetes.aio.config import incluster_config

    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(folder / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(folder / "ca.crt"))
    monkeypatch.setattr(light, "in_cluster", lambda: _in_cluster(folder))


_in_cluster = light.in_cluster


def test_a_token_file_is_read_again_every_minute(tmp_path: Path) -> None:
    """Without waiting for a 401; a file that vanishes leaves the last token in force."""
    now = 0.0
    file = tmp_path / "token"
    file.write_text("one")

    async def test() -> None:
        nonlocal now
        token = TokenFile(file, clock=lambda: now)
        assert await token.authorization() == "Bearer one"
        file.write_text("two")
        now = 59.0
        assert await token.authorization() == "Bearer one"
        now = 60.0
        assert await token.authorization() == "Bearer two"
        file.unlink()
        now = 120.0
        assert await token.authorization() == "Bearer two"

    run(test())


def test_an_exec_plugin_is_run_and_run_again_after_a_401(tmp_path: Path) -> None:
    """The library's part: its credentials come from a program."""
    (tmp_path / "token").write_text("one")
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import json, pathlib\n"
        "token = pathlib.Path(__file__).with_name('token').read_text()\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
        " 'status': {'token': token}}))\n"
    )
    run_plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(plugin)],
        "interactiveMode": "Never",
    }

    async def test() -> None:
        async with FakeApiServer(tokens={"one"}) as server:
            path = kubeconfig(tmp_path, server.url, {"exec": run_plugin})
            async with await Api.connect(kubeconfig=path) as api:
                assert await api.get(SECRETS, "a", "ns") is None
                (tmp_path / "token").write_text("two")
                server.tokens = {"two"}
                assert await api.get(SECRETS, "a", "ns") is None

    run(test())


def test_the_light_way_refuses_plugins(tmp_path: Path) -> None:
    """And says so, instead of connecting as nobody."""
    path = kubeconfig(tmp_path, "https://x", {"exec": {"command": "x"}})
    with pytest.raises(ClusterConfigError, match="users: exec: plugins are not run here"):
        light.from_kubeconfig(path)


@both
@pytest.mark.parametrize(
    "damage",
    [
        {"current-context": "other"},
        {"clusters": [{"name": "here"}]},
        {"clusters": []},
        {"users": [{"name": "me", "user": {"token": "hunter2", "client-certificate-data": "!hunter2"}}]},
        {"users": [{"user": {"token": "hunter2"}}]},
        {"users": [{"name": "me", "token": "hunter2"}]},
        {"contexts": None},
    ],
)
def test_a_broken_kubeconfig_is_refused_without_its_secrets(
    tmp_path: Path, light_: bool, damage: dict[str, Any], authority: Authority
) -> None:
    """The error names the file; the traceback, as logged, holds no token."""
    cluster = {"certificate-authority": str(authority.ca_file)}
    path = kubeconfig(tmp_path, "https://127.0.0.1:1", {"token": "hunter2"}, **cluster)
    Path(path).write_text(json.dumps(json.loads(Path(path).read_text()) | damage))
    with pytest.raises(ClusterConfigError) as caught:
        run(Api.connect(kubeconfig=path, light=light_))
    assert path in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_where_the_cluster_is_looked_for(tmp_path: Path) -> None:
    """An explicit kubeconfig, then KUBECONFIG, then the pod's service account, then the home directory."""
    home = tmp_path / ".kube" / "config"
    home.parent.mkdir()
    for file in (home, tmp_path / "a", tmp_path / "b"):
        file.touch()
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOME": str(tmp_path)}
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert find(a, None, pod | {"KUBECONFIG": b}) == a
    assert find(None, None, pod | {"KUBECONFIG": b}) == b
    assert find(None, None, pod | {"KUBECONFIG": f"/missing{os.pathsep}{b}"}) == f"/missing{os.pathsep}{b}"
    assert find(None, None, pod) is None
    assert find(None, "c", pod) == str(home)
    assert find(None, None, {"HOME": str(tmp_path)}) == str(home)
    with pytest.raises(ClusterConfigError, match="no such file"):
        find(None, None, {"KUBECONFIG": "/missing"})
    with pytest.raises(ClusterConfigError, match="name a kubeconfig"):
        find(None, None, {"HOME": str(tmp_path / "nowhere")})


@pytest.mark.parametrize("module", ["api", "reflector", "lease", "events", "light", "library"])
def test_importing_does_not_load_the_library(module: str) -> None:
    """It costs tens of megabytes: only connecting through it may load it."""
    program = f"import sys, hookgate.kube.{module}; print('kubernetes' in sys.modules)"
    source = str(Path(light.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "False"


def test_a_lost_credentials_file_is_no_answer(tmp_path: Path, authority: Authority) -> None:
    """A token that could never be read is told as unreachable, not as a crash."""

    async def test() -> None:
        (tmp_path / "token").write_text("x")
        environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
        connection = light.in_cluster(tmp_path, environ)
        (tmp_path / "token").unlink()
        async with Api(HttpTransport(connection)) as api:
            with pytest.raises(ApiError) as caught:
                await api.get(SECRETS, "a", "ns")
        assert caught.value.unreachable

    run(test())

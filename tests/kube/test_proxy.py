"""A kubeconfig's cluster is reached through the proxy that the environment names, as other tools reach it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookgate.kube.api import SECRETS, Api
from tests.kube.asyncrun import run
from tests.kube.fakeserver import FakeApiServer
from tests.kube.test_connect import kubeconfig

_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, and a home without a .netrc, unless the test says otherwise."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)


async def authorization_seen(server: FakeApiServer, path: str) -> str:
    """The Authorization header of one request as it arrived at ``server``."""
    async with await Api.connect(kubeconfig=path, light=True) as api:
        await api.get(SECRETS, "a", "default")
    return server.seen[-1].headers["authorization"]


def test_a_proxy_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster's own name is never looked up here."""

    async def test() -> None:
        async with FakeApiServer() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            path = kubeconfig(tmp_path, "http://cluster.invalid:8001", {"token": "t0ken"})
            assert await authorization_seen(proxy, path) == "Bearer t0ken"
            assert proxy.seen[-1].headers["host"] == "cluster.invalid:8001"

    run(test())


@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.1:{port}", "*"])
def test_no_proxy_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    """By host, by host and port, and for all."""

    async def test() -> None:
        async with FakeApiServer() as server:
            monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:1")
            monkeypatch.setenv("NO_PROXY", exempt.format(port=server.port))
            path = kubeconfig(tmp_path, server.url, {"token": "t0ken"})
            assert await authorization_seen(server, path) == "Bearer t0ken"

    run(test())


def test_a_netrc_entry_for_the_host_changes_nothing(tmp_path: Path) -> None:
    """It belongs to other programs."""

    async def test() -> None:
        async with FakeApiServer() as server:
            netrc = tmp_path / ".netrc"
            netrc.write_text("machine 127.0.0.1 login somebody password else\n")
            netrc.chmod(0o600)
            path = kubeconfig(tmp_path, server.url, {"token": "t0ken"})
            assert await authorization_seen(server, path) == "Bearer t0ken"

    run(test())

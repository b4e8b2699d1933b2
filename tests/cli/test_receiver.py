"""`hookgate receiver` and `hookgate operator` as processes: they start with what they need, and say what they lack."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hookgate.cli.main import main
from tests.cluster.processes import free_port
from tests.compiled import SOURCE
from tests.standalone.rig import until


def test_a_receiver_serves_a_folder_of_bindings(tmp_path: Path) -> None:
    """Ready once the folder is read; an unknown path is 404; SIGTERM ends it in order."""
    public, private = free_port(), free_port()
    command = [sys.executable, "-m", "hookgate", "receiver", "--bindings", str(tmp_path), "--drain-delay", "0"]
    command += ["--listen", f"127.0.0.1:{public}", "--private-listen", f"127.0.0.1:{private}"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(SOURCE)}, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _status(private, "GET", "/readyz") == 200, "the receiver")
        assert _status(public, "POST", "/h/" + "a" * 32) == 404
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["receiver", "--bindings", "{missing}"], "--bindings {missing}: no such folder"),
        (["receiver", "--listen", "8080"], "--listen 8080: write HOST:PORT"),
        (["receiver", "--trusted-proxies", "10.0.0.0/8,x"], "--trusted-proxies x: write an IPv4 or IPv6 address"),
        (["receiver", "--trusted-hops", "1", "--trusted-proxies", "::1"], "--trusted-hops: write how many proxies"),
        (["receiver", "--trusted-hops", "0"], "--trusted-hops: write how many proxies"),
        (["receiver", "--deny-targets", "10.0.0.0/33"], "--deny-targets 10.0.0.0/33: write an IPv4 or IPv6 address"),
        (["receiver", "--proxy-protocol"], "--proxy-protocol: its header is believed only from --trusted-proxies"),
        (["receiver", "--connections-per-address", "0"], "--connections-per-address: write a number of at least 1"),
        (["receiver", "--replay-store", "redis"], "--replay-store: write redis:// or rediss:// (TLS), a host"),
        (["serve", "{folder}", "--replay-store", "redis://u:p@redis"], "--replay-store: leave user and password out"),
        (["receiver", "--replay-store-secret", "{folder}"], "--replay-store-secret: of which store?"),
        (
            ["receiver", "--replay-store", "redis://redis", "--replay-store-secret", "{missing}"],
            "--replay-store-secret {missing}: no such folder",
        ),
        (["receiver", "--kubeconfig", "{missing}"], "kubeconfig {missing}: no such file"),
        (["get", "--kubeconfig", "{missing}"], "kubeconfig {missing}: no such file"),
        (["operator", "--health", "8082"], "--health 8082: write HOST:PORT"),
        (["serve", "{folder}", "--config", "{missing}"], "--config {missing}: cannot be read"),
        (["serve", "{folder}", "--listen", "x"], "--listen x: write HOST:PORT"),
    ],
)
def test_what_is_missing_is_told_in_one_line(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, naming the option and what to do."""
    places = {"missing": str(tmp_path / "missing"), "folder": str(tmp_path)}
    assert main([each.format(**places) for each in arguments]) == 2
    assert capsys.readouterr().err.startswith(f"hookgate: {told.format(**places)}")


def test_an_operator_without_its_configuration_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and exit code 2: the input is wrong."""
    missing = str(tmp_path / "hookgate.yaml")
    assert main(["operator", "--config", missing]) == 2
    assert capsys.readouterr().err == f"hookgate: {missing}: No such file or directory\n"


@pytest.mark.parametrize(("held", "told"), [(b"hosts: [", "line 1"), (b"hosts: \xff", "not UTF-8")])
def test_an_operator_with_a_wrong_configuration_says_so(
    held: bytes, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file and the place in it, and exit code 2."""
    config = tmp_path / "hookgate.yaml"
    config.write_bytes(held)
    assert main(["operator", "--config", str(config)]) == 2
    assert capsys.readouterr().err.startswith(f"hookgate: {config}: {told}")


def test_an_operator_without_a_kubeconfig_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, too: the option names no way to a cluster."""
    monkeypatch.setenv("KUBECONFIG", "")  # the operator sets it for its own process, which here is not its own
    config, missing = tmp_path / "hookgate.yaml", tmp_path / "kubeconfig"
    config.write_text("apiVersion: config.hookgate.dev/v1alpha1\nkind: HookgateConfiguration\n")
    assert main(["operator", "--config", str(config), "--kubeconfig", str(missing)]) == 2
    assert str(missing) in capsys.readouterr().err


def _status(port: int, method: str, path: str) -> int:
    caller = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        caller.request(method, path)
        return caller.getresponse().status
    except OSError:
        return 0
    finally:
        caller.close()

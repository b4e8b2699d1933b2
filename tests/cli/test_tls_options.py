"""The options for TLS that `hookgate receiver` and `hookgate serve` share."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.main import parser
from hookgate.cli.tls import tls_files
from tests.compiled import environment
from tests.kube.pki import Authority

COMMANDS = (["receiver"], ["serve", "folder"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--tls-cert", "a"], "--tls-cert, --tls-key: give both, or neither"),
        (["--tls-key", "a"], "--tls-cert, --tls-key: give both, or neither"),
        (["--tls-client-ca", "a"], "--tls-client-ca: needs --tls-cert and --tls-key"),
        (["--tls-cert", "nowhere.crt", "--tls-key", "nowhere.key"], "nowhere.crt: cannot be read"),
    ],
)
def test_options_that_do_not_fit_together_are_told(command: list[str], given: list[str], said: str) -> None:
    with pytest.raises(Stop, match=said) as stopped:
        tls_files(parser().parse_args([*command, *given]))
    assert stopped.value.code == Exit.USAGE


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_without_options_there_is_no_tls(command: list[str]) -> None:
    assert tls_files(parser().parse_args(command)) is None


def test_serve_listens_over_tls_and_tells_urls_that_begin_with_https(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("hooks")
    (tmp_path / "hook.yaml").write_text(
        "apiVersion: hookgate.dev/v1alpha1\nkind: WebhookEndpoint\nmetadata: {name: a, namespace: b}\n"
        "spec:\n  auth: {type: hmac, provider: github}\n  target: {service: {name: c, port: 80}}\n"
    )
    command = ["serve", str(tmp_path / "hook.yaml"), "--state-dir", str(tmp_path / "state"), "--listen", "127.0.0.1:0"]
    options = ["--tls-cert", str(certificate), "--tls-key", str(key)]
    with subprocess.Popen(
        [sys.executable, "-m", "hookgate", *command, *options], stdout=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        try:
            assert process.stdout is not None
            said = next(line for line in process.stdout if line.startswith("Listening on "))
            assert said.startswith("Listening on https://127.0.0.1:")
            port = int(said.split("https://127.0.0.1:")[1].split(",")[0])
            shown = ssl.get_server_certificate(("127.0.0.1", port), ca_certs=str(authority.ca_file))
            assert "BEGIN CERTIFICATE" in shown
        finally:
            process.terminate()
            process.wait(30)


def _environment() -> dict[str, str]:
    return {**environment(), "PYTHONUNBUFFERED": "1"}

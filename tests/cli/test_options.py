"""What the command line takes, and how it says no."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.local import Address, LocalSettings, address, base_url, forwards, local_platform
from hookgate.cli.main import main, parser
from tests.compiled import SOURCE

COMMANDS = (
    *("serve", "operator", "receiver", "get", "url", "secret", "providers", "activate", "deactivate", "deconfigure"),
    *("explain", "rotate", "send", "uninstall", "status", "backup", "rbac"),
)


def test_help_lists_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """The first thing that anybody tries."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert [name for name in COMMANDS if f"\n    {name}" not in text] == []
    assert "  3  not changed" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With its exit codes."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "exit codes:" in capsys.readouterr().out


@pytest.mark.parametrize(("command", "hinted"), [("get", True), ("rbac", False)])
def test_where_nothing_is_found_only_what_could_be_local_is_hinted_at(
    command: str, hinted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hookgate serve` that has not begun yet is the commonest reason for a command in its folder to find nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    assert main([command, "push"]) == Exit.USAGE
    told = capsys.readouterr().err
    assert ("no cluster to talk to" in told, "hookgate serve" in told) == (True, hinted)


@pytest.mark.parametrize("more", [["--namespaces", "a,b"], ["--stop-operator"]])
def test_freeing_one_namespace_is_not_removing_an_installation(
    more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator goes on for the others."""
    assert main(["uninstall", "-n", "team-a", "--yes", *more]) == Exit.USAGE
    assert "-n frees the endpoints of one namespace and nothing else" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [(["--serviceaccount", "ci"], "write NAMESPACE:NAME"), (["--role", "Not A Name"], "--role: 'Not A Name'")],
)
def test_a_role_is_not_printed_for_what_is_misspelt(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any cluster is asked."""
    assert main(["rbac", "push", *options]) == Exit.USAGE
    captured = capsys.readouterr()
    assert (captured.out, told in captured.err) == ("", True)


def test_no_command_takes_a_secret_as_an_argument() -> None:
    """Arguments are seen by everybody on the machine, and kept by the shell."""
    text = parser().format_help() + str(vars(parser().parse_args(["send", "x", "--data", "-"])))
    assert [word for word in ("--secret ", "--token", "--password") if word in text] == []


@pytest.mark.parametrize(
    ("library", "command", "extra"),
    [
        ("uvicorn", ["serve", str(SOURCE)], "all"),
        ("uvloop", ["receiver"], "receiver"),
        ("aiohttp", ["get", "--context", "x"], "operator"),
        ("kubernetes", ["get", "--context", "x", "--kubeconfig", __file__], "operator"),
        ("aiohttp", ["operator"], "operator"),
    ],
)
def test_a_missing_library_is_told_with_the_extra_to_install(library: str, command: list[str], extra: str) -> None:
    """One line, and no traceback."""
    program = f"import sys; sys.modules[{library!r}] = None\nfrom hookgate.cli.main import main\nsys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, *command],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (
        2,
        f"hookgate: {command[0]} needs {library}, which is not installed: pip install 'hookgate[{extra}]'\n",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Address(host="127.0.0.1", port=8080)),
        ("localhost:0", Address(host="localhost", port=0)),
        ("[::1]:8080", Address(host="::1", port=8080)),
    ],
)
def test_an_address_is_host_and_port(text: str, expected: Address) -> None:
    """Of either family."""
    assert address("--listen", text) == expected


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda text: address("--x", text), "8080"),
        (lambda text: address("--x", text), ":8080"),
        (lambda text: address("--x", text), "host:http"),
        (lambda text: address("--x", text), "host:65536"),
        (lambda text: base_url("--x", text), "hooks.example.com"),
        (lambda text: base_url("--x", text), "ftp://hooks.example.com"),
        (lambda text: base_url("--x", text), "https://hooks.example.com/path"),
        (lambda text: base_url("--x", text), "https://me@hooks.example.com"),
        (lambda text: base_url("--x", text), "https://hooks.example.com:port"),
        (lambda text: forwards([text]), "ci=http://127.0.0.1"),
        (lambda text: forwards([text]), "default/ci"),
        (lambda text: forwards([text]), "default/CI=http://127.0.0.1"),
        (lambda text: forwards([text]), "default/ci=127.0.0.1:80"),
        (lambda text: forwards([text]), "default/ci=http://127.0.0.1/?a=b"),
        (lambda text: forwards([text, text]), "default/ci=http://127.0.0.1"),
    ],
)
def test_a_bad_option_is_told_with_its_name_and_the_right_form(read: Callable[[str], object], text: str) -> None:
    """Exit code 2, as for every wrong usage."""
    with pytest.raises(Stop, match=r"^--(x|forward) ?") as raised:
        read(text)
    assert raised.value.code is Exit.USAGE


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080", "https://hooks.example.com", "http://[::1]:8080", "https://hooks.example.com:8443"],
)
def test_without_a_file_the_platform_is_one_host_for_everybody(url: str) -> None:
    """Whatever host a manifest names, or an older URL had."""
    config = local_platform(url, any_url=False)
    assert {config.host_for("any", wanted).base_url() for wanted in (None, "other.example")} == {url}  # type: ignore[union-attr]


def test_the_default_port_is_never_written_out() -> None:
    """One URL has one spelling."""
    host = local_platform("https://hooks.example.com:443", any_url=False).host_for("any", None)
    assert host is not None
    assert host.base_url() == "https://hooks.example.com"


@pytest.mark.parametrize("allowed", [True, False])
def test_url_targets_have_to_be_allowed(allowed: bool) -> None:
    """An open forwarder is nobody's wish by default."""
    settings = LocalSettings(file=None, public_url="http://localhost", any_url=allowed)
    assert settings.current().config.may_target("default", "http://127.0.0.1:3000/x") is allowed


def test_an_address_for_all_interfaces_is_reached_on_this_machine() -> None:
    """Nobody calls 0.0.0.0."""
    assert address("--listen", "0.0.0.0:80").url(80) == "http://127.0.0.1:80"
    assert address("--listen", "[::]:80").url(8080) == "http://[::1]:8080"


@pytest.mark.parametrize("option", [["--public-url", "http://x"], ["--allow-url-targets"]])
def test_a_configuration_excludes_the_options_that_stand_for_one(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two places for one decision would be a trap."""
    assert main(["serve", str(SOURCE), "--config", "x", *option]) == 2
    assert capsys.readouterr().err.startswith("hookgate: --config: ")

"""`hookgate providers --markdown`: the README's table of senders is what the command prints now."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookgate.cli.main import main
from hookgate.cli.providers import markdown
from hookgate.scheme.presets import Presets

README = Path(__file__).parents[2] / "README.md"


def test_the_readmes_table_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """To renew it, put the command's output between the two comments."""
    assert main(["providers", "--markdown"]) == 0
    committed = README.read_text().split("<!-- senders: begin -->\n")[1].split("<!-- senders: end -->")[0]
    assert committed == capsys.readouterr().out


def test_a_row_tells_the_scheme_whose_secret_it_is_and_the_evidence() -> None:
    """Of each kind one."""
    rows = dict(line[2:-2].split(" | ", 1) for line in markdown(Presets.builtin()).splitlines())
    assert rows["github"] == (
        "HMAC-SHA256 of `body` as hex in `X-Hub-Signature-256` behind `sha256=` | generated"
        " | [its page](https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries),"
        " a published vector"
    )
    assert rows["discord"] == (
        "ed25519 of `timestamp + body` as hex in `X-Signature-Ed25519`; within 300 s | its public key"
        " | [its page](https://discord.com/developers/docs/interactions/overview)"
    )
    assert rows["zoom"].split(" | ")[:2] == [
        'HMAC-SHA256 of `"v0:" + timestamp + ":" + body` as hex in `x-zm-signature` behind `v0=`; within 300 s',
        "issued by it",
    ]


def test_what_a_platform_writes_cannot_break_the_table() -> None:
    scheme = {"type": "hmac", "header": "X-S", "message": [{"literal": "|\n"}, "body"]}
    rows = markdown(Presets({}).with_platform({"acme": {"scheme": scheme}})).splitlines()
    assert rows[2:] == [
        r'| acme | HMAC-SHA256 of `"\|\n" + body` as hex in `X-S` | generated | the platform\'s word |'.replace(
            "\\'", "'"
        )
    ]


def test_a_name_beside_markdown_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "github", "--markdown"]) == 2
    assert "--markdown" in capsys.readouterr().err

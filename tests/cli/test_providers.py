"""`hookgate providers`: what the README's table says, and what to enter where for one sender."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hookgate.cli.main import main
from hookgate.cli.providers import markdown
from hookgate.config.manifest import load_endpoint
from hookgate.model.parse import parse_endpoint
from hookgate.scheme.presets import Presets, Resolved, resolve

MANIFEST: dict[str, Any] = {
    "apiVersion": "hookgate.dev/v1alpha1",
    "kind": "WebhookEndpoint",
    "metadata": {"name": "push"},
    "spec": {"target": {"service": {"name": "ci", "port": 8080}}},
}
SECRET = "what `hookgate secret NAME` prints (the connection Secret)"
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


@pytest.mark.parametrize("name", Presets.builtin().names)
def test_one_sender_is_told_with_what_to_enter_where(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As YAML, with a `spec.auth` that an endpoint can have once its capitals are filled in."""
    assert main(["providers", name]) == 0
    told = yaml.safe_load(capsys.readouterr().out)
    preset = Presets.builtin().get(name)
    assert preset is not None
    assert told["auth"]["provider"] == told["name"] == name
    assert ("secret" in told["auth"]) is preset.issued
    text = "\n".join(told["setup"])
    assert "hookgate url NAME" in text
    assert ("hookgate secret NAME" in text) is bool(preset.form)
    assert ("auth.secret.ref" in text) is preset.issued
    auth = json.loads(json.dumps(told["auth"]).replace("REGION:ACCOUNT:TOPIC", "eu-west-1:123456789012:a"))
    if "secret" in auth:
        auth["secret"]["ref"] = {"name": "issued", "key": "secret"}
    manifest = {**MANIFEST, "spec": {**MANIFEST["spec"], "auth": auth}}
    assert isinstance(resolve(parse_endpoint(load_endpoint(manifest)).spec.auth, Presets.builtin()), Resolved)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        (
            "github",
            "At the sender: Settings > Webhooks > Add webhook: Payload URL, Secret; content type application/json.",
        ),
        ("meta", "Verify token: the key verify-token of the connection Secret."),
        (
            "event-grid",
            f"Token: append ?code= and {SECRET} to the URL.",
        ),
        (
            "alertmanager",
            f'Token, as header Authorization: "Bearer " and {SECRET}.',
        ),
        (
            "microsoft-graph",
            f"Token, which comes back in value.*.clientState: {SECRET}.",
        ),
        ("square", "The sender signs the URL that it calls: enter exactly the one above, without a query of your own."),
    ],
)
def test_what_a_sender_needs_beside_url_and_secret_is_told(
    name: str, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it stands, what comes before it, what comes back."""
    assert main(["providers", name]) == 0
    assert step in yaml.safe_load(capsys.readouterr().out)["setup"]


def test_a_sender_that_does_not_sign_the_body_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anybody believes it."""
    assert main(["providers", "mailgun"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["body"] == "not authenticated"
    assert main(["providers", "github"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["body"] == "authenticated"

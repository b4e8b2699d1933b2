"""Every sender that is known by name: `hookgate send` calls like it, and a spoiled call is refused.

Where Hookgate makes the secret, it is found by itself; where the sender issues it, `--secret-file` names it; where the
sender signs with a private key, that key is in the file and the endpoint knows the public one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hookgate.cli.main import main
from hookgate.scheme.presets import Preset, Presets
from tests.scheme.kit import SETTINGS
from tests.scheme.senders import SENDERS, SNS_MEMBERS, ed25519_key, p256_key, rsa_key
from tests.standalone.rig import Serve, endpoint, target

ALL = [found for name in Presets.builtin().names if (found := Presets.builtin().get(name)) is not None]
BODY = b'{"id": "evt_1", "type": "push"}'
#: These sign what their bodies say at certain places, or the fields of a form.
BODIES = {
    "adyen": SENDERS["adyen"]().body,
    "aws-sns": json.dumps(SNS_MEMBERS).encode(),
    "aws-sns-v1": json.dumps(SNS_MEMBERS).encode(),
    "braintree": b"bt_payload=PD94bWw%2B%0A",
    "mandrill": b"mandrill_events=%5B%5D",
    "twilio": b"From=%2B1415&Digits=12",
}
#: Endpoints that are made together: each wait of the rig is then for a few only.
AT_ONCE = 20
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(name="serve", scope="module")
def _serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """One process with an endpoint for each of them."""
    folder = tmp_path_factory.mktemp("senders")
    with target() as ci:
        serve = Serve(folder, "--forward", f"default/ci={ci.url}")
        for preset in ALL:
            (folder / f"{preset.name}.body").write_bytes(BODIES.get(preset.name, BODY))
            if not preset.form:
                (folder / f"{preset.name}.secret").write_bytes(_signing_secret(preset))
        first, *others = (ALL[at : at + AT_ONCE] for at in range(0, len(ALL), AT_ONCE))
        _declare(serve, first)
        with serve:
            for some in others:
                _declare(serve, some)
                for preset in some:
                    serve.ready(preset.name)
            yield serve


def _declare(serve: Serve, presets: list[Preset]) -> None:
    for preset in presets:
        serve.write(f"{preset.name}.yaml", yaml.safe_dump_all(_manifests(preset)))


def _manifests(preset: Preset) -> list[dict[str, Any]]:
    """The endpoint, and the Secret that it needs if none is generated."""
    made: dict[str, Any] = yaml.safe_load(endpoint(preset.name))
    made["spec"]["auth"] = {"type": preset.type, "provider": preset.name}
    if preset.name in SETTINGS:
        made["spec"]["auth"][preset.type] = {**SETTINGS[preset.name]}
    if preset.form:
        return [made]
    name = f"{preset.name}-issued"
    made["spec"]["auth"]["secret"] = {"ref": {"name": name, "key": "secret"}}
    issued = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"hookgate.dev/webhook": "true"}},
        "stringData": {"secret": SENDERS[preset.name]().secret.decode()},
    }
    return [made, issued]


def _signing_secret(preset: Preset) -> bytes:
    """What the sender signs with: the issued secret, or the private key of the public one."""
    if preset.type != "signature":
        return SENDERS[preset.name]().secret
    algorithm = preset.scheme["algorithm"]
    private = rsa_key() if algorithm.startswith("rsa") else ed25519_key() if algorithm == "ed25519" else p256_key()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _options(serve: Serve, preset: Preset) -> list[str]:
    def file(kind: str) -> str:
        return str(serve.hooks.parent / f"{preset.name}.{kind}")

    form = "sortedForm" in preset.scheme.get("message", ()) or "form" in preset.scheme.get("source", ())
    return [
        *("--data", file("body"), "--state-dir", str(serve.state)),
        *(() if preset.form else ("--secret-file", file("secret"))),
        *(("--content-type", FORM) if form else ()),
    ]


@pytest.mark.parametrize("preset", ALL, ids=[preset.name for preset in ALL])
def test_a_call_like_the_senders_is_taken_and_a_spoiled_one_refused(
    preset: Preset, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    """202 from the target, or what its sender wants to hear instead; 401 from Hookgate."""
    options = _options(serve, preset)
    taken = "200" if "successResponse" in preset.scheme else "202"
    codes = (main(["send", preset.name, *options]), main(["send", preset.name, *options, "--tamper"]))
    assert (codes, [line[:3] for line in capsys.readouterr().out.splitlines()]) == ((0, 1), [taken, "401"])


def test_a_private_key_in_a_file_is_asked_for_where_the_secret_is_public(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the endpoint knows cannot sign; the message says what can."""
    options = ["--data", str(serve.hooks.parent / "discord.body"), "--state-dir", str(serve.state)]
    assert main(["send", "discord", *options]) == 1
    assert "private key in PEM" in capsys.readouterr().err

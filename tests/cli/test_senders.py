"""Every sender whose secret Hookgate makes: `hookgate send` calls like it, and a spoiled call is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hookgate.cli.main import main
from hookgate.scheme.presets import Preset, Presets
from tests.standalone.rig import Serve, endpoint, target

_ALL = (Presets.builtin().get(name) for name in Presets.builtin().names)
GENERATED = [preset for preset in _ALL if preset is not None and preset.form]
BODY = b'{"id": "evt_1", "type": "push"}'


@pytest.fixture(name="serve", scope="module")
def _serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """One process with an endpoint for each of them."""
    folder = tmp_path_factory.mktemp("senders")
    (folder / "body").write_bytes(BODY)
    with target() as ci:
        serve = Serve(folder, "--forward", f"default/ci={ci.url}")
        serve.write("all.yaml", "---\n".join(_manifest(preset) for preset in GENERATED))
        with serve:
            for preset in GENERATED:
                serve.ready(preset.name)
            yield serve


def _manifest(preset: Preset) -> str:
    return endpoint(preset.name).replace("provider: github", f"provider: {preset.name}").replace("hmac", preset.type)


@pytest.mark.parametrize("name", [preset.name for preset in GENERATED])
def test_a_call_like_the_senders_is_taken_and_a_spoiled_one_refused(
    name: str, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    """202 from the target, 401 from Hookgate."""
    options = ["--data", str(serve.hooks.parent / "body"), "--state-dir", str(serve.state)]
    codes = (main(["send", name, *options]), main(["send", name, *options, "--tamper"]))
    assert (codes, [line[:3] for line in capsys.readouterr().out.splitlines()]) == ((0, 1), ["202", "401"])

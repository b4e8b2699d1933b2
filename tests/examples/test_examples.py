"""Every example is what it says: it validates, it can be served, and its calls get through."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from hookgate.cli.main import main
from hookgate.config.load import parse_config
from hookgate.control.manifests import read_manifests
from hookgate.scheme.presets import Presets
from tests.compiled import SOURCE
from tests.standalone.rig import Serve, target, until

EXAMPLES = Path(__file__).parents[2] / "examples"
PLATFORM = EXAMPLES / "platform" / "hookgate.yaml"
#: Folder and endpoint of every example that can be applied and served.
SERVED = (("quickstart", "github-push"), ("github-push", "github-push"), ("gitlab-token", "gitlab-push"))
EMPTY = 'secret: ""'


def folders() -> list[str]:
    """Return the name of every example."""
    return sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "__pycache__")


def test_every_example_is_tested() -> None:
    """And is told of in the list."""
    assert folders() == sorted([*(folder for folder, _ in SERVED), "platform", "gitops"])
    listed = (EXAMPLES / "README.md").read_text()
    assert [name for name in folders() if f"`{name}/`" not in listed] == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_file_is_commented(path: Path) -> None:
    """An example explains itself, from its first line on."""
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("folder", [folder for folder, _ in SERVED])
def test_every_manifest_validates(folder: str) -> None:
    """Without any problem and without a kind that is ignored."""
    for path in (EXAMPLES / folder).glob("*.yaml"):
        content = read_manifests(path.read_text(), source=path.name)
        assert (content.problems, content.ignored, len(content.claims)) == ((), (), 1)


def test_the_platforms_configuration_is_valid() -> None:
    """With its own provider, and nothing left out that it comments on."""
    config = parse_config(PLATFORM.read_text(), source=str(PLATFORM))
    assert [host.name for host in config.hosts] == ["hooks.example.com", "partners.example.com"]
    assert Presets.builtin().with_platform(config.providers).get("billing") is not None


@pytest.mark.parametrize(("folder", "name"), SERVED)
def test_every_example_is_served_and_takes_a_call(folder: str, name: str, tmp_path: Path) -> None:
    """As its README says, with a secret where it asks for one."""
    serve = _copied(folder, tmp_path)
    with target() as ci:
        serve.command += ["--forward", f"default/ci={ci.url}"]
        secret = serve.hooks / "secret.yaml"
        if secret.exists():
            assert EMPTY in secret.read_text()
            secret.write_text(secret.read_text().replace(EMPTY, 'secret: "made for this test alone"'))
        with serve:
            serve.ready(name)
            assert main(["send", name, "--data", __file__, "--state-dir", str(serve.state)]) == 0
        spec = yaml.safe_load((EXAMPLES / folder / "webhook.yaml").read_text())["spec"]
        assert [path for path, _ in ci.taken] == [spec["target"]["service"]["path"]]


def test_the_secret_that_is_left_to_fill_in_is_no_trap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands, the example accepts nothing and says what to do."""
    serve = _copied("github-push", tmp_path)
    serve.command += ["--forward", "default/ci=http://127.0.0.1:9"]
    with serve:
        assert main(["get", "--state-dir", str(serve.state)]) == 0
        assert "SecretNotUsable" in capsys.readouterr().out
        (tmp_path / "secret").write_text("anything")
        options = ["--secret-file", str(tmp_path / "secret"), "--state-dir", str(serve.state)]
        assert main(["send", "github-push", "--data", __file__, *options]) == 1
        assert capsys.readouterr().out.startswith("503 ")


def test_the_quickstart_can_be_held_to_the_platforms_rules(tmp_path: Path) -> None:
    """`serve --config` makes the URLs that the cluster would make."""
    serve = _copied("quickstart", tmp_path)
    serve.command += ["--forward", "default/ci=http://127.0.0.1:9", "--config", str(PLATFORM)]
    with serve:
        assert serve.ready("github-push")["url"].startswith("https://hooks.example.com/h/")


def test_the_demo_runs_green(tmp_path: Path) -> None:
    """Exit code 0, every row as expected, and the example's own file untouched."""
    manifest = EXAMPLES / "quickstart" / "webhook.yaml"
    before = manifest.read_bytes()
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py")],
        env={"PYTHONPATH": str(SOURCE), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("as expected") == 6
    assert done.stdout.splitlines()[-1].startswith("5 calls in ")
    assert (manifest.read_bytes(), list(tmp_path.iterdir())) == (before, [])


def test_the_demo_stays_up_on_request_and_cleans_up_on_ctrl_c(tmp_path: Path) -> None:
    """With commands to try, of which the first is tried here."""
    with (tmp_path / "out").open("wb") as out, _ctrl_c_heard():
        process = subprocess.Popen(
            [sys.executable, "-u", str(EXAMPLES / "demo.py")],
            env={"PYTHONPATH": str(SOURCE), "TMPDIR": str(tmp_path), "KEEP": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        text = until(lambda: _with("Ctrl-C", tmp_path / "out"), "the demo to stay up")
        command = next(line.strip() for line in text.splitlines() if " get --state-dir" in line)
        shown = subprocess.run(
            shlex.split(command),
            env={"PYTHONPATH": str(SOURCE)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert "github-push  active  True" in shown.stdout
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@contextmanager
def _ctrl_c_heard() -> Iterator[None]:
    """A program that a shell starts in its background ignores Ctrl-C, and so do all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _with(word: str, path: Path) -> str | None:
    text = path.read_text()
    return text if word in text else None


def _copied(folder: str, tmp_path: Path) -> Serve:
    """Return a `Serve` whose folder of manifests holds the example."""
    serve = Serve(tmp_path)
    for path in (EXAMPLES / folder).iterdir():
        serve.write(path.name, path.read_text())
    return serve

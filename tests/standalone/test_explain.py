"""Calls to a `hookgate serve` as people see them: in the status that is kept, and explained beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hookgate.cli.main import main
from tests.standalone.rig import Serve, endpoint, post, signed, target, until

Run = Callable[..., tuple[int, str, str]]
BODY = b'{"ref": "main"}'


@pytest.fixture(name="serve")
def _serve(tmp_path: Path) -> Iterator[Serve]:
    """A serving process with one endpoint, and a target for it."""
    with target() as ci:
        serve = Serve(tmp_path, "--forward", f"default/ci={ci.url}")
        serve.write("push.yaml", endpoint())
        with serve:
            serve.ready()
            yield serve


@pytest.fixture(name="run")
def _run(serve: Serve, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on the state; returns exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--state-dir", str(serve.state)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_explain_tells_what_was_wrong_with_each_call(serve: Serve, run: Run) -> None:
    """A wrong secret, no signature at all, another prefix, another form; and no word of what was sent."""
    url, secret = serve.ready()["url"], serve.secret()
    statuses = [
        post(url, BODY, signed(secret, BODY)),
        post(url, BODY, signed(b"another secret", BODY)),
        post(url, BODY, {}),
        post(url, BODY, {"X-Hub-Signature-256": "canary"}),
        post(url, BODY, {"X-Hub-Signature-256": "sha256=canary"}),
    ]
    code, out, errors = run("explain", "push")
    rows = [line.split(maxsplit=3)[1:] for line in out.splitlines() if line.startswith("20") and "Z  " in line]
    assert (statuses, code, errors) == ([202, 401, 401, 401, 401], 0, "")
    assert out.splitlines()[0] == "default/push: 1 accepted, 4 refused, by 1 receiver since the start"
    assert [(step, reason) for step, reason, _ in rows] == [
        ("authenticity", "wrong-credential"),
        ("authenticity", "missing-credential"),
        ("authenticity", "wrong-prefix"),
        ("authenticity", "malformed-credential"),
    ]
    assert {rest.split("  ")[0] for _, _, rest in rows} == {"header X-Hub-Signature-256"}
    assert [word for word in ("canary", secret.decode(), url, "another secret") if word in out] == []


def test_an_endpoint_that_nobody_called_is_explained_too(serve: Serve, run: Run) -> None:
    """With what to look for outside."""
    code, out, _ = run("explain", "push")
    assert code == 0
    assert "no call has come in" in out


def test_without_a_process_that_serves_the_status_is_told(serve: Serve, run: Run) -> None:
    """And it is said that this is so, and why."""
    serve.stop()
    code, out, errors = run("explain", "push")
    assert (code, out.splitlines()[0]) == (0, "default/push: 0 accepted, 0 refused")
    assert errors == (
        f"hookgate: no `hookgate serve` runs on {serve.state}; telling only what the endpoint's status tells\n"
    )


def test_an_unknown_endpoint_is_refused(run: Run) -> None:
    """As by every command."""
    assert run("explain", "nobody")[0] == 1


def test_the_status_that_is_kept_tells_of_calls(serve: Serve, run: Run) -> None:
    """The first ones soon; so a later process, or none, can tell of them."""
    url = serve.ready()["url"]
    assert post(url, BODY, {}) == 401
    calls = until(lambda: serve.ready().get("calls"), "the status to tell of the call")
    assert (calls["accepted"], calls["refused"], calls["lastRefused"]["reason"]) == (0, 1, "missing-credential")
    serve.stop()
    assert "missing-credential (the last one)" in run("explain", "push")[1]
